-- Named links of a dialer, as linked_leads gives them: what is due for another look.
SELECT links.vici_lead_id, links.lead_id, leads.external_lead_id AS code,
       (SELECT count(*) FROM (SELECT 1 FROM leads AS other WHERE other.external_lead_id = leads.external_lead_id LIMIT 2) AS two) AS holders
FROM vici_lead_links AS links
LEFT JOIN leads ON leads.id = links.lead_id
WHERE links.instance = :instance AND links.vici_lead_id = ANY(:ids) AND links.lead_id IS NOT NULL
ORDER BY links.vici_lead_id
