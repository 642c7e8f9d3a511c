-- What a person has to decide, and what people have to be told.
CREATE TABLE manual_review_queue (
    id               bigint       GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    call_id          bigint,
    retell_call_id   varchar(255),
    reason           varchar(255) NOT NULL,
    priority         integer      NOT NULL DEFAULT 5 CHECK (priority BETWEEN 1 AND 9),
    status           text         NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'in_progress', 'resolved', 'dismissed')),
    entity_type      varchar(255) NOT NULL,
    entity_key       text         COLLATE "C" NOT NULL,
    context          jsonb        NOT NULL DEFAULT '{}',
    assigned_to      text,
    assigned_at      timestamptz,
    resolved_at      timestamptz,
    resolution_notes text,
    created_at       timestamptz  NOT NULL DEFAULT now(),
    updated_at       timestamptz  NOT NULL DEFAULT now()
);
CREATE INDEX manual_review_queue_call_id ON manual_review_queue (call_id);
CREATE INDEX manual_review_queue_status ON manual_review_queue (status);
CREATE INDEX manual_review_queue_priority ON manual_review_queue (priority);
CREATE INDEX manual_review_queue_status_priority ON manual_review_queue (status, priority);
CREATE INDEX manual_review_queue_assigned_to ON manual_review_queue (assigned_to);
CREATE INDEX manual_review_queue_created_at ON manual_review_queue (created_at);
-- One open item for each matter, however often it is found.
CREATE UNIQUE INDEX manual_review_queue_open ON manual_review_queue (reason, entity_type, entity_key)
    WHERE status IN ('pending', 'in_progress');
COMMENT ON TABLE manual_review_queue IS 'What needs a person''s decision; open while pending or in_progress';
COMMENT ON COLUMN manual_review_queue.priority IS '1 is the most urgent';
COMMENT ON COLUMN manual_review_queue.entity_type IS 'what the matter is about: call, appointment, lead, vici_lead, …';
COMMENT ON COLUMN manual_review_queue.entity_key IS 'which one; a dialer''s lead is instance/lead_id';

CREATE TABLE outgoing_messages (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text        NOT NULL,
    fingerprint text        COLLATE "C" NOT NULL,
    severity    text        NOT NULL DEFAULT 'info' CHECK (severity IN ('critical', 'warning', 'info')),
    title       text        NOT NULL,
    body        text        NOT NULL,
    link        text,
    created_at  timestamptz NOT NULL,
    sent_at     timestamptz,
    attempts    integer     NOT NULL DEFAULT 0,
    last_error  text
);
CREATE INDEX outgoing_messages_unsent ON outgoing_messages (created_at) WHERE sent_at IS NULL;
CREATE INDEX outgoing_messages_fingerprint ON outgoing_messages (fingerprint, created_at DESC);
COMMENT ON TABLE outgoing_messages IS 'What people are to be told, and whether they were; unsent without sent_at';
COMMENT ON COLUMN outgoing_messages.fingerprint IS 'the matter: two messages of one fingerprint say the same thing';
COMMENT ON COLUMN outgoing_messages.body IS 'Markdown';
COMMENT ON COLUMN outgoing_messages.link IS 'path in the Dagster UI, from its root';
