-- A code that belongs to another lead already, or to an earlier one of these, is not taken over; leads_external_lead_id_lookup.
WITH ranked AS (
    SELECT ref, row_number() OVER (PARTITION BY code ORDER BY lead_id IS NULL, leader, ref) AS place
    FROM arriving_leads WHERE code IS NOT NULL
)
UPDATE arriving_leads AS arriving SET clash = code, code = NULL
FROM ranked
WHERE ranked.ref = arriving.ref
  AND (ranked.place > 1 OR EXISTS (
      SELECT FROM leads WHERE leads.external_lead_id = arriving.code AND leads.id IS DISTINCT FROM arriving.lead_id
  ))
