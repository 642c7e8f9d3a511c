-- Staged rows without any usable time: no partition can hold them, so the row itself is kept aside, whole.
INSERT INTO quarantined_call_logs AS kept (instance, source_table, source_key, reasons, raw, landed, first_seen_at, changed_at)
SELECT DISTINCT ON (source_key)
    :instance, :source_table, source_key, ARRAY['no usable time: neither call_date, start_epoch nor uniqueid holds one'],
    to_jsonb(s) - 'ordinal' - 'source_copy', false, CAST(:read_at AS timestamptz), CAST(:read_at AS timestamptz)
FROM staged_calls s
WHERE call_instant(call_date, start_epoch, uniqueid, :zone) IS NULL
ORDER BY source_key, ordinal DESC
ON CONFLICT (instance, source_table, source_key) DO UPDATE
SET reasons = excluded.reasons, raw = excluded.raw, landed = false, changed_at = excluded.changed_at
WHERE kept.raw IS DISTINCT FROM excluded.raw AND NOT kept.landed
