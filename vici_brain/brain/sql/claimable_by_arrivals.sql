-- Orphans, by dialer, that the leads behind a key could claim: from the few leads to their calls, over the three orphan indexes. The
-- same three rules as match_calls; it decides only whether a pass is worth a process of its own.
WITH arrived AS MATERIALIZED (
    SELECT id, external_lead_id, normalised_phone('1', phone::text) AS phone_key FROM leads WHERE id > :after
), waiting AS (
    SELECT call.instance, call.source_table, call.source_key FROM arrived
    JOIN vici_call_logs AS call ON call.vendor_lead_code = arrived.external_lead_id AND call.lead_id IS NULL
    UNION
    SELECT call.instance, call.source_table, call.source_key FROM arrived
    JOIN vici_call_logs AS call ON call.phone_key = arrived.phone_key AND call.lead_id IS NULL
    UNION
    SELECT call.instance, call.source_table, call.source_key FROM arrived
    JOIN vici_lead_links AS link ON link.lead_id = arrived.id
    JOIN vici_call_logs AS call
        ON call.instance = link.instance AND call.vici_lead_id = link.vici_lead_id AND call.lead_id IS NULL
)
SELECT instance, count(*) AS calls FROM waiting GROUP BY instance
