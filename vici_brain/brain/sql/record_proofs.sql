-- The verdict on single buckets that are locked, by the key of the ledger. A bucket that was proven keeps the moment of its last proof when
-- it differs now; and one that differs without ever having been read stays a hole of the ledger, because a verdict is no read.
INSERT INTO call_log_proofs AS held (
    instance, source_table, bucket_start, state, read_at, source_count, source_crc_sum, brain_count, brain_crc_sum, proven_at
)
SELECT
    :instance, :source_table, bucket_start, state, CAST(:compared_at AS timestamptz), source_count, source_crc_sum, brain_count,
    brain_crc_sum, CASE WHEN state = 'proven' THEN CAST(:compared_at AS timestamptz) END
FROM unnest(
    CAST(:buckets AS timestamptz[]), CAST(:states AS text[]), CAST(:source_counts AS bigint[]), CAST(:source_sums AS numeric[]),
    CAST(:brain_counts AS bigint[]), CAST(:brain_sums AS numeric[])
) AS given (bucket_start, state, source_count, source_crc_sum, brain_count, brain_crc_sum)
WHERE state = 'proven' OR EXISTS (
    SELECT FROM call_log_proofs AS known
    WHERE known.instance = :instance AND known.source_table = :source_table AND known.bucket_start = given.bucket_start
      -- Said again for the planner, which might read the whole ledger for a few buckets.
      AND known.bucket_start >= :start AND known.bucket_start < :end
)
ORDER BY bucket_start
ON CONFLICT (instance, source_table, bucket_start) DO UPDATE SET
    state = excluded.state, source_count = excluded.source_count, source_crc_sum = excluded.source_crc_sum,
    brain_count = excluded.brain_count, brain_crc_sum = excluded.brain_crc_sum,
    proven_at = coalesce(excluded.proven_at, held.proven_at)
