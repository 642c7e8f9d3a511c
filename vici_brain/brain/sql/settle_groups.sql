-- What was read has reached its lead: found over vici_lead_links_group and written by the key, whatever the planner believes of a mirror
-- that just grew.
UPDATE vici_lead_links SET needs_merge = false
WHERE instance = :instance AND vici_lead_id = ANY(ARRAY(
    SELECT kept.vici_lead_id FROM arriving_leads AS arriving CROSS JOIN LATERAL (
        SELECT vici_lead_id, needs_merge FROM vici_lead_links WHERE instance = :instance AND group_key = arriving.ref OFFSET 0
    ) AS kept
    WHERE kept.needs_merge
))
