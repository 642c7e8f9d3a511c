-- The states that are about to be replaced, locked in key order so that two writers cannot wait for each other. A call that another
-- writer brought meanwhile, word for word, is not replaced.
WITH replaced AS (
    SELECT held.*
    FROM vici_call_logs AS held
    JOIN arriving_calls AS arriving USING (instance, source_table, source_key)
    WHERE {{says_something_new: arriving}}
    ORDER BY instance, source_table, source_key
    FOR UPDATE OF held
)
INSERT INTO vici_call_log_history (
    instance, source_table, source_key, vici_lead_id, end_epoch, length_in_sec, status, agent_user, term_reason, row_crc, state,
    seen_from, seen_until
)
SELECT
    instance, source_table, source_key, vici_lead_id, end_epoch, length_in_sec, status, agent_user, term_reason, row_crc,
    to_jsonb(replaced), changed_at, CAST(:read_at AS timestamptz)
FROM replaced
