-- Where the dialer's irregular rows belong, and whether Brain holds each with the same content, in vici_call_logs or, for want of any usable
-- time, in quarantine (a primary-key look-up in both).
SELECT
    odd.source_key,
    odd.crc,
    date_bin('5 minutes', call_instant(odd.call_date, odd.start_epoch, odd.uniqueid, :zone), 'epoch') AS bucket_start,
    (held.row_crc = odd.crc AND held.vanished_at IS NULL) IS TRUE OR kept.source_key IS NOT NULL AS is_held
FROM unnest(
    CAST(:keys AS text[]), CAST(:uniqueids AS text[]), CAST(:call_dates AS timestamp[]), CAST(:start_epochs AS bigint[]),
    CAST(:crcs AS bigint[])
) AS odd (source_key, uniqueid, call_date, start_epoch, crc)
LEFT JOIN held_call_logs AS held
    ON held.instance = :instance AND held.source_table = :source_table AND held.source_key = odd.source_key
LEFT JOIN quarantined_call_logs AS kept
    ON kept.instance = :instance AND kept.source_table = :source_table AND kept.source_key = odd.source_key AND NOT kept.landed
