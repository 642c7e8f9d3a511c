-- Calls whose row is gone at the dialer: why, and which row took their place. A duplicate that the dialer cleaned up, or a row whose key
-- was rewritten, is no call of its own and leaves both halves; a row that merely grew old there stays a call for ever.
ALTER TABLE vici_call_logs ADD COLUMN vanish_reason text CHECK (vanish_reason IN ('deleted', 'rewritten', 'expired'));
ALTER TABLE vici_call_logs ADD COLUMN successor_key text COLLATE "C";
ALTER TABLE vici_call_logs ADD CHECK ((vanished_at IS NULL) = (vanish_reason IS NULL));
COMMENT ON COLUMN vici_call_logs.vanish_reason IS 'deleted: cleaned up as a duplicate; rewritten: see successor_key; expired: removed by age';
COMMENT ON COLUMN vici_call_logs.successor_key IS 'source_key of the row that this one became';

DROP VIEW vici_call_metrics;
DROP VIEW orphan_call_logs;
CREATE VIEW vici_call_metrics AS
    SELECT * FROM vici_call_logs WHERE lead_id IS NOT NULL AND (vanished_at IS NULL OR vanish_reason = 'expired');
CREATE VIEW orphan_call_logs AS
    SELECT * FROM vici_call_logs WHERE lead_id IS NULL AND (vanished_at IS NULL OR vanish_reason = 'expired');
COMMENT ON VIEW vici_call_metrics IS 'Calls that belong to a lead: one half of vici_call_logs';
COMMENT ON VIEW orphan_call_logs IS 'Calls whose lead Brain does not know yet: the other half of vici_call_logs';
CREATE INDEX call_log_proofs_unproven ON call_log_proofs (instance, bucket_start) WHERE state <> 'proven';
