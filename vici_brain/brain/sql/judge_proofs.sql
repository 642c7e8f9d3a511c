-- Compares what the dialer's calls add up to with Brain's own, bucket by bucket, and proves those that are equal, in one walk over
-- vici_call_logs_called_at for all source tables of the dialer. The buckets are locked: nothing changes them while they are added up.
-- Brain's regular rows (epoch and wall time agree within a quarter of an hour on the dialer's clock) are counted and summed as the
-- dialer counts its own. In the window its clock keeps one offset: to look a zone up by its name for every row costs as much as
-- reading it. A bucket with an irregular row on either side is not judged here but returned, as one that differs is: with Brain's
-- figures and its irregular rows. Those that no call was ever in are not given, and proven too.
WITH given AS (
    SELECT (CAST(:source_tables AS text[]))[number] AS source_table, to_timestamp(epoch) AS bucket_start, calls, crc_sum, has_odd = 1 AS has_odd
    FROM unnest(
        CAST(:numbers AS int[]), CAST(:epochs AS bigint[]), CAST(:counts AS bigint[]), CAST(:sums AS bigint[]), CAST(:has_odd AS int[])
    ) AS given (number, epoch, calls, crc_sum, has_odd)
), brain AS (
    SELECT
        source_table,
        date_bin('5 minutes', called_at, 'epoch') AS bucket_start,
        count(*) FILTER (WHERE is_regular) AS calls,
        coalesce(sum(row_crc) FILTER (WHERE is_regular), 0) AS crc_sum,
        array_agg(source_key) FILTER (WHERE NOT is_regular) AS odd_keys,
        array_agg(row_crc) FILTER (WHERE NOT is_regular) AS odd_crcs
    FROM (
        SELECT source_table, source_key, called_at, row_crc, (
            date_part('epoch', called_at) = start_epoch
            AND call_date BETWEEN (called_at AT TIME ZONE make_interval(secs => CAST(:offset AS int) - CAST(:tolerance AS int)))
                AND (called_at AT TIME ZONE make_interval(secs => CAST(:offset AS int) + CAST(:tolerance AS int)))
        ) IS TRUE AS is_regular
        FROM held_call_logs
        WHERE instance = :instance AND source_table = ANY(CAST(:source_tables AS text[])) AND called_at >= :start AND called_at < :end
          AND vanished_at IS NULL
        -- Else whether a row is regular is worked out again for each of the four aggregates.
        OFFSET 0
    ) AS held
    GROUP BY 1, 2
), compared AS MATERIALIZED (
    SELECT
        source_table, bucket_start, coalesce(brain.calls, 0) AS calls, coalesce(brain.crc_sum, 0) AS crc_sum, odd_keys, odd_crcs,
        odd_keys IS NULL AND has_odd IS NOT TRUE
            AND coalesce(given.calls, 0) = coalesce(brain.calls, 0) AND coalesce(given.crc_sum, 0) = coalesce(brain.crc_sum, 0) AS is_alike
    FROM given FULL JOIN brain USING (source_table, bucket_start)
), alike AS (
    SELECT source_table, bucket_start, coalesce(calls, 0) AS calls, coalesce(crc_sum, 0) AS crc_sum
    FROM unnest(CAST(:source_tables AS text[])) AS tables (source_table)
    CROSS JOIN generate_series(CAST(:start AS timestamptz), CAST(:last AS timestamptz), interval '5 minutes') AS buckets (bucket_start)
    LEFT JOIN compared USING (source_table, bucket_start)
    WHERE is_alike IS NOT FALSE
), renewed AS (
    UPDATE call_log_proofs AS held SET
        state = 'proven', source_count = alike.calls, source_crc_sum = alike.crc_sum, brain_count = alike.calls,
        brain_crc_sum = alike.crc_sum, proven_at = CAST(:compared_at AS timestamptz)
    FROM alike
    WHERE held.instance = :instance AND held.source_table = alike.source_table AND held.bucket_start = alike.bucket_start
      -- Said again for the planner, which might look each bucket up or read the whole ledger.
      AND held.source_table = ANY(CAST(:source_tables AS text[])) AND held.bucket_start >= :start AND held.bucket_start < :end
    RETURNING held.source_table, held.bucket_start
), added AS (
    INSERT INTO call_log_proofs (
        instance, source_table, bucket_start, state, read_at, source_count, source_crc_sum, brain_count, brain_crc_sum, proven_at
    )
    SELECT
        :instance, source_table, bucket_start, 'proven', CAST(:compared_at AS timestamptz), calls, crc_sum, calls, crc_sum,
        CAST(:compared_at AS timestamptz)
    FROM alike
    WHERE NOT EXISTS (
        SELECT FROM renewed WHERE renewed.source_table = alike.source_table AND renewed.bucket_start = alike.bucket_start
    )
    ORDER BY source_table, bucket_start
    -- What was not there to be locked may have come with calls of its own meanwhile.
    ON CONFLICT (instance, source_table, bucket_start) DO NOTHING
)
SELECT source_table, bucket_start, calls, crc_sum, odd_keys, odd_crcs FROM compared WHERE NOT is_alike
