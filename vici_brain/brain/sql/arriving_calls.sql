-- The placed rows that say something new, by primary-key look-up. A re-read in which nothing changed ends here: it writes and locks
-- nothing. An older read and an archive copy (which may be stale) never overwrite a live row; an archived row is only followed when
-- the archive itself was edited. What is no longer known at the dialer, such as the code of a deleted lead, does not erase what was
-- known. Purged orphans of which a row says something new are back in vici_call_logs by now (purged_that_changed); the others stay out.
INSERT INTO arriving_calls
SELECT placed.*
FROM placed_calls AS placed
LEFT JOIN LATERAL (
    -- Keeps the planner from reading the whole table for every slice, which it takes for cheaper as soon as a slice has some thousand rows.
    SELECT * FROM vici_call_logs AS known
    WHERE known.instance = placed.instance AND known.source_table = placed.source_table AND known.source_key = placed.source_key
    OFFSET 0
) AS held ON true
WHERE (held.source_key IS NULL AND NOT EXISTS (
        SELECT FROM purged_orphan_calls AS purged
        WHERE purged.instance = placed.instance AND purged.source_table = placed.source_table AND purged.source_key = placed.source_key
   ))
   OR (
        held.read_at <= placed.read_at
        AND NOT (held.source_copy = 'live' AND placed.source_copy = 'archive')
        AND CASE WHEN held.source_copy = 'archive' AND placed.source_copy = 'archive' THEN held.row_crc <> placed.row_crc
        ELSE (
            held.vanished_at IS NOT NULL
            OR held.source_copy <> placed.source_copy
            OR held.vendor_lead_code IS DISTINCT FROM coalesce(placed.vendor_lead_code, held.vendor_lead_code)
            OR held.outbound_cid IS DISTINCT FROM coalesce(placed.outbound_cid, held.outbound_cid)
            OR (
                held.row_crc, held.uniqueid, held.vici_lead_id, held.list_id, held.campaign_id, held.call_date, held.called_at,
                held.start_epoch, held.end_epoch, held.length_in_sec, held.status, held.phone_code, held.phone_number,
                held.agent_user, held.user_group, held.comments, held.term_reason, held.alt_dial, held.called_count, held.queue_seconds
            ) IS DISTINCT FROM (
                placed.row_crc, placed.uniqueid, placed.vici_lead_id, placed.list_id, placed.campaign_id, placed.call_date,
                placed.called_at, placed.start_epoch, placed.end_epoch, placed.length_in_sec, placed.status, placed.phone_code,
                placed.phone_number, placed.agent_user, placed.user_group, placed.comments, placed.term_reason, placed.alt_dial,
                placed.called_count, placed.queue_seconds
            )
        ) END
   )
