-- Five-minute buckets of a window that were never read, differed when they were read, or of which Brain has lost rows since. More rows
-- than then are no fault: the overlap of a later read brings late ones. Ledger by its key, calls by vici_call_logs_called_at.
WITH due AS (
    SELECT source_table, bucket_start
    FROM unnest(CAST(:source_tables AS text[])) AS tables (source_table)
    CROSS JOIN generate_series(
        CAST(:start AS timestamptz), CAST(:end AS timestamptz) - interval '5 minutes', interval '5 minutes'
    ) AS buckets (bucket_start)
), held AS (
    SELECT source_table, date_bin('5 minutes', called_at, 'epoch') AS bucket_start, count(*) AS calls
    FROM held_call_logs
    WHERE instance = :instance AND called_at >= :start AND called_at < :end AND vanished_at IS NULL
    GROUP BY 1, 2
)
SELECT
    count(*) OVER () AS offending, due.source_table, due.bucket_start, ledger.source_count, ledger.brain_count AS brain_count_when_read,
    coalesce(held.calls, 0) AS brain_count_now,
    CASE
        WHEN ledger.bucket_start IS NULL THEN 'never read'
        WHEN ledger.state = 'differs' THEN 'proof failed'
        WHEN ledger.source_count <> ledger.brain_count THEN 'counts differ'
        WHEN ledger.source_crc_sum <> ledger.brain_crc_sum THEN 'contents differ'
        ELSE 'lost since'
    END AS what
FROM due
LEFT JOIN call_log_proofs AS ledger
    ON ledger.instance = :instance AND ledger.source_table = due.source_table AND ledger.bucket_start = due.bucket_start
    AND ledger.bucket_start >= :start AND ledger.bucket_start < :end
LEFT JOIN held ON held.source_table = due.source_table AND held.bucket_start = due.bucket_start
WHERE ledger.bucket_start IS NULL
    OR ledger.state = 'differs'
    OR ledger.source_count <> ledger.brain_count
    OR ledger.source_crc_sum <> ledger.brain_crc_sum
    OR coalesce(held.calls, 0) < ledger.source_count
ORDER BY due.bucket_start, due.source_table LIMIT :sample
