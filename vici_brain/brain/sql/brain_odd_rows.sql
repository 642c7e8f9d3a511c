-- The rows of a window that are not regular, by key: they are looked up at the dialer one by one.
SELECT source_key, row_crc, date_bin('5 minutes', called_at, 'epoch') AS bucket_start
FROM held_call_logs
WHERE instance = :instance AND source_table = :source_table AND called_at >= :start AND called_at < :end AND vanished_at IS NULL
  AND (date_part('epoch', called_at) = start_epoch
       AND abs(date_part('epoch', call_date - (called_at AT TIME ZONE :zone))) <= :tolerance) IS NOT TRUE
