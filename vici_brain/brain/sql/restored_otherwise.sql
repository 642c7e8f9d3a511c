-- Calls that came back, but not as they were exported: different in a column, or not in the file at all. What the dialer removed by age in
-- the meantime carries its stamp, and is no difference.
SELECT back.source_table || ' ' || back.source_key
FROM unnest(CAST(:tables AS text[]), CAST(:keys AS text[])) AS back (source_table, source_key)
JOIN vici_call_logs AS call
    ON call.instance = :instance AND call.source_table = back.source_table AND call.source_key = back.source_key
LEFT JOIN exported_calls AS exported
    ON exported.instance = call.instance AND exported.source_table = call.source_table AND exported.source_key = call.source_key
WHERE exported.source_key IS NULL
   OR (exported.vanished_at IS NOT DISTINCT FROM call.vanished_at AND ROW(call.*) IS DISTINCT FROM ROW(exported.*))
ORDER BY 1
