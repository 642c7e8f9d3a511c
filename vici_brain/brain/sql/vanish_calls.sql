-- Rows that are gone at the dialer. In vicidial_log a row of the same lead and attempt may still be there: if it came later, in the same
-- second, this one became it (the agent's hang-up rewrites the key); if it was there before, this one was its duplicate (the other
-- end of a channel, a second or so apart, under the same epoch), which the dialer cleaned up, however late that is noticed. Without
-- one, what went young from among others was deleted by hand, and what went old was removed by age; the dialer's clock says how old. As by
-- age went what lies before or between all that the live table and its archive still show: a table that is emptied every night into an
-- archive that this login may not read, or that was truncated. Such calls did happen and stay calls. The sibling is found over
-- vici_call_logs_called_at.
WITH gone AS (
    SELECT call.*, sibling.source_key AS sibling_key,
        sibling.called_at = call.called_at AND sibling.first_seen_at > call.first_seen_at AS is_rewritten
    FROM vici_call_logs AS call
    LEFT JOIN LATERAL (
        SELECT source_key, called_at, first_seen_at FROM vici_call_logs AS other
        WHERE call.source_table = 'vicidial_log' AND other.instance = call.instance AND other.source_table = call.source_table
          AND other.called_at BETWEEN call.called_at - interval '1 minute' AND call.called_at + interval '1 minute'
          AND (other.called_at = call.called_at OR split_part(other.uniqueid, '.', 1) = split_part(call.uniqueid, '.', 1))
          AND other.vici_lead_id = call.vici_lead_id AND other.called_count IS NOT DISTINCT FROM call.called_count
          AND other.vanished_at IS NULL AND NOT other.source_key = ANY(:keys)
        ORDER BY other.called_at = call.called_at AND other.first_seen_at > call.first_seen_at DESC, other.first_seen_at DESC,
            other.source_key DESC
        LIMIT 1
    ) AS sibling ON true
    WHERE call.instance = :instance AND call.source_table = :source_table AND call.source_key = ANY(:keys) AND call.vanished_at IS NULL
    ORDER BY call.source_key
    FOR UPDATE OF call
)
UPDATE vici_call_logs AS call SET
    vanished_at = :gone_at,
    changed_at = :gone_at,
    successor_key = CASE WHEN gone.is_rewritten THEN gone.sibling_key END,
    vanish_reason = CASE
        WHEN gone.is_rewritten THEN 'rewritten'
        WHEN gone.sibling_key IS NOT NULL THEN 'deleted'
        WHEN CAST(:dialer_now AS timestamptz) - call.called_at > interval '72 hours' THEN 'expired'
        WHEN call.call_date IS NULL OR EXISTS (
            SELECT FROM unnest(CAST(:shown_from AS timestamp[]), CAST(:shown_until AS timestamp[])) AS shown (first, last)
            WHERE call.call_date BETWEEN shown.first AND shown.last
        ) THEN 'deleted'
        ELSE 'expired'
    END
FROM gone
WHERE call.instance = gone.instance AND call.source_table = gone.source_table AND call.source_key = gone.source_key
RETURNING
    call.vanish_reason AS reason,
    call.vanish_reason = 'expired' AND CAST(:dialer_now AS timestamptz) - call.called_at <= interval '72 hours' AS is_emptied
