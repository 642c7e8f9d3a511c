-- Exported calls that Brain holds nowhere any more: only the file can give them back. A key that is held, in whatever state, is left alone.
INSERT INTO vici_call_logs
SELECT exported.* FROM exported_calls AS exported
WHERE NOT EXISTS (
    SELECT FROM held_call_logs AS held
    WHERE held.instance = exported.instance AND held.source_table = exported.source_table AND held.source_key = exported.source_key
)
ORDER BY instance, source_table, source_key
RETURNING source_table, source_key
