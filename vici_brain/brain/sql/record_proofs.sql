-- The verdict on each bucket of a window; those without a call on either side are not named, and alike. A bucket that was proven keeps the moment of its last proof when it differs now. One whose calls
-- changed after they were added up is not proven but read again later (the buckets are locked, so nothing changes them from here on);
-- and one that differs without ever having been read stays a hole of the ledger, because a verdict is no read.
WITH brain AS (
    SELECT date_bin('5 minutes', called_at, 'epoch') AS bucket_start, count(*) AS calls, sum(row_crc) AS crc_sum
    FROM held_call_logs
    WHERE instance = :instance AND source_table = :source_table AND called_at >= :start AND called_at < :end AND vanished_at IS NULL
    GROUP BY 1
), given AS (
    SELECT * FROM unnest(
        CAST(:buckets AS timestamptz[]), CAST(:states AS text[]), CAST(:source_counts AS bigint[]), CAST(:source_sums AS numeric[]),
        CAST(:brain_counts AS bigint[]), CAST(:brain_sums AS numeric[])
    ) AS given (bucket_start, found, source_count, source_crc_sum, brain_count, brain_crc_sum)
), compared AS (
    SELECT
        bucket_start,
        coalesce(found, 'proven') AS found,
        coalesce(source_count, 0) AS source_count,
        coalesce(source_crc_sum, 0) AS source_crc_sum,
        coalesce(brain_count, 0) AS brain_count,
        coalesce(brain_crc_sum, 0) AS brain_crc_sum
    FROM generate_series(CAST(:start AS timestamptz), CAST(:last AS timestamptz), interval '5 minutes') AS bucket (bucket_start)
    LEFT JOIN given USING (bucket_start)
), verdict AS (
    SELECT
        compared.*,
        CASE
            WHEN found = 'proven'
                AND (coalesce(brain.calls, 0), coalesce(brain.crc_sum, 0)) <> (brain_count, brain_crc_sum)
            THEN 'read'
            ELSE found
        END AS state
    FROM compared
    LEFT JOIN brain USING (bucket_start)
)
INSERT INTO call_log_proofs AS held (
    instance, source_table, bucket_start, state, read_at, source_count, source_crc_sum, brain_count, brain_crc_sum, proven_at
)
SELECT
    :instance, :source_table, bucket_start, state, CAST(:compared_at AS timestamptz), source_count, source_crc_sum, brain_count,
    brain_crc_sum, CASE WHEN state = 'proven' THEN CAST(:compared_at AS timestamptz) END
FROM verdict
WHERE state = 'proven' OR EXISTS (
    SELECT FROM call_log_proofs AS known
    WHERE known.instance = :instance AND known.source_table = :source_table AND known.bucket_start = verdict.bucket_start
      -- Said again for the planner, which might read the whole ledger for some hundred buckets.
      AND known.bucket_start >= :start AND known.bucket_start < :end
)
ORDER BY bucket_start
ON CONFLICT (instance, source_table, bucket_start) DO UPDATE SET
    state = excluded.state, source_count = excluded.source_count, source_crc_sum = excluded.source_crc_sum,
    brain_count = excluded.brain_count, brain_crc_sum = excluded.brain_crc_sum,
    proven_at = coalesce(excluded.proven_at, held.proven_at)
