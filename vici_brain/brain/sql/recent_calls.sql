-- The newest call since :since of each asked lead: by its numbers, by the dialers' leads that have one of them or are linked to it or to
-- another lead of its number, and by what calls were matched to. Each lookup is one step down an index in the order of time, however many calls there are and
-- whatever the planner knows of the tables.
WITH asked AS (
    SELECT DISTINCT lead_id, phone_key FROM unnest(CAST(:leads AS bigint[]), CAST(:phones AS text[])) AS given (lead_id, phone_key)
), kin AS (
    SELECT lead_id, lead_id AS kin_id FROM asked
    UNION
    SELECT asked.lead_id, same.id FROM asked CROSS JOIN LATERAL (
        SELECT id FROM leads WHERE normalised_phone('1'::text, leads.phone::text) = asked.phone_key OFFSET 0
    ) AS same
), there AS (
    SELECT DISTINCT kin.lead_id, links.instance, links.vici_lead_id FROM kin CROSS JOIN LATERAL (
        SELECT instance, vici_lead_id FROM vici_lead_links WHERE vici_lead_links.lead_id = kin.kin_id OFFSET 0
    ) AS links
    UNION
    SELECT asked.lead_id, links.instance, links.vici_lead_id FROM asked CROSS JOIN LATERAL (
        SELECT instance, vici_lead_id FROM vici_lead_links WHERE vici_lead_links.phone_key = asked.phone_key OFFSET 0
    ) AS links
), newest AS (
    SELECT asked.lead_id, call.* FROM asked CROSS JOIN LATERAL (
        SELECT called_at, instance, source_key, phone_key FROM vici_call_logs
        WHERE vici_call_logs.phone_key = asked.phone_key AND called_at > :since AND (vanished_at IS NULL OR vanish_reason = 'expired')
        ORDER BY called_at DESC LIMIT 1
    ) AS call
    UNION ALL
    SELECT asked.lead_id, call.* FROM asked CROSS JOIN LATERAL (
        SELECT called_at, instance, source_key, phone_key FROM purged_orphan_calls
        WHERE purged_orphan_calls.phone_key = asked.phone_key AND called_at > :since AND (vanished_at IS NULL OR vanish_reason = 'expired')
        ORDER BY called_at DESC LIMIT 1
    ) AS call
    UNION ALL
    SELECT there.lead_id, call.* FROM there CROSS JOIN LATERAL (
        SELECT called_at, instance, source_key, phone_key FROM vici_call_logs
        WHERE vici_call_logs.instance = there.instance AND vici_call_logs.vici_lead_id = there.vici_lead_id AND called_at > :since
          AND (vanished_at IS NULL OR vanish_reason = 'expired')
        ORDER BY called_at DESC LIMIT 1
    ) AS call
    UNION ALL
    SELECT there.lead_id, call.* FROM there CROSS JOIN LATERAL (
        SELECT called_at, instance, source_key, phone_key FROM purged_orphan_calls
        WHERE purged_orphan_calls.instance = there.instance AND purged_orphan_calls.vici_lead_id = there.vici_lead_id
          AND called_at > :since AND (vanished_at IS NULL OR vanish_reason = 'expired')
        ORDER BY called_at DESC LIMIT 1
    ) AS call
    UNION ALL
    SELECT kin.lead_id, call.* FROM kin CROSS JOIN LATERAL (
        SELECT called_at, instance, source_key, phone_key FROM vici_call_logs
        WHERE vici_call_logs.lead_id = kin.kin_id AND called_at > :since AND (vanished_at IS NULL OR vanish_reason = 'expired')
        ORDER BY called_at DESC LIMIT 1
    ) AS call
)
SELECT DISTINCT ON (lead_id) lead_id, called_at, instance, source_key, phone_key FROM newest ORDER BY lead_id, called_at DESC
