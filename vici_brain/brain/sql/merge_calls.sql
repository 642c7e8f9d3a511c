-- New rows in, changed rows over their older selves, in key order. The guards stand again on the row as it is at this moment. A call
-- whose lead, phone or code changed gives up its match and is matched anew.
INSERT INTO vici_call_logs AS held
SELECT * FROM arriving_calls ORDER BY instance, source_table, source_key
ON CONFLICT (instance, source_table, source_key) DO UPDATE SET
    uniqueid = excluded.uniqueid, vici_lead_id = excluded.vici_lead_id, list_id = excluded.list_id,
    campaign_id = excluded.campaign_id, call_date = excluded.call_date, called_at = excluded.called_at,
    start_epoch = excluded.start_epoch, end_epoch = excluded.end_epoch, length_in_sec = excluded.length_in_sec,
    status = excluded.status, phone_code = excluded.phone_code, phone_number = excluded.phone_number,
    phone_key = excluded.phone_key, agent_user = excluded.agent_user, user_group = excluded.user_group,
    comments = excluded.comments, term_reason = excluded.term_reason, alt_dial = excluded.alt_dial,
    called_count = excluded.called_count, queue_seconds = excluded.queue_seconds,
    vendor_lead_code = coalesce(excluded.vendor_lead_code, held.vendor_lead_code),
    outbound_cid = coalesce(excluded.outbound_cid, held.outbound_cid),
    row_crc = excluded.row_crc, row_flags = excluded.row_flags, source_copy = excluded.source_copy,
    read_at = excluded.read_at, changed_at = excluded.changed_at,
    vanished_at = NULL, vanish_reason = NULL, successor_key = NULL,
    (lead_id, matched_by, matched_at, match_candidates) = (
        SELECT held.lead_id, held.matched_by, held.matched_at, held.match_candidates
        WHERE (held.vici_lead_id, held.phone_key, held.vendor_lead_code)
            IS NOT DISTINCT FROM (excluded.vici_lead_id, excluded.phone_key, coalesce(excluded.vendor_lead_code, held.vendor_lead_code))
    )
WHERE {{says_something_new: excluded}}
