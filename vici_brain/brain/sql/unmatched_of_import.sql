-- Orphans that the leads and links of one import could claim: from the few leads to their calls, over the three orphan indexes.
INSERT INTO unmatched_calls
WITH arrived AS MATERIALIZED (
    SELECT id, external_lead_id, normalised_phone('1', phone::text) AS phone_key
    FROM leads WHERE id IN (SELECT lead_id FROM lead_import_items WHERE import_id = :import_id)
), waiting AS (
    SELECT call.source_table, call.source_key FROM arrived
    JOIN vici_call_logs AS call ON call.vendor_lead_code = arrived.external_lead_id AND call.lead_id IS NULL AND call.instance = :instance
    UNION
    SELECT call.source_table, call.source_key FROM arrived
    JOIN vici_call_logs AS call ON call.phone_key = arrived.phone_key AND call.lead_id IS NULL AND call.instance = :instance
    UNION
    SELECT call.source_table, call.source_key FROM arrived
    JOIN vici_lead_links AS link ON link.lead_id = arrived.id AND link.instance = :instance
    JOIN vici_call_logs AS call
        ON call.instance = :instance AND call.vici_lead_id = link.vici_lead_id AND call.lead_id IS NULL
)
SELECT source_table, source_key, vendor_lead_code, vici_lead_id, phone_key
FROM waiting JOIN vici_call_logs AS call USING (source_table, source_key)
WHERE call.instance = :instance
