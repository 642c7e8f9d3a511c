-- Leads from dialers and files: the allocator of their ids, the mirror of the dialers' lead tables, what each import did, and the switch
-- that stops the intake.

CREATE SEQUENCE external_lead_ids AS bigint MINVALUE 0 START WITH 0;
COMMENT ON SEQUENCE external_lead_ids IS 'The last 13-digit id handed out; only allocate_external_lead_id moves it';

CREATE FUNCTION allocate_external_lead_id(how_many integer DEFAULT 1) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$
-- Ids of exactly 13 digits, ascending: max(last + 1, milliseconds since 1970), never twice and never one that a lead has already.
-- A sequence and not a row: what an aborted transaction was given is not given again, and a long import holds no lock that keeps
-- the CRM's own intake waiting. The lock lasts for the four lines that read and move the sequence.
DECLARE
    missing integer := how_many;
    first_id bigint;
    found integer;
BEGIN
    IF how_many < 0 OR how_many > 1000000 THEN
        RAISE EXCEPTION 'between 0 and 1,000,000 ids can be allocated at once, not %', how_many;
    END IF;
    WHILE missing > 0 LOOP
        PERFORM pg_advisory_lock(7413002, 1);
        BEGIN
            SELECT greatest(last_value + 1, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) INTO first_id
            FROM external_lead_ids;
            PERFORM setval('external_lead_ids', first_id + missing - 1);
        EXCEPTION WHEN query_canceled OR OTHERS THEN
            PERFORM pg_advisory_unlock(7413002, 1);
            RAISE;
        END;
        PERFORM pg_advisory_unlock(7413002, 1);
        RETURN QUERY
            SELECT fresh.number::text FROM generate_series(first_id, first_id + missing - 1) AS fresh (number)
            WHERE NOT EXISTS (SELECT FROM leads WHERE leads.external_lead_id = fresh.number::text);
        GET DIAGNOSTICS found = ROW_COUNT;
        missing := missing - found;
    END LOOP;
END
$$;
COMMENT ON FUNCTION allocate_external_lead_id(integer) IS 'So many new external_lead_id; the only place where they are made';

-- Only a table of leads that is ours, as it was made here, gets rules; the CRM's own is never altered: two of its programs that make
-- the same code would lose a lead instead of an id.
DO $$
BEGIN
    IF (SELECT array_agg(attname::text ORDER BY attname) FROM pg_attribute
        WHERE attrelid = 'leads'::regclass AND attnum > 0 AND NOT attisdropped)
        = ARRAY['created_at', 'email', 'external_lead_id', 'first_name', 'id', 'last_name', 'meta', 'phone', 'source', 'state', 'status', 'updated_at']
    THEN
        DROP INDEX leads_external_lead_id_lookup;
        CREATE UNIQUE INDEX leads_external_lead_id_lookup ON leads (external_lead_id);
        ALTER TABLE leads ADD CONSTRAINT leads_external_lead_id_has_13_digits CHECK (external_lead_id ~ '^[0-9]{13}$');
    END IF;
EXCEPTION WHEN insufficient_privilege OR unique_violation OR check_violation THEN
    RAISE NOTICE 'leads holds codes that are double or not of 13 digits, or belongs to another role: the audit counts them';
END
$$;

CREATE TABLE lead_imports (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind           text        NOT NULL CHECK (kind IN ('vici', 'csv')),
    instance       text        COLLATE "C",
    campaigns      text[],
    file           text,
    trigger        text        NOT NULL,
    actor          text        NOT NULL,
    started_at     timestamptz NOT NULL,
    finished_at    timestamptz,
    leads_created  bigint      NOT NULL DEFAULT 0,
    leads_updated  bigint      NOT NULL DEFAULT 0,
    leads_linked   bigint      NOT NULL DEFAULT 0,
    rolled_back_at timestamptz,
    rolled_back_by text,
    snapshot       text
);
COMMENT ON TABLE lead_imports IS 'Imports that changed leads, so that each can be taken back';
COMMENT ON COLUMN lead_imports.snapshot IS 'the file in which a rollback kept what it cleared';

CREATE TABLE lead_import_items (
    import_id    bigint NOT NULL REFERENCES lead_imports (id),
    action       text   NOT NULL CHECK (action IN ('created', 'updated', 'linked')),
    lead_id      bigint NOT NULL,
    instance     text   COLLATE "C" NOT NULL DEFAULT '',
    vici_lead_id bigint NOT NULL DEFAULT 0,
    before       jsonb,
    after        jsonb,
    PRIMARY KEY (import_id, action, lead_id, instance, vici_lead_id)
);
CREATE INDEX lead_import_items_lead ON lead_import_items (lead_id, action);
COMMENT ON TABLE lead_import_items IS 'What exactly an import made: leads, changes to leads, links';
COMMENT ON COLUMN lead_import_items.before IS 'updated: the lead as it was; linked: the lead that the link named before';
COMMENT ON COLUMN lead_import_items.after IS 'the lead as this or a later sync left it: a lead that differs was changed by somebody else';

