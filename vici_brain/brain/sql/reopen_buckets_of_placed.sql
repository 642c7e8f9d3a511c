-- As reopen_buckets, for rows of which none is held yet: they can only touch the buckets they fall into.
WITH locked AS (
    SELECT proof.bucket_start, proof.state
    FROM call_log_proofs AS proof
    WHERE proof.instance = :instance AND proof.source_table = :source_table
      AND proof.bucket_start IN (SELECT DISTINCT date_bin('5 minutes', called_at, 'epoch') FROM placed_calls)
    ORDER BY proof.bucket_start
    FOR UPDATE OF proof
)
UPDATE call_log_proofs AS proof SET state = 'read'
FROM locked
WHERE proof.instance = :instance AND proof.source_table = :source_table AND proof.bucket_start = locked.bucket_start
  AND locked.state = 'proven'
