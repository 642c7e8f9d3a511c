-- Buckets between two moments that some source table was never read in, or that are not proven although their time for it has come. The
-- series is made from the ledger's primary key order; of a year of buckets only those that lack something leave the database.
WITH wanted AS (
    SELECT source_table, bucket_start
    FROM unnest(CAST(:source_tables AS text[])) AS source_table,
         generate_series(CAST(:start AS timestamptz), CAST(:end AS timestamptz) - interval '5 minutes', interval '5 minutes') AS bucket_start
)
SELECT wanted.bucket_start, bool_or(held.bucket_start IS NULL) AS never_read
FROM wanted
LEFT JOIN call_log_proofs AS held
    ON held.instance = :instance AND held.source_table = wanted.source_table AND held.bucket_start = wanted.bucket_start
WHERE held.bucket_start IS NULL OR (held.state <> 'proven' AND wanted.bucket_start < :proof_due)
GROUP BY wanted.bucket_start
ORDER BY wanted.bucket_start
LIMIT :limit
