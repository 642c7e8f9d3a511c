-- Orphans of a window that a lead of Brain fits, by the rules of match_calls: calls by vici_call_logs_called_at, then one join for each
-- rule over the index that matching uses. Three joins and not one condition with OR, which would look at every lead for every call.
WITH waiting AS MATERIALIZED (
    -- In the collation of leads, without which PostgreSQL could not use their indexes.
    SELECT
        source_table, source_key, vendor_lead_code COLLATE "default" AS vendor_lead_code, vici_lead_id,
        phone_key COLLATE "default" AS phone_key
    FROM orphan_call_logs
    WHERE instance = :instance AND called_at >= :start AND called_at < :end
), fitting AS (
    SELECT waiting.* FROM waiting JOIN leads ON leads.external_lead_id = vendor_lead_code WHERE vendor_lead_code ~ '^[0-9]{13}$'
    UNION
    SELECT waiting.* FROM waiting
    JOIN vici_lead_links AS link ON link.instance = :instance AND link.vici_lead_id = waiting.vici_lead_id
    JOIN leads ON leads.id = link.lead_id
    UNION
    SELECT waiting.* FROM waiting JOIN leads ON normalised_phone('1'::text, leads.phone::text) = phone_key
)
SELECT count(*) OVER () AS offending, source_table, source_key, vendor_lead_code, vici_lead_id
FROM fitting
ORDER BY source_table, source_key LIMIT :sample
