-- How a call finds its lead; without these two every match reads the whole table. Where leads belongs to somebody else, only they can
-- make them: the migration goes on, and `vici-brain migrate` prints what to ask for.
DO $$
BEGIN
    CREATE INDEX IF NOT EXISTS leads_external_lead_id_lookup ON leads (external_lead_id);
    CREATE INDEX IF NOT EXISTS leads_normalised_phone_lookup ON leads (normalised_phone('1'::text, phone::text));
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'leads belongs to another role, which has to make its two look-up indexes';
END
$$;
