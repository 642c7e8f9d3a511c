-- Calls of a window for which several leads fitted (vici_call_logs_called_at).
SELECT count(*) OVER () AS offending, source_table, source_key, matched_by, match_candidates, lead_id
FROM vici_call_metrics
WHERE instance = :instance AND called_at >= :start AND called_at < :end AND match_candidates > 1
ORDER BY source_table, source_key LIMIT :sample
