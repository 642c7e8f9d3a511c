-- As reopen_buckets, for rows of which none is held yet: they can only touch the buckets they fall into.
WITH touched AS MATERIALIZED (
    SELECT DISTINCT date_bin('5 minutes', called_at, 'epoch') AS bucket_start FROM placed_calls ORDER BY 1
), locked AS (
    SELECT proof.bucket_start
    FROM touched
    CROSS JOIN LATERAL (
        SELECT bucket_start FROM call_log_proofs
        WHERE instance = :instance AND source_table = :source_table AND bucket_start = touched.bucket_start
        FOR UPDATE
    ) AS proof
)
UPDATE call_log_proofs AS proof SET state = 'read'
FROM locked
WHERE proof.instance = :instance AND proof.source_table = :source_table AND proof.bucket_start = locked.bucket_start
  AND proof.state = 'proven'
  -- Of a ledger without statistics the planner would read the whole for each of them.
  AND proof.bucket_start BETWEEN (SELECT min(bucket_start) FROM locked) AND (SELECT max(bucket_start) FROM locked)
