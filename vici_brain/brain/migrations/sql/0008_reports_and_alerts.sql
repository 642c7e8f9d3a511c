-- Daily reports, and what alerts remember: which matters are open, when people were last told, and which channels are broken.
CREATE OR REPLACE VIEW held_call_logs AS
    SELECT instance, source_table, source_key, campaign_id, call_date, called_at, start_epoch, row_crc, vanished_at, vanish_reason,
           status, length_in_sec, first_seen_at, lead_id, matched_by, matched_at
    FROM vici_call_logs
    UNION ALL
    SELECT instance, source_table, source_key, campaign_id, call_date, called_at, start_epoch, row_crc, vanished_at, vanish_reason,
           status, length_in_sec, first_seen_at, lead_id, matched_by, matched_at
    FROM purged_orphan_calls;

CREATE TABLE daily_call_reports (
    day            date        NOT NULL,
    time_zone      text        COLLATE "C" NOT NULL,
    instance       text        COLLATE "C" NOT NULL,
    starts_at      timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL,
    calls          bigint      NOT NULL,
    matched        bigint      NOT NULL,
    orphaned       bigint      NOT NULL,
    answered       bigint      NOT NULL,
    contacts       bigint      NOT NULL,
    sales          bigint      NOT NULL,
    dropped        bigint      NOT NULL,
    proven_percent double precision NOT NULL,
    is_proven      boolean     NOT NULL,
    anomalies      text[]      NOT NULL,
    figures        jsonb       NOT NULL,
    report         text        NOT NULL,
    computed_at    timestamptz NOT NULL,
    PRIMARY KEY (day, time_zone, instance),
    CHECK (calls = matched + orphaned)
);
COMMENT ON TABLE daily_call_reports IS 'One row for each day and dialer, and one for all dialers together; written anew whenever the day is reported again';
COMMENT ON COLUMN daily_call_reports.instance IS 'blank: all dialers together';
COMMENT ON COLUMN daily_call_reports.time_zone IS 'whose midnights the day lies between';
COMMENT ON COLUMN daily_call_reports.is_proven IS 'every five minutes of the day were proven equal to the dialer when this was computed';
COMMENT ON COLUMN daily_call_reports.figures IS 'calls by campaign, status, hour and rule; proofs, healed gaps, time to match, slowest syncs, other days';
COMMENT ON COLUMN daily_call_reports.report IS 'Markdown, without pictures';

-- Slow syncs of the last minutes, and those of a day, whatever their kind.
CREATE INDEX sync_logs_started ON sync_logs (instance, started_at);
-- What each failed run was told as, so that none is told twice.
CREATE INDEX outgoing_messages_link ON outgoing_messages (link) WHERE link IS NOT NULL;

CREATE TABLE alert_windows (
    fingerprint text        COLLATE "C" PRIMARY KEY,
    kind        text        NOT NULL,
    severity    text        NOT NULL CHECK (severity IN ('critical', 'warning', 'info')),
    title       text        NOT NULL,
    link        text,
    opened_at   timestamptz NOT NULL,
    told_at     timestamptz,
    held_back   integer     NOT NULL DEFAULT 0,
    resolved_at timestamptz
);
CREATE INDEX alert_windows_open ON alert_windows (opened_at) WHERE resolved_at IS NULL;
COMMENT ON TABLE alert_windows IS 'Matters that people are told of: open without resolved_at';
COMMENT ON COLUMN alert_windows.told_at IS 'when a message about it last went out; the window in which it is not repeated starts then';
COMMENT ON COLUMN alert_windows.held_back IS 'how often it was seen and not told since then';

CREATE TABLE alert_channels (
    channel      text        COLLATE "C" PRIMARY KEY,
    delivered_at timestamptz,
    broken_since timestamptz,
    failures     integer     NOT NULL DEFAULT 0,
    last_error   text
);
COMMENT ON TABLE alert_channels IS 'Where alerts go, by service and number in ALERT_URLS, never by address; broken with broken_since';
