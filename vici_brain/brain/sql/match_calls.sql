-- Gives each of unmatched_calls its lead: by the 13-digit code, else the stored link, else the normalised phone. The oldest lead (lowest
-- id) wins and match_candidates says how many there were. Every look-up is a step down one index for each call
-- (leads_external_lead_id_lookup, the key of vici_lead_links, leads_normalised_phone_lookup), whatever the planner knows of the
-- tables; a weaker rule is asked only about calls that the stronger one left over. Most calls that come here have no lead yet: so the
-- calls themselves are looked up last, those with a winner alone.
WITH winner AS MATERIALIZED (
    SELECT
        call.source_table, call.source_key,
        coalesce(by_code.lead_id, by_link.lead_id, by_phone.lead_id) AS lead_id,
        CASE
            WHEN by_code.lead_id IS NOT NULL THEN 'vendor_lead_code'
            WHEN by_link.lead_id IS NOT NULL THEN 'vici_lead_link'
            ELSE 'phone'
        END AS rule,
        coalesce(nullif(by_code.candidates, 0), nullif(by_link.candidates, 0), by_phone.candidates) AS candidates
    FROM unmatched_calls AS call
    LEFT JOIN LATERAL (
        SELECT min(leads.id) AS lead_id, count(*) AS candidates FROM leads
        WHERE leads.external_lead_id = call.vendor_lead_code AND call.vendor_lead_code ~ '^[0-9]{13}$'
    ) AS by_code ON true
    LEFT JOIN LATERAL (
        SELECT min(links.lead_id) AS lead_id, count(*) AS candidates FROM vici_lead_links AS links
        JOIN leads ON leads.id = links.lead_id
        WHERE links.instance = :instance AND links.vici_lead_id = call.vici_lead_id AND by_code.lead_id IS NULL
    ) AS by_link ON true
    LEFT JOIN LATERAL (
        SELECT min(leads.id) AS lead_id, count(*) AS candidates FROM leads
        WHERE normalised_phone('1', leads.phone::text) = call.phone_key AND by_code.lead_id IS NULL AND by_link.lead_id IS NULL
    ) AS by_phone ON true
    WHERE coalesce(by_code.lead_id, by_link.lead_id, by_phone.lead_id) IS NOT NULL
), matched AS (
    UPDATE vici_call_logs AS call
    SET lead_id = winner.lead_id, matched_by = winner.rule, matched_at = (SELECT clock_timestamp()), match_candidates = winner.candidates,
        hidden_at = NULL
    FROM winner
    WHERE call.instance = :instance AND call.source_table = winner.source_table AND call.source_key = winner.source_key
      AND call.lead_id IS NULL
    RETURNING call.matched_by, call.match_candidates
)
SELECT matched_by, count(*) AS calls, count(*) FILTER (WHERE match_candidates > 1) AS ambiguous FROM matched GROUP BY matched_by
