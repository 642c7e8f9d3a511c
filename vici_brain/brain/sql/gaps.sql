-- Buckets between two moments that some source table was never read in, or that are not proven although their time for it has come. Of
-- each source table the stretch is walked down the ledger's key; of a year of buckets only those that lack something leave the database.
SELECT lacking.bucket_start, bool_or(lacking.never_read) AS never_read
FROM unnest(CAST(:source_tables AS text[])) AS tables (name)
CROSS JOIN LATERAL (
    SELECT wanted.bucket_start, held.bucket_start IS NULL AS never_read
    FROM generate_series(CAST(:start AS timestamptz), CAST(:end AS timestamptz) - interval '5 minutes', interval '5 minutes')
        AS wanted (bucket_start)
    LEFT JOIN (
        SELECT bucket_start, state FROM call_log_proofs
        WHERE instance = :instance AND source_table = tables.name AND bucket_start >= :start AND bucket_start < :end
        -- Keeps the planner from reading the ledgers of all dialers at once instead.
        OFFSET 0
    ) AS held ON held.bucket_start = wanted.bucket_start
    WHERE held.bucket_start IS NULL OR (held.state <> 'proven' AND wanted.bucket_start < :proof_due)
) AS lacking
GROUP BY lacking.bucket_start
ORDER BY lacking.bucket_start
LIMIT :limit