-- The dialer's leads as last read. Every lead of the dialer has a row; the chosen campaigns' have a lead of Brain besides.
ALTER TABLE vici_lead_links
    ALTER COLUMN lead_id DROP NOT NULL,
    ALTER COLUMN linked_at DROP NOT NULL,
    ADD COLUMN list_id bigint,
    ADD COLUMN campaign_id text,
    ADD COLUMN status text,
    ADD COLUMN vendor_lead_code text COLLATE "C",
    ADD COLUMN phone_code text,
    ADD COLUMN phone_number text,
    ADD COLUMN phone_key text COLLATE "C",
    ADD COLUMN called_count bigint,
    ADD COLUMN last_local_call_time timestamp,
    ADD COLUMN entered_at timestamptz,
    ADD COLUMN profile jsonb,
    ADD COLUMN origin text CHECK (origin IN ('brain', 'vici')),
    ADD COLUMN seen_at timestamptz,
    ADD COLUMN archived_at timestamptz,
    ADD COLUMN removed_at timestamptz,
    ADD COLUMN needs_merge boolean NOT NULL DEFAULT false,
    ADD COLUMN import_id bigint,
    ADD COLUMN group_key text COLLATE "C" GENERATED ALWAYS AS (coalesce(phone_key, 'vici lead ' || vici_lead_id::text)) STORED;
CREATE INDEX vici_lead_links_group ON vici_lead_links (instance, group_key);
CREATE INDEX vici_lead_links_phone ON vici_lead_links (phone_key) WHERE phone_key IS NOT NULL;
CREATE INDEX vici_lead_links_pending ON vici_lead_links (instance, lower(campaign_id), group_key) WHERE needs_merge;
CREATE INDEX vici_lead_links_pending_linked ON vici_lead_links (instance, group_key) WHERE needs_merge AND lead_id IS NOT NULL;
COMMENT ON TABLE vici_lead_links IS 'The dialers'' leads as last read, and which lead of Brain each of them is';
COMMENT ON COLUMN vici_lead_links.lead_id IS 'the lead of Brain; NULL while its campaign is not imported';
COMMENT ON COLUMN vici_lead_links.campaign_id IS 'that of its list, as vicidial_lists had it';
COMMENT ON COLUMN vici_lead_links.last_local_call_time IS 'as read: wall time at the lead''s place, without a zone; NULL: never called';
COMMENT ON COLUMN vici_lead_links.entered_at IS 'entry_date as an instant';
COMMENT ON COLUMN vici_lead_links.profile IS 'name, address and the like, as read';
COMMENT ON COLUMN vici_lead_links.origin IS 'brain: it came with the code of its lead; vici: it entered the dialer by another way';
COMMENT ON COLUMN vici_lead_links.seen_at IS 'when it was last read with a different content';
COMMENT ON COLUMN vici_lead_links.removed_at IS 'when it was found gone from the dialer and its archive';
COMMENT ON COLUMN vici_lead_links.needs_merge IS 'what was read has not reached its lead yet';
COMMENT ON COLUMN vici_lead_links.group_key IS 'vici leads of one number become one lead; without a usable number each is its own';

CREATE TABLE vici_lead_cursors (
    instance   text        COLLATE "C" PRIMARY KEY,
    swept_to   bigint      NOT NULL DEFAULT 0,
    newest     bigint      NOT NULL DEFAULT 0,
    calls_to   timestamptz,
    complete_at timestamptz
);
COMMENT ON TABLE vici_lead_cursors IS 'Where the reading of each dialer''s leads stands';
COMMENT ON COLUMN vici_lead_cursors.swept_to IS 'last lead_id of the rolling sweep; 0: it begins again';
COMMENT ON COLUMN vici_lead_cursors.newest IS 'highest lead_id read';
COMMENT ON COLUMN vici_lead_cursors.calls_to IS 'leads called before this instant were read again since';
COMMENT ON COLUMN vici_lead_cursors.complete_at IS 'when the sweep last reached the end';

CREATE TABLE lead_intake (
    only_row          boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    mode              text        NOT NULL CHECK (mode IN ('open', 'vici_only')),
    reason            text        NOT NULL DEFAULT '',
    changed_at        timestamptz NOT NULL,
    changed_by        text        NOT NULL,
    brain_first_since timestamptz
);
INSERT INTO lead_intake (mode, changed_at, changed_by) VALUES ('open', now(), 'migration');
COMMENT ON TABLE lead_intake IS 'The switch of the intake: vici_only stops imports and pushes in both directions';
COMMENT ON COLUMN lead_intake.brain_first_since IS 'from when on new leads must enter through Brain; NULL: not yet';

CREATE TABLE lead_audits (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance  text        COLLATE "C" NOT NULL,
    taken_at  timestamptz NOT NULL,
    occasion  text        NOT NULL CHECK (occasion IN ('before', 'after', 'audit')),
    import_id bigint,
    figures   jsonb       NOT NULL
);
CREATE INDEX lead_audits_instance ON lead_audits (instance, taken_at DESC);
COMMENT ON TABLE lead_audits IS 'Audits of leads, kept so that before and after an import can be compared';
