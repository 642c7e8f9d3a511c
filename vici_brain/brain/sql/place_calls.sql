-- Staged rows in the shape of vici_call_logs, but for those that land_new_calls put in already. A key that two pages delivered counts once:
-- the live copy, then the later read.
INSERT INTO placed_calls (
    instance, source_table, source_key, uniqueid, vici_lead_id, list_id, campaign_id, call_date, called_at, start_epoch, end_epoch,
    length_in_sec, status, phone_code, phone_number, phone_key, agent_user, user_group, comments, term_reason, alt_dial,
    called_count, queue_seconds, vendor_lead_code, outbound_cid, row_crc, row_flags, source_copy, read_at, first_seen_at, changed_at
)
SELECT DISTINCT ON (source_key)
    :instance, :source_table, source_key, uniqueid, vici_lead_id, list_id, campaign_id, call_date, called_at, start_epoch, end_epoch,
    length_in_sec, status, phone_code, phone_number, phone_key, agent_user, user_group, comments, term_reason, alt_dial,
    called_count, queue_seconds, nullif(vendor_lead_code, ''), nullif(outbound_cid, ''), row_crc,
    call_flags(call_date, called_at, start_epoch, length_in_sec, vici_lead_id, list_id, campaign_id, status, phone_key),
    source_copy, CAST(:read_at AS timestamptz), CAST(:read_at AS timestamptz), CAST(:read_at AS timestamptz)
FROM staged_calls AS staged
WHERE called_at IS NOT NULL
  AND (called_at >= CAST(:landed_from AS timestamptz) AND called_at < CAST(:landed_to AS timestamptz)) IS NOT TRUE
ORDER BY source_key, source_copy = 'live' DESC, staged.ctid DESC
