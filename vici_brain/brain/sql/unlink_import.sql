-- Links of the import name again what they named before, but for those of leads that stay; by the key of vici_lead_links.
UPDATE vici_lead_links AS link
SET lead_id = CAST(item.before ->> 'lead_id' AS bigint), needs_merge = true, import_id = NULL,
    linked_at = CASE WHEN item.before ->> 'lead_id' IS NULL THEN NULL ELSE link.linked_at END
FROM lead_import_items AS item
WHERE item.import_id = :import_id AND item.action = 'linked' AND link.instance = item.instance
  AND link.vici_lead_id = item.vici_lead_id AND link.lead_id = item.lead_id
  AND NOT EXISTS (SELECT FROM doomed_leads AS doomed WHERE doomed.lead_id = item.lead_id AND doomed.kept_because IS NOT NULL)
