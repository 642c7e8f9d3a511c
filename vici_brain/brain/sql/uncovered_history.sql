-- Dialers and source tables of which not every five-minute bucket between two moments was read, or some are known to differ: one stretch of
-- the ledger's primary key for each. A bucket with a call younger than 30 days that Brain does not hold would allow what is forbidden.
SELECT instances.name AS instance, source_tables.name AS source_table, held.buckets AS held,
       CAST(extract(epoch FROM CAST(:end AS timestamptz) - CAST(:start AS timestamptz)) / 300 AS bigint) AS wanted
FROM unnest(CAST(:instances AS text[])) AS instances (name)
CROSS JOIN unnest(CAST(:source_tables AS text[])) AS source_tables (name)
CROSS JOIN LATERAL (
    SELECT count(*) AS buckets FROM call_log_proofs
    WHERE instance = instances.name AND source_table = source_tables.name AND bucket_start >= :start AND bucket_start < :end
      AND state <> 'differs'
) AS held
WHERE held.buckets < CAST(extract(epoch FROM CAST(:end AS timestamptz) - CAST(:start AS timestamptz)) / 300 AS bigint)
ORDER BY 1, 2
