-- What was read has reached its lead; over vici_lead_links_group, whatever the planner believes of a mirror that just grew.
UPDATE vici_lead_links SET needs_merge = false
WHERE instance = :instance AND group_key = ANY(ARRAY(SELECT ref FROM arriving_leads)) AND needs_merge
