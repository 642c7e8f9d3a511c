-- Staged rows without any usable time: no partition can hold them, so the row itself is kept aside, whole. One that lost its time after
-- it had landed stays landed.
SELECT DISTINCT ON (source_key)
    source_key, to_jsonb(staged) - 'source_copy' - 'called_at' - 'phone_key' AS staged,
    EXISTS (
        SELECT FROM held_call_logs AS held
        WHERE held.instance = :instance AND held.source_table = :source_table AND held.source_key = staged.source_key
    ) AS landed
FROM staged_calls AS staged
WHERE called_at IS NULL
  AND NOT EXISTS (SELECT FROM staged_calls AS timed WHERE timed.source_key = staged.source_key AND timed.called_at IS NOT NULL)
ORDER BY source_key, staged.ctid DESC
