-- Brain's side of a proof, over vici_call_logs_called_at: per bucket the regular rows (epoch and wall time agree within a quarter of an
-- hour on the dialer's clock), counted and summed as the dialer counts its own; and how many rows are not regular. In the window the
-- dialer's clock keeps one offset: to look a zone up by its name for every row costs as much as reading it.
SELECT
    date_bin('5 minutes', called_at, 'epoch') AS bucket_start,
    count(*) FILTER (WHERE is_regular) AS calls,
    coalesce(sum(row_crc) FILTER (WHERE is_regular), 0) AS crc_sum,
    count(*) FILTER (WHERE NOT is_regular) AS odd
FROM (
    SELECT called_at, row_crc, (
        date_part('epoch', called_at) = start_epoch
        AND abs(date_part('epoch', call_date - (called_at AT TIME ZONE make_interval(secs => :offset)))) <= :tolerance
    ) IS TRUE AS is_regular
    FROM held_call_logs
    WHERE instance = :instance AND source_table = :source_table AND called_at >= :start AND called_at < :end AND vanished_at IS NULL
) AS held
GROUP BY 1
