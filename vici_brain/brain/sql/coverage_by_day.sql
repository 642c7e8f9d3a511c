-- How the ledger stands per day, for the picture of the last months: one pass over its primary key.
SELECT date(bucket_start AT TIME ZONE 'UTC') AS day, extract(hour FROM bucket_start AT TIME ZONE 'UTC')::int AS hour,
       count(*) AS buckets, count(*) FILTER (WHERE state = 'proven') AS proven, count(*) FILTER (WHERE state = 'differs') AS differing
FROM call_log_proofs
WHERE instance = :instance AND bucket_start >= :start AND bucket_start < :end
GROUP BY 1, 2
