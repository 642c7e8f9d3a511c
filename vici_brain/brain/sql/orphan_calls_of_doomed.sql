-- Calls of leads that go wait for a lead again; vici_call_logs_lead.
UPDATE vici_call_logs AS call SET lead_id = NULL, matched_by = NULL, matched_at = NULL, match_candidates = NULL
FROM doomed_leads AS doomed WHERE doomed.kept_because IS NULL AND call.lead_id = doomed.lead_id AND :import_id > 0
