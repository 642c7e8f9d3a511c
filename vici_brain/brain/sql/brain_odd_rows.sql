-- The rows of some buckets that are not regular, by key, over vici_call_logs_called_at: they are looked up at the dialer one by one.
SELECT source_key, row_crc, bucket_start
FROM unnest(CAST(:buckets AS timestamptz[])) AS bucket (bucket_start)
CROSS JOIN LATERAL (
    SELECT source_key, row_crc, (
        date_part('epoch', called_at) = start_epoch
        AND abs(date_part('epoch', call_date - (called_at AT TIME ZONE :zone))) <= :tolerance
    ) IS TRUE AS is_regular
    FROM held_call_logs
    WHERE instance = :instance AND source_table = :source_table
      AND called_at >= bucket_start AND called_at < bucket_start + interval '5 minutes' AND vanished_at IS NULL
    OFFSET 0
) AS held
WHERE NOT is_regular
