-- The next links of a dialer in the order of its own lead_id, with the code that Brain's lead has, and whether another lead has the same
-- one (2: it does). Walks the primary key of the links; the count stops at the second holder.
SELECT links.vici_lead_id, links.lead_id, leads.external_lead_id AS code,
       (SELECT count(*) FROM (SELECT 1 FROM leads AS other WHERE other.external_lead_id = leads.external_lead_id LIMIT 2) AS two) AS holders
FROM (
    SELECT vici_lead_id, lead_id FROM vici_lead_links
    WHERE instance = :instance AND vici_lead_id > :after AND lead_id IS NOT NULL ORDER BY vici_lead_id LIMIT :limit
) AS links
LEFT JOIN leads ON leads.id = links.lead_id
ORDER BY links.vici_lead_id
