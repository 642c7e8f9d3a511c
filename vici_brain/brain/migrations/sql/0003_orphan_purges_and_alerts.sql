-- Old orphans put away, hidden or out of vici_call_logs, each time with an audit row and an export; and the table of alerts.
ALTER TABLE vici_call_logs ADD COLUMN hidden_at timestamptz;
COMMENT ON COLUMN vici_call_logs.hidden_at IS 'when this old orphan was hidden: still matched and proven, but not in orphan_call_logs; see orphan_purges';

DROP VIEW vici_call_metrics;
DROP VIEW orphan_call_logs;
CREATE VIEW vici_call_metrics AS
    SELECT * FROM vici_call_logs WHERE lead_id IS NOT NULL AND (vanished_at IS NULL OR vanish_reason = 'expired');
CREATE VIEW orphan_call_logs AS
    SELECT * FROM vici_call_logs WHERE lead_id IS NULL AND (vanished_at IS NULL OR vanish_reason = 'expired') AND hidden_at IS NULL;
COMMENT ON VIEW vici_call_metrics IS 'Calls that belong to a lead: one half of vici_call_logs';
COMMENT ON VIEW orphan_call_logs IS 'Calls whose lead Brain does not know yet: the other half of vici_call_logs, but for old ones that were hidden';

CREATE TABLE orphan_purges (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance        text        COLLATE "C" NOT NULL,
    mode            text        NOT NULL CHECK (mode IN ('hidden', 'purged')),
    trigger         text        NOT NULL,
    actor           text        NOT NULL,
    acted_at        timestamptz NOT NULL,
    cutoff          timestamptz NOT NULL,
    calls           bigint      NOT NULL,
    exported_calls  bigint      NOT NULL,
    first_called_at timestamptz NOT NULL,
    last_called_at  timestamptz NOT NULL,
    file            text        NOT NULL,
    sha256          text        NOT NULL,
    restored_at     timestamptz,
    restored_by     text,
    restored_calls  bigint,
    UNIQUE (instance, acted_at)
);
COMMENT ON TABLE orphan_purges IS 'Every time old orphans were put away: by whom, which, and the verified export that holds them';
COMMENT ON COLUMN orphan_purges.acted_at IS 'Brain''s clock; hidden_at of the calls that this hid';
COMMENT ON COLUMN orphan_purges.calls IS 'calls put away; fewer than exported_calls if some changed or found their lead meanwhile';

CREATE TABLE purged_orphan_calls (
    purge_id bigint NOT NULL REFERENCES orphan_purges (id),
    LIKE vici_call_logs INCLUDING COMMENTS INCLUDING CONSTRAINTS,
    PRIMARY KEY (instance, source_table, source_key),
    CHECK (lead_id IS NULL)
);
CREATE INDEX purged_orphan_calls_called_at ON purged_orphan_calls (instance, called_at);
CREATE INDEX purged_orphan_calls_purge ON purged_orphan_calls (purge_id);
COMMENT ON TABLE purged_orphan_calls IS 'Orphans taken out of vici_call_logs, whole; they go back when the dialer changes them, a lead claims them, or they are restored';

CREATE VIEW held_call_logs AS
    SELECT instance, source_table, source_key, campaign_id, call_date, called_at, start_epoch, row_crc, vanished_at, vanish_reason
    FROM vici_call_logs
    UNION ALL
    SELECT instance, source_table, source_key, campaign_id, call_date, called_at, start_epoch, row_crc, vanished_at, vanish_reason
    FROM purged_orphan_calls;
COMMENT ON VIEW held_call_logs IS 'Every call that Brain answers for, the purged ones too: what proofs and counts against the dialer are taken from';

CREATE TABLE data_consistency_alerts (
    id               bigint       GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_type       varchar(255) NOT NULL,
    severity         text         NOT NULL DEFAULT 'warning' CHECK (severity IN ('critical', 'warning', 'info')),
    entity_type      varchar(255) NOT NULL,
    entity_id        bigint,
    description      text         NOT NULL,
    metadata         jsonb,
    detected_at      timestamptz  NOT NULL,
    auto_corrected   boolean      NOT NULL DEFAULT false,
    corrected_at     timestamptz,
    resolution_notes text,
    created_at       timestamptz  NOT NULL DEFAULT now(),
    updated_at       timestamptz  NOT NULL DEFAULT now()
);
CREATE INDEX data_consistency_alerts_alert_type ON data_consistency_alerts (alert_type);
CREATE INDEX data_consistency_alerts_severity ON data_consistency_alerts (severity);
CREATE INDEX data_consistency_alerts_entity_type ON data_consistency_alerts (entity_type);
CREATE INDEX data_consistency_alerts_entity_id ON data_consistency_alerts (entity_id);
CREATE INDEX data_consistency_alerts_detected_at ON data_consistency_alerts (detected_at);
CREATE INDEX data_consistency_alerts_auto_corrected ON data_consistency_alerts (auto_corrected);
CREATE INDEX data_consistency_alerts_type_detected ON data_consistency_alerts (alert_type, detected_at);
CREATE INDEX data_consistency_alerts_severity_detected ON data_consistency_alerts (severity, detected_at);
-- One open alert for each silence, whoever raises it: a dialer has a name and no number, so its name is in the metadata.
CREATE UNIQUE INDEX data_consistency_alerts_open_silence ON data_consistency_alerts
    (alert_type, (metadata ->> 'instance'), coalesce(metadata ->> 'campaign', ''))
    WHERE entity_type = 'dialer_instance' AND corrected_at IS NULL;
COMMENT ON TABLE data_consistency_alerts IS 'What is or was wrong: an alert without corrected_at is open';
