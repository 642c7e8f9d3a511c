-- Stamps what the dialer has no longer, live or archived, of a stretch of its primary key that was read whole; by the key of
-- vici_lead_links: bounds that the planner cannot see keep it from thinking that they hold all. What Brain itself just put there and was
-- never read yet (seen_at) is left alone.
UPDATE vici_lead_links AS kept SET removed_at = :at, seen_at = :at
WHERE kept.instance = :instance AND kept.vici_lead_id > (SELECT CAST(:after AS bigint)) AND kept.vici_lead_id <= (SELECT CAST(:until AS bigint))
  AND kept.removed_at IS NULL AND kept.seen_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM staged_vici_leads AS staged WHERE staged.vici_lead_id = kept.vici_lead_id)
