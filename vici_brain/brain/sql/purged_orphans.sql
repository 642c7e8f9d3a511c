-- Moves the exported calls that are still the same in every column out of vici_call_logs, by primary-key look-up. The columns of
-- purged_orphan_calls are the purge and then those of a call, in their order.
WITH moved AS (
    DELETE FROM vici_call_logs AS call USING exported_calls AS exported
    WHERE call.instance = exported.instance AND call.source_table = exported.source_table AND call.source_key = exported.source_key
      AND ROW(call.*) IS NOT DISTINCT FROM ROW(exported.*)
    RETURNING call.*
)
INSERT INTO purged_orphan_calls SELECT CAST(:purge_id AS bigint), moved.* FROM moved
