-- Writing to dialers: what was written and whether it stayed, what was pushed, who may not be called and why.

-- The 30-day rule asks for the newest call of a number and of a dialer's lead.
CREATE INDEX vici_call_logs_phone ON vici_call_logs (phone_key, called_at) WHERE phone_key IS NOT NULL;
CREATE INDEX vici_call_logs_vici_lead ON vici_call_logs (instance, vici_lead_id, called_at);
CREATE INDEX purged_orphan_calls_phone ON purged_orphan_calls (phone_key, called_at) WHERE phone_key IS NOT NULL;
CREATE INDEX purged_orphan_calls_vici_lead ON purged_orphan_calls (instance, vici_lead_id, called_at);

CREATE TABLE vendor_code_writes (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance     text        COLLATE "C" NOT NULL,
    vici_lead_id bigint      NOT NULL,
    lead_id      bigint      NOT NULL,
    code         text        COLLATE "C" NOT NULL,
    before       text,
    after        text,
    outcome      text        NOT NULL CHECK (outcome IN ('intended', 'written', 'equal', 'conflict', 'not_found', 'failed')),
    said         text        NOT NULL DEFAULT '',
    writer       text        NOT NULL,
    trigger      text        NOT NULL,
    attempt      integer     NOT NULL,
    intended_at  timestamptz NOT NULL,
    read_back_at timestamptz,
    verified_at  timestamptz,
    verdict      text        CHECK (verdict IN ('stayed', 'lost', 'replaced', 'gone'))
);
CREATE INDEX vendor_code_writes_lead ON vendor_code_writes (instance, vici_lead_id, id);
CREATE INDEX vendor_code_writes_open ON vendor_code_writes (instance, id) WHERE outcome = 'intended';
COMMENT ON TABLE vendor_code_writes IS 'Every vendor_lead_code that was or was about to be written to a dialer, with what stood there before and after';
COMMENT ON COLUMN vendor_code_writes.outcome IS 'intended: written down before the write; still so only if the writer died in between';
COMMENT ON COLUMN vendor_code_writes.verdict IS 'what a look hours later found: stayed, lost (blank again), replaced, or the lead gone';

CREATE TABLE vendor_code_checks (
    instance     text        COLLATE "C" NOT NULL,
    vici_lead_id bigint      NOT NULL,
    due_at       timestamptz NOT NULL,
    attempts     integer     NOT NULL DEFAULT 0,
    reason       text        NOT NULL CHECK (reason IN ('written', 'in_call', 'stayed', 'given_up')),
    PRIMARY KEY (instance, vici_lead_id)
);
CREATE INDEX vendor_code_checks_due ON vendor_code_checks (instance, due_at) WHERE reason IN ('written', 'in_call');
COMMENT ON TABLE vendor_code_checks IS 'Dialers'' leads whose code is to be looked at again: written lately, in a call, or lost too often';
COMMENT ON COLUMN vendor_code_checks.attempts IS 'writes so far; at the policy''s most a person is asked instead';

CREATE TABLE vendor_code_walks (
    instance  text        COLLATE "C" NOT NULL,
    campaigns text        COLLATE "C" NOT NULL,
    after     bigint      NOT NULL,
    moved_at  timestamptz NOT NULL,
    PRIMARY KEY (instance, campaigns)
);
COMMENT ON TABLE vendor_code_walks IS 'How far an unfinished walk through a dialer''s linked leads came; the next one goes on there';

CREATE TABLE lead_call_restrictions (
    lead_id        bigint      NOT NULL,
    restriction    text        NOT NULL CHECK (restriction IN ('DO_NOT_CALL', 'recently_called')),
    reason         text        NOT NULL,
    phone_key      text        COLLATE "C",
    last_call_at   timestamptz,
    callable_after timestamptz,
    first_seen_at  timestamptz NOT NULL,
    last_seen_at   timestamptz NOT NULL,
    PRIMARY KEY (lead_id, restriction)
);
COMMENT ON TABLE lead_call_restrictions IS 'Why a lead may not be called: two separate facts; DO_NOT_CALL stays for good and wins';
COMMENT ON COLUMN lead_call_restrictions.callable_after IS 'of recently_called: 30 x 24 hours after the last call';

CREATE TABLE lead_pushes (
    instance     text        COLLATE "C" NOT NULL,
    lead_id      bigint      NOT NULL,
    state        text        NOT NULL CHECK (state IN ('waiting', 'sending', 'uncertain', 'blocked', 'added', 'linked', 'failed')),
    code         text        COLLATE "C",
    vici_lead_id bigint,
    list_id      bigint,
    campaign_id  text,
    reason       text        NOT NULL DEFAULT '',
    attempts     integer     NOT NULL DEFAULT 0,
    next_at      timestamptz,
    first_at     timestamptz NOT NULL,
    changed_at   timestamptz NOT NULL,
    PRIMARY KEY (instance, lead_id)
);
CREATE INDEX lead_pushes_due ON lead_pushes (instance, next_at) WHERE next_at IS NOT NULL;
COMMENT ON TABLE lead_pushes IS 'What became of each lead that came to Brain first and was to enter a dialer';
COMMENT ON COLUMN lead_pushes.next_at IS 'when to try or judge again; NULL: settled, or for a person';

CREATE TABLE lead_push_cursors (
    instance text        COLLATE "C" PRIMARY KEY,
    lead_id  bigint      NOT NULL,
    first_id bigint      NOT NULL,
    moved_at timestamptz NOT NULL
);
COMMENT ON TABLE lead_push_cursors IS 'The newest lead considered for a dialer';
COMMENT ON COLUMN lead_push_cursors.first_id IS 'the newest lead when pushing began: those up to it are never pushed by themselves';

CREATE TABLE vici_api_logins (
    instance       text        COLLATE "C" NOT NULL,
    api_user       text        COLLATE "C" NOT NULL,
    failures       integer     NOT NULL DEFAULT 0,
    last_failed_at timestamptz,
    closed_until   timestamptz,
    PRIMARY KEY (instance, api_user)
);
COMMENT ON TABLE vici_api_logins IS 'Failed logins at the dialers'' APIs, kept over restarts: ten in a row lock a user out for a quarter of an hour';
