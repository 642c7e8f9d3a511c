-- Calls that found their lead by a link of the import wait again; vici_call_logs_lead.
UPDATE vici_call_logs AS call SET lead_id = NULL, matched_by = NULL, matched_at = NULL, match_candidates = NULL
FROM lead_import_items AS item
WHERE item.import_id = :import_id AND item.action = 'linked' AND call.lead_id = item.lead_id AND call.instance = item.instance
  AND call.vici_lead_id = item.vici_lead_id AND call.matched_by = 'vici_lead_link'
  AND NOT EXISTS (SELECT FROM doomed_leads AS doomed WHERE doomed.lead_id = item.lead_id AND doomed.kept_because IS NOT NULL)
