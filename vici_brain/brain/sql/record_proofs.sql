-- The verdict on each bucket of a window. A bucket that was proven keeps the moment of its last proof when it differs now.
INSERT INTO call_log_proofs AS held (
    instance, source_table, bucket_start, state, read_at, source_count, source_crc_sum, brain_count, brain_crc_sum, proven_at
)
SELECT
    :instance, :source_table, bucket_start, state, CAST(:compared_at AS timestamptz), source_count, source_crc_sum, brain_count,
    brain_crc_sum, CASE WHEN state = 'proven' THEN CAST(:compared_at AS timestamptz) END
FROM unnest(
    CAST(:buckets AS timestamptz[]), CAST(:states AS text[]), CAST(:source_counts AS bigint[]), CAST(:source_sums AS numeric[]),
    CAST(:brain_counts AS bigint[]), CAST(:brain_sums AS numeric[])
) AS verdict (bucket_start, state, source_count, source_crc_sum, brain_count, brain_crc_sum)
ORDER BY bucket_start
ON CONFLICT (instance, source_table, bucket_start) DO UPDATE SET
    state = excluded.state, source_count = excluded.source_count, source_crc_sum = excluded.source_crc_sum,
    brain_count = excluded.brain_count, brain_crc_sum = excluded.brain_crc_sum,
    proven_at = coalesce(excluded.proven_at, held.proven_at)
