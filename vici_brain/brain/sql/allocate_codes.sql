-- A new id for every arriving lead that has none and whose lead in Brain, if there is one, has none either; by the key of leads, one
-- look-up for each, because a value that is asked for by itself is not joined.
WITH without AS (
    SELECT ref, row_number() OVER (ORDER BY leader, line, ref) AS place
    FROM arriving_leads AS arriving
    WHERE code IS NULL
      AND coalesce((SELECT leads.external_lead_id FROM leads WHERE leads.id = arriving.lead_id), '') !~ '^[0-9]{13}$'
), ids AS (
    SELECT id, row_number() OVER (ORDER BY id) AS place
    FROM allocate_external_lead_id((SELECT count(*)::integer FROM without)) AS id
)
UPDATE arriving_leads AS arriving SET code = ids.id FROM without JOIN ids USING (place) WHERE without.ref = arriving.ref
