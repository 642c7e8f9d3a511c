-- Gives the dialer's leads of the arriving numbers their lead, and keeps what each link was before. Reads over vici_lead_links_group and
-- writes by the key: OFFSET 0 and the arrays keep both so, whatever the planner believes of a mirror that just grew.
WITH due AS MATERIALIZED (
    SELECT kept.vici_lead_id, kept.lead_id AS before, arriving.lead_id
    FROM arriving_leads AS arriving CROSS JOIN LATERAL (
        SELECT vici_lead_id, lead_id, removed_at, seen_at FROM vici_lead_links
        WHERE instance = :instance AND group_key = arriving.ref OFFSET 0
    ) AS kept
    WHERE kept.removed_at IS NULL AND kept.seen_at IS NOT NULL AND kept.lead_id IS DISTINCT FROM arriving.lead_id
), linked AS (
    UPDATE vici_lead_links AS kept SET lead_id = due.lead_id, linked_at = :at, import_id = :import_id
    FROM due
    WHERE kept.instance = :instance AND kept.vici_lead_id = ANY(ARRAY(SELECT vici_lead_id FROM due)) AND kept.vici_lead_id = due.vici_lead_id
    RETURNING kept.vici_lead_id
)
INSERT INTO lead_import_items (import_id, action, lead_id, instance, vici_lead_id, before)
SELECT :import_id, 'linked', due.lead_id, :instance, due.vici_lead_id, jsonb_build_object('lead_id', due.before)
FROM due JOIN linked USING (vici_lead_id)
ON CONFLICT DO NOTHING
