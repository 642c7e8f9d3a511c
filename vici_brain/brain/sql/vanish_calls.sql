-- Rows that are gone at the dialer. A row of the same lead that began in the same second of the same attempt, under another key, is what it
-- became (the agent's hang-up rewrites the key); a young row without one was a duplicate that the dialer cleaned up; an old one
-- was removed by age.
WITH gone AS (
    SELECT call.*, (
        SELECT twin.source_key FROM vici_call_logs AS twin
        WHERE twin.instance = call.instance AND twin.source_table = call.source_table AND twin.called_at = call.called_at
          AND twin.vici_lead_id = call.vici_lead_id AND twin.source_key <> call.source_key AND twin.vanished_at IS NULL
          AND twin.called_count IS NOT DISTINCT FROM call.called_count AND NOT twin.source_key = ANY(:keys)
        ORDER BY twin.first_seen_at DESC, twin.source_key DESC LIMIT 1
    ) AS became
    FROM vici_call_logs AS call
    WHERE call.instance = :instance AND call.source_table = :source_table AND call.source_key = ANY(:keys) AND call.vanished_at IS NULL
    ORDER BY call.source_key
    FOR UPDATE OF call
)
UPDATE vici_call_logs AS call SET
    vanished_at = :gone_at,
    changed_at = :gone_at,
    successor_key = gone.became,
    vanish_reason = CASE
        WHEN gone.became IS NOT NULL THEN 'rewritten'
        WHEN CAST(:gone_at AS timestamptz) - call.called_at <= interval '72 hours' THEN 'deleted'
        ELSE 'expired'
    END
FROM gone
WHERE call.instance = gone.instance AND call.source_table = gone.source_table AND call.source_key = gone.source_key
RETURNING call.vanish_reason
