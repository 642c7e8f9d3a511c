-- Gives each of unmatched_calls its lead: by the 13-digit code, else the stored link, else the normalised phone. The oldest lead (lowest
-- id) wins and match_candidates says how many there were. Leads are found by leads_external_lead_id_lookup, the key of
-- vici_lead_links and leads_normalised_phone_lookup; a weaker rule is asked only about calls that the stronger one left over.
WITH by_code AS (
    SELECT source_table, source_key, 'vendor_lead_code' AS rule, min(leads.id) AS lead_id, count(*) AS candidates
    FROM unmatched_calls
    JOIN leads ON leads.external_lead_id = vendor_lead_code
    WHERE vendor_lead_code ~ '^[0-9]{13}$'
    GROUP BY 1, 2
), by_link AS (
    SELECT source_table, source_key, 'vici_lead_link' AS rule, min(links.lead_id) AS lead_id, count(*) AS candidates
    FROM unmatched_calls
    JOIN vici_lead_links AS links ON links.instance = :instance AND links.vici_lead_id = unmatched_calls.vici_lead_id
    JOIN leads ON leads.id = links.lead_id
    WHERE NOT EXISTS (SELECT FROM by_code WHERE (by_code.source_table, by_code.source_key) = (unmatched_calls.source_table, unmatched_calls.source_key))
    GROUP BY 1, 2
), by_phone AS (
    SELECT source_table, source_key, 'phone' AS rule, min(leads.id) AS lead_id, count(*) AS candidates
    FROM unmatched_calls
    JOIN leads ON normalised_phone('1', leads.phone::text) = phone_key
    WHERE NOT EXISTS (SELECT FROM by_code WHERE (by_code.source_table, by_code.source_key) = (unmatched_calls.source_table, unmatched_calls.source_key))
      AND NOT EXISTS (SELECT FROM by_link WHERE (by_link.source_table, by_link.source_key) = (unmatched_calls.source_table, unmatched_calls.source_key))
    GROUP BY 1, 2
), winner AS (
    SELECT * FROM by_code UNION ALL SELECT * FROM by_link UNION ALL SELECT * FROM by_phone
), matched AS (
    UPDATE vici_call_logs AS call
    SET lead_id = winner.lead_id, matched_by = winner.rule, matched_at = clock_timestamp(), match_candidates = winner.candidates,
        hidden_at = NULL
    FROM winner
    WHERE call.instance = :instance AND call.source_table = winner.source_table AND call.source_key = winner.source_key
      AND call.lead_id IS NULL
    RETURNING call.matched_by, call.match_candidates
)
SELECT matched_by, count(*) AS calls, count(*) FILTER (WHERE match_candidates > 1) AS ambiguous FROM matched GROUP BY matched_by
