-- Gives the dialer's leads of the arriving numbers their lead, and keeps what each link was before; vici_lead_links_group.
WITH due AS MATERIALIZED (
    SELECT kept.vici_lead_id, kept.lead_id AS before, arriving.lead_id
    FROM arriving_leads AS arriving
    JOIN vici_lead_links AS kept ON kept.instance = :instance AND kept.group_key = arriving.ref
    WHERE kept.removed_at IS NULL AND kept.seen_at IS NOT NULL AND kept.lead_id IS DISTINCT FROM arriving.lead_id
), linked AS (
    UPDATE vici_lead_links AS kept SET lead_id = due.lead_id, linked_at = :at, import_id = :import_id
    FROM due WHERE kept.instance = :instance AND kept.vici_lead_id = due.vici_lead_id
    RETURNING kept.vici_lead_id
)
INSERT INTO lead_import_items (import_id, action, lead_id, instance, vici_lead_id, before)
SELECT :import_id, 'linked', due.lead_id, :instance, due.vici_lead_id, jsonb_build_object('lead_id', due.before)
FROM due JOIN linked USING (vici_lead_id)
ON CONFLICT DO NOTHING
