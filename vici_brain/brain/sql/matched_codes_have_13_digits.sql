-- Calls of a window that were matched by their code, though it is no 13-digit code or not the one of their lead. Calls by
-- vici_call_logs_called_at, leads by their key.
SELECT count(*) OVER () AS offending, call.source_table, call.source_key, call.vendor_lead_code, leads.external_lead_id
FROM vici_call_metrics AS call
LEFT JOIN leads ON leads.id = call.lead_id
WHERE call.instance = :instance AND call.called_at >= :start AND call.called_at < :end
    AND call.matched_by = 'vendor_lead_code'
    AND (coalesce(call.vendor_lead_code, '') !~ '^[0-9]{13}$' OR call.vendor_lead_code IS DISTINCT FROM leads.external_lead_id::text)
ORDER BY 2, 3 LIMIT :sample
