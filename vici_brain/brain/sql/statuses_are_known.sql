-- Calls of a window in a status that neither the system, nor their campaign, nor the dialer's programs define. Calls by
-- vici_call_logs_called_at, once for the few distinct statuses among them, each looked up in the small vici_statuses, and once for
-- those found unknown. Blank is another check's. The steps are materialised: on a table that was just filled the planner has no
-- statistics and would repeat the first one for every status.
WITH used AS MATERIALIZED (
    SELECT DISTINCT status, campaign_id FROM vici_call_logs
    WHERE instance = :instance AND called_at >= :start AND called_at < :end AND vanished_at IS NULL AND btrim(status) <> ''
), defined AS MATERIALIZED (
    SELECT upper(btrim(status)) AS status, upper(btrim(campaign_id)) AS campaign_id FROM vici_statuses WHERE instance = :instance
), unknown AS MATERIALIZED (
    SELECT status, campaign_id FROM used
    WHERE NOT (upper(btrim(status)) = ANY(:without_row)) AND NOT (upper(btrim(status)) LIKE ANY(:patterns))
      AND (upper(btrim(status)), '') NOT IN (SELECT status, campaign_id FROM defined)
      AND (upper(btrim(status)), upper(btrim(coalesce(campaign_id, '')))) NOT IN (SELECT status, campaign_id FROM defined)
)
SELECT count(*) OVER () AS offending, source_table, source_key, status, coalesce(campaign_id, '') AS campaign_id
FROM vici_call_logs
WHERE instance = :instance AND called_at >= :start AND called_at < :end AND vanished_at IS NULL
  AND (status, coalesce(campaign_id, '')) IN (SELECT status, coalesce(campaign_id, '') FROM unknown)
ORDER BY source_table, source_key LIMIT :sample
