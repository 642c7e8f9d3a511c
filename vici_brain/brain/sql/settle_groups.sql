-- What was read has reached its lead.
UPDATE vici_lead_links AS kept SET needs_merge = false FROM arriving_leads AS arriving
WHERE kept.instance = :instance AND kept.group_key = arriving.ref AND kept.needs_merge
