-- Calls of a window that are in both halves or in neither, or in a half without being a call; old orphans that were hidden are in none. Each side walks vici_call_logs_called_at.
SELECT count(*) OVER () AS offending, source_table, source_key, in_halves
FROM (
    SELECT source_table, source_key, sum(in_half) AS in_halves
    FROM (
        SELECT source_table, source_key, 0 AS in_half, 1 AS is_call FROM vici_call_logs
        WHERE instance = :instance AND called_at >= :start AND called_at < :end
            AND (vanished_at IS NULL OR vanish_reason = 'expired') AND (lead_id IS NOT NULL OR hidden_at IS NULL)
        UNION ALL
        SELECT source_table, source_key, 1, 0 FROM vici_call_metrics
        WHERE instance = :instance AND called_at >= :start AND called_at < :end
        UNION ALL
        SELECT source_table, source_key, 1, 0 FROM orphan_call_logs
        WHERE instance = :instance AND called_at >= :start AND called_at < :end
    ) AS sides
    GROUP BY source_table, source_key
    HAVING sum(in_half) <> 1 OR sum(is_call) <> 1
) AS offending
ORDER BY source_table, source_key LIMIT :sample
