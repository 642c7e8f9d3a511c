-- The calls of each five minutes of a window: as counted at the source when they were read (ledger, by its key) and as they stand in
-- Brain, with a lead and without (vici_call_logs_called_at). A week is one statement: asking per bucket would be two thousand.
SELECT
    bucket_start, coalesce(source.calls, 0) AS source_count, coalesce(held.matched, 0) AS matched, coalesce(held.orphaned, 0) AS orphaned
FROM (
    SELECT bucket_start, CAST(sum(source_count) AS bigint) AS calls
    FROM call_log_proofs
    -- The two by name: without the middle column of its key, the ledger's index would be read whole.
    WHERE instance = :instance AND source_table IN ('vicidial_log', 'vicidial_closer_log')
      AND bucket_start >= :start AND bucket_start < :end
    GROUP BY 1
) AS source
FULL JOIN (
    SELECT
        date_bin('5 minutes', called_at, 'epoch') AS bucket_start,
        count(*) FILTER (WHERE lead_id IS NOT NULL) AS matched, count(*) FILTER (WHERE lead_id IS NULL) AS orphaned
    FROM vici_call_logs
    WHERE instance = :instance AND called_at >= :start AND called_at < :end AND vanished_at IS NULL GROUP BY 1
) AS held USING (bucket_start)
