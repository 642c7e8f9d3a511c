-- Which lead of Brain each arriving one is, if any. Of leads with the same number: the one that it is linked to, else the one with its
-- code, else the oldest. With another number only the one it is linked to, and by code only a lead without any usable number: a code on
-- the wrong row must not bring two people together. Over leads_normalised_phone_lookup, leads_external_lead_id_lookup and the key.
WITH candidate AS (
    SELECT arriving.ref, leads.id,
        CASE WHEN leads.id = ANY(arriving.linked) THEN 1 WHEN leads.external_lead_id = arriving.code THEN 2 ELSE 3 END AS rank
    FROM arriving_leads AS arriving JOIN leads ON normalised_phone('1', leads.phone::text) = arriving.phone_key
    UNION ALL
    SELECT arriving.ref, leads.id, 4
    FROM arriving_leads AS arriving CROSS JOIN LATERAL unnest(arriving.linked) AS known(id) JOIN leads ON leads.id = known.id
    UNION ALL
    SELECT arriving.ref, leads.id, 5
    FROM arriving_leads AS arriving JOIN leads ON leads.external_lead_id = arriving.code
    WHERE normalised_phone('1', leads.phone::text) IS NULL
), best AS (
    SELECT DISTINCT ON (ref) ref, id FROM candidate ORDER BY ref, rank, id
)
UPDATE arriving_leads AS arriving SET lead_id = best.id FROM best WHERE best.ref = arriving.ref
