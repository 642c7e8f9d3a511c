-- Placed rows in key order, each with its lead by the rules of match_calls: what was never read before is written once. None of them may
-- be held yet; the second form of this statement (brain/calls) leaves out those that are. Every look-up is a step down one index
-- for each row (leads_external_lead_id_lookup, the key of vici_lead_links, leads_normalised_phone_lookup), whatever the planner
-- knows of the tables.
WITH landed AS (
    INSERT INTO vici_call_logs (
        instance, source_table, source_key, uniqueid, vici_lead_id, list_id, campaign_id, call_date, called_at, start_epoch,
        end_epoch, length_in_sec, status, phone_code, phone_number, phone_key, agent_user, user_group, comments, term_reason,
        alt_dial, called_count, queue_seconds, vendor_lead_code, outbound_cid, row_crc, row_flags, source_copy, read_at,
        first_seen_at, changed_at, vanished_at, lead_id, matched_by, matched_at, match_candidates, vanish_reason,
        successor_key, hidden_at
    )
    SELECT
        placed.instance, placed.source_table, placed.source_key, placed.uniqueid, placed.vici_lead_id, placed.list_id,
        placed.campaign_id, placed.call_date, placed.called_at, placed.start_epoch, placed.end_epoch, placed.length_in_sec,
        placed.status, placed.phone_code, placed.phone_number, placed.phone_key, placed.agent_user, placed.user_group,
        placed.comments, placed.term_reason, placed.alt_dial, placed.called_count, placed.queue_seconds,
        placed.vendor_lead_code, placed.outbound_cid, placed.row_crc, placed.row_flags, placed.source_copy, placed.read_at,
        placed.first_seen_at, placed.changed_at, placed.vanished_at,
        coalesce(by_code.lead_id, by_link.lead_id, by_phone.lead_id),
        CASE
            WHEN by_code.lead_id IS NOT NULL THEN 'vendor_lead_code'
            WHEN by_link.lead_id IS NOT NULL THEN 'vici_lead_link'
            WHEN by_phone.lead_id IS NOT NULL THEN 'phone'
        END,
        CASE WHEN coalesce(by_code.lead_id, by_link.lead_id, by_phone.lead_id) IS NOT NULL THEN clock_timestamp() END,
        nullif(coalesce(nullif(by_code.candidates, 0), nullif(by_link.candidates, 0), by_phone.candidates), 0),
        placed.vanish_reason, placed.successor_key, placed.hidden_at
    FROM (
        -- What is compared with leads has no collation of its own: an index on leads serves only comparisons in the index's collation.
        SELECT *, vendor_lead_code COLLATE "default" AS code, phone_key COLLATE "default" AS phone
        FROM placed_calls ORDER BY source_key
    ) AS placed
    LEFT JOIN LATERAL (
        SELECT min(id) AS lead_id, count(*) AS candidates FROM leads
        WHERE leads.external_lead_id = placed.code AND placed.code ~ '^[0-9]{13}$'
    ) AS by_code ON true
    LEFT JOIN LATERAL (
        SELECT min(links.lead_id) AS lead_id, count(*) AS candidates FROM vici_lead_links AS links
        JOIN leads ON leads.id = links.lead_id
        WHERE links.instance = :instance AND links.vici_lead_id = placed.vici_lead_id AND by_code.lead_id IS NULL
    ) AS by_link ON true
    LEFT JOIN LATERAL (
        SELECT min(id) AS lead_id, count(*) AS candidates FROM leads
        WHERE normalised_phone('1', leads.phone::text) = placed.phone
          AND by_code.lead_id IS NULL AND by_link.lead_id IS NULL
    ) AS by_phone ON true
    RETURNING lead_id
)
SELECT count(*) AS calls, count(lead_id) AS matched FROM landed
