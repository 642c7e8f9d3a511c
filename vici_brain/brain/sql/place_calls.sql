-- Staged rows in the shape of vici_call_logs: the instant of the call, the phone's normal form and the row's oddities are decided
-- here, once, whichever way the rows were read. A key that two pages delivered counts once: the live copy, then the later read.
INSERT INTO placed_calls (
    instance, source_table, source_key, uniqueid, vici_lead_id, list_id, campaign_id, call_date, called_at, start_epoch, end_epoch,
    length_in_sec, status, phone_code, phone_number, phone_key, agent_user, user_group, comments, term_reason, alt_dial,
    called_count, queue_seconds, vendor_lead_code, outbound_cid, row_crc, row_flags, source_copy, read_at, first_seen_at, changed_at
)
SELECT
    :instance, :source_table, source_key, uniqueid, vici_lead_id, list_id, campaign_id, call_date, called_at, start_epoch, end_epoch,
    length_in_sec, status, phone_code, phone_number, phone_key, agent_user, user_group, comments, term_reason, alt_dial,
    called_count, queue_seconds, nullif(vendor_lead_code, ''), nullif(outbound_cid, ''), row_crc,
    nullif(array_remove(ARRAY[
        CASE WHEN call_date IS NULL THEN 'call_date_missing' END,
        CASE WHEN date_part('epoch', called_at) IS DISTINCT FROM start_epoch THEN 'start_epoch_refused' END,
        CASE WHEN length_in_sec < 0 OR length_in_sec > 86400 THEN 'length_implausible' END,
        CASE WHEN vici_lead_id IS NULL OR vici_lead_id = 0 THEN 'lead_missing' END,
        CASE WHEN list_id IS NULL OR list_id = 0 THEN 'list_missing' END,
        CASE WHEN coalesce(btrim(campaign_id), '') = '' THEN 'campaign_missing' END,
        CASE WHEN coalesce(btrim(status), '') = '' THEN 'status_blank' END,
        CASE WHEN phone_key IS NULL THEN 'phone_unusable' END
    ], NULL), '{}'),
    source_copy, CAST(:read_at AS timestamptz), CAST(:read_at AS timestamptz), CAST(:read_at AS timestamptz)
FROM (
    SELECT DISTINCT ON (source_key)
        staged_calls.*,
        call_instant(call_date, start_epoch, uniqueid, :zone) AS called_at,
        -- Nearly every number is ten digits with code 1; only the others need the function.
        CASE
            WHEN phone_code = '1' AND phone_number ~ '^[0-9]{10}$' THEN '1' || phone_number
            ELSE normalised_phone(phone_code, phone_number)
        END AS phone_key
    FROM staged_calls
    ORDER BY source_key, source_copy = 'live' DESC, ordinal DESC
) AS staged
WHERE called_at IS NOT NULL
