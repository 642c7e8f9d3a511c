-- Brain's side of a proof, over vici_call_logs_called_at: per bucket the regular rows (epoch and wall time agree within a quarter of an
-- hour in the dialer's zone), counted and summed as the dialer counts its own.
SELECT date_bin('5 minutes', called_at, 'epoch') AS bucket_start, count(*) AS calls, sum(row_crc) AS crc_sum
FROM held_call_logs
WHERE instance = :instance AND source_table = :source_table AND called_at >= :start AND called_at < :end AND vanished_at IS NULL
  AND date_part('epoch', called_at) = start_epoch
  AND abs(date_part('epoch', call_date - (called_at AT TIME ZONE :zone))) <= :tolerance
GROUP BY 1
