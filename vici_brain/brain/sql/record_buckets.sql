-- The ledger's entry for every whole bucket of a slice, empty ones too, in the transaction that wrote the rows. Brain's own side is
-- counted over vici_call_logs_called_at. A verdict stays: it is reopened by the rows that change a bucket, not by re-reading it.
WITH bucket AS (
    SELECT generate_series(CAST(:start AS timestamptz), CAST(:end AS timestamptz) - interval '5 minutes', interval '5 minutes') AS bucket_start
), source AS (
    SELECT date_bin('5 minutes', called_at, 'epoch') AS bucket_start, count(*) AS calls, sum(row_crc) AS crc_sum
    FROM placed_calls WHERE called_at >= :start AND called_at < :end GROUP BY 1
), brain AS (
    SELECT date_bin('5 minutes', called_at, 'epoch') AS bucket_start, count(*) AS calls, sum(row_crc) AS crc_sum
    FROM held_call_logs
    WHERE instance = :instance AND source_table = :source_table AND called_at >= :start AND called_at < :end AND vanished_at IS NULL
    GROUP BY 1
)
INSERT INTO call_log_proofs AS held (
    instance, source_table, bucket_start, state, read_at, source_count, source_crc_sum, brain_count, brain_crc_sum
)
SELECT
    :instance, :source_table, bucket_start, 'read', CAST(:read_at AS timestamptz),
    coalesce(source.calls, 0), coalesce(source.crc_sum, 0), coalesce(brain.calls, 0), coalesce(brain.crc_sum, 0)
FROM bucket
LEFT JOIN source USING (bucket_start)
LEFT JOIN brain USING (bucket_start)
ORDER BY bucket_start
ON CONFLICT (instance, source_table, bucket_start) DO UPDATE SET
    -- A bucket that came into the ledger while its first calls landed was judged without them.
    state = CASE
        WHEN (held.brain_count, held.brain_crc_sum) = (excluded.brain_count, excluded.brain_crc_sum) THEN held.state
        ELSE 'read'
    END,
    read_at = excluded.read_at, source_count = excluded.source_count, source_crc_sum = excluded.source_crc_sum,
    brain_count = excluded.brain_count, brain_crc_sum = excluded.brain_crc_sum
WHERE held.read_at <= excluded.read_at
