-- The next orphans in key order, whatever their age, by the primary key.
INSERT INTO unmatched_calls
SELECT source_table, source_key, vendor_lead_code, vici_lead_id, phone_key
FROM vici_call_logs
WHERE instance = :instance AND (source_table, source_key) > (:after_table, :after_key) AND lead_id IS NULL
ORDER BY instance, source_table, source_key
LIMIT :limit
RETURNING source_table, source_key
