-- By the key of leads.
DELETE FROM leads USING doomed_leads AS doomed WHERE doomed.lead_id = leads.id AND doomed.kept_because IS NULL AND :import_id > 0
