-- Calls of a window that lack a field every finished call has (vici_call_logs_called_at). A call in a transient status has no length yet,
-- and its status may be blank; only the fields of the finished are asked of it later.
SELECT count(*) OVER () AS offending, source_table, source_key, array_to_string(absent, ', ') AS absent
FROM (
    SELECT source_table, source_key, array_remove(ARRAY[
        CASE WHEN coalesce(vici_lead_id, 0) = 0 THEN 'vici_lead_id' END,
        CASE WHEN coalesce(btrim(campaign_id), '') = '' THEN 'campaign_id' END,
        CASE WHEN coalesce(btrim(status), '') = '' THEN 'status' END,
        CASE WHEN coalesce(btrim(phone_number), '') = '' THEN 'phone_number' END,
        CASE WHEN call_date IS NULL THEN 'call_date' END,
        CASE WHEN length_in_sec IS NULL AND NOT (upper(btrim(coalesce(status, ''))) = ANY(:transient)) THEN 'length_in_sec' END
    ], NULL) AS absent
    FROM vici_call_logs
    WHERE instance = :instance AND called_at >= :start AND called_at < :end AND vanished_at IS NULL
) AS calls
WHERE cardinality(absent) > 0
ORDER BY source_table, source_key LIMIT :sample
