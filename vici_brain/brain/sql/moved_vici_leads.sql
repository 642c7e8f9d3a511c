-- Leads of the page that stand on another list than when they were last read; by the key of vici_lead_links.
SELECT count(*) FILTER (WHERE kept.list_id IS DISTINCT FROM staged.list_id) AS moved,
       count(*) FILTER (WHERE staged.archived AND kept.archived_at IS NULL) AS archived
FROM staged_vici_leads AS staged
JOIN vici_lead_links AS kept ON kept.instance = :instance AND kept.vici_lead_id = staged.vici_lead_id AND kept.seen_at IS NOT NULL
