-- Which lead of Brain each arriving one is, if any. Of leads with the same number: the one that it is linked to, else the one with its
-- code, else the oldest. With another number only the one it is linked to, and by code only a lead without any usable number: a code on
-- the wrong row must not bring two people together. Over leads_normalised_phone_lookup, leads_external_lead_id_lookup and the key:
-- OFFSET 0 keeps each look-up an index walk for one arriving lead, whatever the planner believes of a table that just grew.
WITH candidate AS (
    SELECT arriving.ref, same.id, CASE WHEN same.id = ANY(arriving.linked) THEN 1 WHEN same.code = arriving.code THEN 2 ELSE 3 END AS rank
    FROM arriving_leads AS arriving CROSS JOIN LATERAL (
        SELECT leads.id, leads.external_lead_id::text AS code FROM leads
        WHERE normalised_phone('1', leads.phone::text) = arriving.phone_key OFFSET 0
    ) AS same
    UNION ALL
    SELECT arriving.ref, same.id, 4
    FROM arriving_leads AS arriving CROSS JOIN LATERAL unnest(arriving.linked) AS known(id)
    CROSS JOIN LATERAL (SELECT leads.id FROM leads WHERE leads.id = known.id OFFSET 0) AS same
    UNION ALL
    SELECT arriving.ref, same.id, 5
    FROM arriving_leads AS arriving CROSS JOIN LATERAL (
        SELECT leads.id, leads.phone::text AS phone FROM leads WHERE leads.external_lead_id = arriving.code OFFSET 0
    ) AS same
    WHERE normalised_phone('1', same.phone) IS NULL
), best AS (
    SELECT DISTINCT ON (ref) ref, id FROM candidate ORDER BY ref, rank, id
)
UPDATE arriving_leads AS arriving SET lead_id = best.id FROM best WHERE best.ref = arriving.ref
