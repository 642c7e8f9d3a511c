-- Calls of a window in a status that neither the system, nor their campaign, nor the dialer's programs define. Calls by
-- vici_call_logs_called_at, few distinct statuses among them, each looked up in the small vici_statuses. Blank is another check's.
WITH calls AS MATERIALIZED (
    SELECT source_table, source_key, upper(btrim(status)) AS status, coalesce(campaign_id, '') AS campaign_id
    FROM vici_call_logs
    WHERE instance = :instance AND called_at >= :start AND called_at < :end AND vanished_at IS NULL AND btrim(status) <> ''
), unknown AS (
    SELECT status, campaign_id FROM calls
    WHERE NOT (status = ANY(:without_row)) AND NOT (status LIKE ANY(:patterns))
    GROUP BY 1, 2
    EXCEPT
    SELECT used.status, used.campaign_id
    FROM (SELECT DISTINCT status, campaign_id FROM calls) AS used
    JOIN vici_statuses AS defined
        ON defined.instance = :instance AND upper(btrim(defined.status)) = used.status
        AND upper(btrim(defined.campaign_id)) IN ('', upper(btrim(used.campaign_id)))
)
SELECT count(*) OVER () AS offending, source_table, source_key, status, campaign_id
FROM calls JOIN unknown USING (status, campaign_id)
ORDER BY source_table, source_key LIMIT :sample
