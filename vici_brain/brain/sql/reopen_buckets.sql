-- A bucket in which a call is about to come, to change, or to leave for another time is not proven any more, whatever window brought
-- the call. Every touched bucket is locked, proven or not, oldest first, so that a verdict which is being written waits for this
-- transaction. Each is looked up by the key of the ledger.
WITH touched AS MATERIALIZED (
    SELECT DISTINCT date_bin('5 minutes', moment, 'epoch') AS bucket_start
    FROM arriving_calls AS arriving
    LEFT JOIN vici_call_logs AS held USING (instance, source_table, source_key)
    CROSS JOIN LATERAL (VALUES (arriving.called_at), (held.called_at)) AS moments (moment)
    WHERE moment IS NOT NULL
    ORDER BY 1
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
