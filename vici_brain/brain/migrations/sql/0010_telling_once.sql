-- A matter is told once: by whoever sees it first, the round of alerts or the sweep; and again only when what it is about was written anew.
ALTER TABLE data_consistency_alerts ADD COLUMN seen_change timestamptz;
COMMENT ON COLUMN data_consistency_alerts.seen_change IS 'when the call, appointment or error that it is about was last written, as last seen';
COMMENT ON COLUMN data_consistency_alerts.message_id IS 'the first outgoing message that told of it';
CREATE INDEX data_consistency_alerts_untold ON data_consistency_alerts (alert_type, entity_id)
    WHERE corrected_at IS NULL AND told_at IS NULL AND severity = 'critical' AND entity_id IS NOT NULL;
CREATE INDEX data_consistency_alerts_open ON data_consistency_alerts (alert_type) WHERE corrected_at IS NULL;
CREATE INDEX circuit_breaker_events_key ON circuit_breaker_events (circuit_key, happened_at);
