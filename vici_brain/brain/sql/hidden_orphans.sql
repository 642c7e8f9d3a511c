-- Hides the exported calls that are still the same in every column, by primary-key look-up; acted_at tells whose they are.
UPDATE vici_call_logs AS call SET hidden_at = purge.acted_at
FROM exported_calls AS exported, orphan_purges AS purge
WHERE purge.id = :purge_id
  AND call.instance = exported.instance AND call.source_table = exported.source_table AND call.source_key = exported.source_key
  AND ROW(call.*) IS NOT DISTINCT FROM ROW(exported.*)
