-- Calls of a window that have no lead, over vici_call_logs_orphans.
INSERT INTO unmatched_calls
SELECT source_table, source_key, vendor_lead_code, vici_lead_id, phone_key
FROM vici_call_logs
WHERE instance = :instance AND called_at >= :start AND called_at < :end AND lead_id IS NULL
