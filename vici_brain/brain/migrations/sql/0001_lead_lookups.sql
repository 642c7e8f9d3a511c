-- How a call finds its lead; without these two every match reads the whole table.
CREATE INDEX IF NOT EXISTS leads_external_lead_id_lookup ON leads (external_lead_id);
CREATE INDEX IF NOT EXISTS leads_normalised_phone_lookup ON leads (normalised_phone('1'::text, phone::text));
