-- Staged rows without any usable time: no partition can hold them, so the row itself is kept aside, whole. One that lost its time after
-- it had landed stays landed.
SELECT DISTINCT ON (source_key)
    source_key, to_jsonb(staged) - 'ordinal' - 'source_copy' AS staged,
    EXISTS (
        SELECT FROM held_call_logs AS held
        WHERE held.instance = :instance AND held.source_table = :source_table AND held.source_key = staged.source_key
    ) AS landed
FROM staged_calls AS staged
WHERE call_instant(call_date, start_epoch, uniqueid, :zone) IS NULL
  AND NOT EXISTS (SELECT FROM placed_calls AS placed WHERE placed.source_key = staged.source_key)
ORDER BY source_key, ordinal DESC
