-- Orphans of a window that a lead of Brain fits, by the rules of match_calls: calls by vici_call_logs_called_at, and for each at most
-- three look-ups in the indexes that matching uses.
SELECT count(*) OVER () AS offending, source_table, source_key, vendor_lead_code, vici_lead_id
FROM orphan_call_logs AS call
WHERE instance = :instance AND called_at >= :start AND called_at < :end
    AND (
        (vendor_lead_code ~ '^[0-9]{13}$' AND EXISTS (SELECT FROM leads WHERE leads.external_lead_id = call.vendor_lead_code))
        OR EXISTS (
            SELECT FROM vici_lead_links AS link JOIN leads ON leads.id = link.lead_id
            WHERE link.instance = :instance AND link.vici_lead_id = call.vici_lead_id
        )
        OR EXISTS (SELECT FROM leads WHERE normalised_phone('1', leads.phone::text) = call.phone_key)
    )
ORDER BY source_table, source_key LIMIT :sample
