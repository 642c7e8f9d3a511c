-- Brain's record of calls: every call ever seen, once, for ever; what earlier states it had; what could not be kept as it came;
-- which five-minute buckets were read; and every sync that ran.

CREATE FUNCTION normalised_phone(phone_code text, phone_number text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
-- Digits of the E.164 form without '+', or NULL. The same rule as vici_brain.domain.identifiers.normalised_phone.
DECLARE
    digits text := regexp_replace(coalesce(phone_number, ''), '[^0-9]', '', 'g');
    code text := ltrim(regexp_replace(coalesce(phone_code, ''), '[^0-9]', '', 'g'), '0');
    key text;
BEGIN
    IF code = '' THEN
        code := '1';
    END IF;
    IF ltrim(phone_number, ' ') LIKE '+%' THEN
        key := digits;
    ELSIF code = '1' THEN
        key := CASE
            WHEN length(digits) = 10 THEN '1' || digits
            WHEN length(digits) = 11 AND digits LIKE '1%' THEN digits
            WHEN length(digits) > 11 AND digits LIKE '011%' THEN substr(digits, 4)
        END;
    ELSE
        IF digits LIKE '00%' THEN
            digits := substr(digits, 3);
        END IF;
        key := CASE
            WHEN length(digits) > 10 AND left(digits, length(code)) = code THEN digits
            ELSE code || ltrim(digits, '0')
        END;
    END IF;
    RETURN CASE WHEN length(key) BETWEEN 8 AND 15 THEN key END;
END
$$;

CREATE FUNCTION call_instant(call_date timestamp, start_epoch bigint, uniqueid text, zone text) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
-- When a call happened, by the best evidence of its row: start_epoch if it agrees with call_date within 15 hours (some rows hold
-- a year instead), else call_date in the dialer's zone, else the epoch that Asterisk puts at the head of a uniqueid.
SELECT CASE
    WHEN start_epoch BETWEEN 946684800 AND 4102444800
        AND (call_date IS NULL OR abs(extract(epoch FROM call_date AT TIME ZONE zone) - start_epoch) <= 54000)
        THEN to_timestamp(start_epoch)
    WHEN call_date IS NOT NULL THEN call_date AT TIME ZONE zone
    WHEN uniqueid ~ '^1[0-9]{9}[.]' THEN to_timestamp(left(uniqueid, 10)::bigint)
END
$$;

CREATE TABLE vici_call_logs (
    instance         text        COLLATE "C" NOT NULL,
    source_table     text        COLLATE "C" NOT NULL,
    source_key       text        COLLATE "C" NOT NULL,
    uniqueid         text        COLLATE "C",
    vici_lead_id     bigint,
    list_id          bigint,
    campaign_id      text,
    call_date        timestamp,
    called_at        timestamptz NOT NULL,
    start_epoch      bigint,
    end_epoch        bigint,
    length_in_sec    bigint,
    status           text,
    phone_code       text,
    phone_number     text,
    phone_key        text        COLLATE "C",
    agent_user       text,
    user_group       text,
    comments         text,
    term_reason      text,
    alt_dial         text,
    called_count     bigint,
    queue_seconds    numeric(12, 2),
    vendor_lead_code text        COLLATE "C",
    outbound_cid     text,
    row_crc          bigint      NOT NULL,
    row_flags        text[],
    source_copy      text        NOT NULL CHECK (source_copy IN ('live', 'archive')),
    read_at          timestamptz NOT NULL,
    first_seen_at    timestamptz NOT NULL,
    changed_at       timestamptz NOT NULL,
    vanished_at      timestamptz,
    lead_id          bigint,
    matched_by       text        CHECK (matched_by IN ('vendor_lead_code', 'vici_lead_link', 'phone')),
    matched_at       timestamptz,
    match_candidates integer,
    PRIMARY KEY (instance, source_table, source_key),
    CHECK ((lead_id IS NULL) = (matched_by IS NULL))
);
-- Windows, proofs, reports per day: always one dialer and a stretch of time.
CREATE INDEX vici_call_logs_called_at ON vici_call_logs (instance, called_at);
CREATE INDEX vici_call_logs_lead ON vici_call_logs (lead_id, called_at) WHERE lead_id IS NOT NULL;
-- The three ways an arriving lead finds its waiting calls; small, because only orphans are in them.
CREATE INDEX vici_call_logs_orphans_by_code ON vici_call_logs (vendor_lead_code) WHERE lead_id IS NULL AND vendor_lead_code IS NOT NULL;
CREATE INDEX vici_call_logs_orphans_by_vici_lead ON vici_call_logs (instance, vici_lead_id) WHERE lead_id IS NULL;
CREATE INDEX vici_call_logs_orphans_by_phone ON vici_call_logs (phone_key) WHERE lead_id IS NULL AND phone_key IS NOT NULL;

COMMENT ON TABLE vici_call_logs IS 'Every call ever seen on any dialer, one row each, never deleted';
COMMENT ON COLUMN vici_call_logs.source_key IS 'uniqueid of vicidial_log, closecallid of vicidial_closer_log';
COMMENT ON COLUMN vici_call_logs.call_date IS 'as read: wall time of the dialer, without a zone';
COMMENT ON COLUMN vici_call_logs.called_at IS 'the instant of the call: start_epoch where it agrees with call_date within 15 h';
COMMENT ON COLUMN vici_call_logs.length_in_sec IS 'seconds from answer or dial to hang-up, queue included; not talk time';
COMMENT ON COLUMN vici_call_logs.phone_key IS 'normalised_phone(phone_code, phone_number)';
COMMENT ON COLUMN vici_call_logs.row_crc IS 'CRC32 of the replicated columns as computed by the dialer''s database';
COMMENT ON COLUMN vici_call_logs.read_at IS 'Brain''s clock when the read that gave this content began; an older read never overwrites';
COMMENT ON COLUMN vici_call_logs.vanished_at IS 'when the row was found gone at the dialer';
COMMENT ON COLUMN vici_call_logs.match_candidates IS 'how many leads fitted at the winning rule; above 1 the match is ambiguous';

CREATE VIEW vici_call_metrics AS
    SELECT * FROM vici_call_logs WHERE lead_id IS NOT NULL AND vanished_at IS NULL;
CREATE VIEW orphan_call_logs AS
    SELECT * FROM vici_call_logs WHERE lead_id IS NULL AND vanished_at IS NULL;
COMMENT ON VIEW vici_call_metrics IS 'Calls that belong to a lead: one half of vici_call_logs';
COMMENT ON VIEW orphan_call_logs IS 'Calls whose lead Brain does not know yet: the other half of vici_call_logs';

CREATE TABLE vici_call_log_history (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance       text        COLLATE "C" NOT NULL,
    source_table   text        COLLATE "C" NOT NULL,
    source_key     text        COLLATE "C" NOT NULL,
    vici_lead_id   bigint,
    end_epoch      bigint,
    length_in_sec  bigint,
    status         text,
    agent_user     text,
    term_reason    text,
    row_crc        bigint      NOT NULL,
    state          jsonb       NOT NULL,
    seen_from      timestamptz NOT NULL,
    seen_until     timestamptz NOT NULL
);
CREATE INDEX vici_call_log_history_call ON vici_call_log_history (instance, source_table, source_key, seen_from);
COMMENT ON TABLE vici_call_log_history IS 'Earlier states of calls that changed at the dialer (PU, INCALL, DISPO, …)';
COMMENT ON COLUMN vici_call_log_history.state IS 'the whole row of vici_call_logs as it was';

CREATE TABLE quarantined_call_logs (
    instance      text        COLLATE "C" NOT NULL,
    source_table  text        COLLATE "C" NOT NULL,
    source_key    text        COLLATE "C" NOT NULL,
    reasons       text[]      NOT NULL,
    raw           jsonb       NOT NULL,
    landed        boolean     NOT NULL,
    first_seen_at timestamptz NOT NULL,
    changed_at    timestamptz NOT NULL,
    PRIMARY KEY (instance, source_table, source_key)
);
COMMENT ON TABLE quarantined_call_logs IS 'Rows of which something could not be kept as it came, with the original values';
COMMENT ON COLUMN quarantined_call_logs.landed IS 'true: the call is in vici_call_logs all the same, without the refused values';

CREATE TABLE call_log_proofs (
    instance         text        COLLATE "C" NOT NULL,
    source_table     text        COLLATE "C" NOT NULL,
    bucket_start     timestamptz NOT NULL,
    state            text        NOT NULL CHECK (state IN ('read', 'proven', 'differs')),
    read_at          timestamptz NOT NULL,
    source_count     bigint      NOT NULL,
    source_crc_sum   numeric(30) NOT NULL,
    brain_count      bigint      NOT NULL,
    brain_crc_sum    numeric(30) NOT NULL,
    proven_at        timestamptz,
    PRIMARY KEY (instance, source_table, bucket_start)
);
COMMENT ON TABLE call_log_proofs IS 'The ledger: five-minute buckets of each dialer that were read, and how they compare with the source';
COMMENT ON COLUMN call_log_proofs.read_at IS 'Brain''s clock when the last read of the whole bucket began';
COMMENT ON COLUMN call_log_proofs.proven_at IS 'when count and CRC sum were last found equal at source and in Brain';

CREATE TABLE vici_statuses (
    instance           text    COLLATE "C" NOT NULL,
    campaign_id        text    NOT NULL,
    status             text    NOT NULL,
    status_name        text,
    human_answered     boolean NOT NULL,
    sale               boolean NOT NULL,
    dnc                boolean NOT NULL,
    customer_contact   boolean NOT NULL,
    not_interested     boolean NOT NULL,
    unworkable         boolean NOT NULL,
    scheduled_callback boolean NOT NULL,
    completed          boolean NOT NULL,
    answering_machine  boolean NOT NULL,
    synced_at          timestamptz NOT NULL,
    removed_at         timestamptz,
    PRIMARY KEY (instance, campaign_id, status)
);
COMMENT ON COLUMN vici_statuses.campaign_id IS 'blank: a system status; a campaign''s own row shadows it';

CREATE TABLE sync_logs (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance       text        COLLATE "C" NOT NULL,
    kind           text        NOT NULL,
    trigger        text        NOT NULL,
    status         text        NOT NULL CHECK (status IN ('running', 'success', 'failed')),
    started_at     timestamptz NOT NULL,
    finished_at    timestamptz,
    seconds        double precision,
    window_start   timestamptz,
    window_end     timestamptz,
    rows_read      bigint      NOT NULL DEFAULT 0,
    rows_new       bigint      NOT NULL DEFAULT 0,
    rows_updated   bigint      NOT NULL DEFAULT 0,
    rows_unchanged bigint      NOT NULL DEFAULT 0,
    rows_matched   bigint      NOT NULL DEFAULT 0,
    rows_orphaned  bigint      NOT NULL DEFAULT 0,
    rows_quarantined bigint    NOT NULL DEFAULT 0,
    peak_memory_mb double precision,
    error          text,
    run_id         text,
    details        jsonb       NOT NULL DEFAULT '{}'
);
CREATE INDEX sync_logs_instance ON sync_logs (instance, kind, started_at DESC);
CREATE INDEX sync_logs_run ON sync_logs (run_id) WHERE run_id IS NOT NULL;
COMMENT ON TABLE sync_logs IS 'One row for every sync, however it was started';

CREATE TABLE vici_lead_links (
    instance     text        COLLATE "C" NOT NULL,
    vici_lead_id bigint      NOT NULL,
    lead_id      bigint      NOT NULL,
    linked_at    timestamptz NOT NULL,
    PRIMARY KEY (instance, vici_lead_id)
);
CREATE INDEX vici_lead_links_lead ON vici_lead_links (lead_id);
COMMENT ON TABLE vici_lead_links IS 'Which lead of Brain a dialer''s lead_id belongs to';
