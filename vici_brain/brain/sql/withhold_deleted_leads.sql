-- Takes from the arriving leads those that Brain had and that somebody deleted there: no lead of Brain fits them, and a dialer's lead of
-- the number, gone from the dialer or not, still names one that is no more. For each one walk over vici_lead_links_group, and the keys.
WITH named AS MATERIALIZED (
    SELECT arriving.ref, kept.vici_lead_id, kept.lead_id, kept.present
    FROM arriving_leads AS arriving CROSS JOIN LATERAL (
        SELECT links.vici_lead_id, links.lead_id, (SELECT leads.id FROM leads WHERE leads.id = links.lead_id) AS present
        FROM vici_lead_links AS links WHERE links.instance = :instance AND links.group_key = arriving.ref OFFSET 0
    ) AS kept
    WHERE arriving.lead_id IS NULL
), deleted AS MATERIALIZED (
    SELECT ref, max(lead_id) AS lead_id FROM named WHERE lead_id IS NOT NULL AND present IS NULL GROUP BY ref
), settled AS (
    UPDATE vici_lead_links SET needs_merge = false
    WHERE instance = :instance AND vici_lead_id = ANY(ARRAY(SELECT vici_lead_id FROM named JOIN deleted USING (ref)))
)
DELETE FROM arriving_leads AS arriving USING deleted WHERE deleted.ref = arriving.ref
RETURNING arriving.leader, arriving.phone, deleted.lead_id
