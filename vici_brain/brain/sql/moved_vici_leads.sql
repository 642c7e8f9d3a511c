-- Leads of the page that stand on another list than when they were last read; by the key of vici_lead_links, whatever the planner believes.
SELECT count(*) FILTER (WHERE kept.list_id IS DISTINCT FROM staged.list_id) AS moved,
       count(*) FILTER (WHERE staged.archived AND kept.archived_at IS NULL) AS archived
FROM staged_vici_leads AS staged CROSS JOIN LATERAL (
    SELECT list_id, archived_at, seen_at FROM vici_lead_links
    WHERE instance = :instance AND vici_lead_links.vici_lead_id = staged.vici_lead_id OFFSET 0
) AS kept
WHERE kept.seen_at IS NOT NULL
