-- The same for leads that were asked for one by one.
UPDATE vici_lead_links AS kept SET removed_at = :at, seen_at = :at
WHERE kept.instance = :instance AND kept.vici_lead_id = ANY(:ids)
  AND kept.removed_at IS NULL AND kept.seen_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM staged_vici_leads AS staged WHERE staged.vici_lead_id = kept.vici_lead_id)
