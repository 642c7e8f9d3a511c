-- Calls of a window that share their key with another (vici_call_logs_called_at), and rows of vicidial_log whose uniqueid is not their
-- key: with the primary key over it, uniqueid = key for every row means that no uniqueid occurs twice, in whatever windows.
SELECT count(*) OVER () AS offending, source_table, source_key, uniqueid, copies
FROM (
    SELECT source_table, source_key, min(uniqueid) AS uniqueid, count(*) AS copies
    FROM vici_call_logs
    WHERE instance = :instance AND called_at >= :start AND called_at < :end
    GROUP BY source_table, source_key
    HAVING count(*) > 1 OR (source_table = 'vicidial_log' AND min(uniqueid) IS DISTINCT FROM source_key)
) AS offending
ORDER BY source_table, source_key LIMIT :sample
