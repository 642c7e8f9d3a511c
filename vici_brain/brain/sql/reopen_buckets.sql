-- A bucket in which a call is about to come, to change, or to leave for another time is not proven any more, whatever window brought
-- the call. Every touched bucket is locked, proven or not, so that a verdict which is being written waits for this transaction.
WITH touched AS (
    SELECT DISTINCT date_bin('5 minutes', moment, 'epoch') AS bucket_start
    FROM arriving_calls AS arriving
    LEFT JOIN vici_call_logs AS held USING (instance, source_table, source_key)
    CROSS JOIN LATERAL (VALUES (arriving.called_at), (held.called_at)) AS moments (moment)
    WHERE moment IS NOT NULL
), locked AS (
    SELECT proof.bucket_start, proof.state
    FROM call_log_proofs AS proof
    JOIN touched ON touched.bucket_start = proof.bucket_start
    WHERE proof.instance = :instance AND proof.source_table = :source_table
    ORDER BY proof.bucket_start
    FOR UPDATE OF proof
)
UPDATE call_log_proofs AS proof SET state = 'read'
FROM locked
WHERE proof.instance = :instance AND proof.source_table = :source_table AND proof.bucket_start = locked.bucket_start
  AND proof.state = 'proven'
