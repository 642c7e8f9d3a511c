-- Why asked leads must not be called, as the dialers' leads and the calls of their numbers say it: a status that the dialer flags so, by
-- the campaign's own row where it has one; of a status without any row, its name. Every walk is one down an index for one number or one
-- lead of a dialer, whatever the planner knows of the tables.
WITH asked AS (
    SELECT DISTINCT lead_id, phone_key FROM unnest(CAST(:leads AS bigint[]), CAST(:phones AS text[])) AS given (lead_id, phone_key)
), there AS (
    SELECT asked.lead_id, links.* FROM asked CROSS JOIN LATERAL (
        SELECT instance, vici_lead_id, campaign_id, status FROM vici_lead_links WHERE vici_lead_links.phone_key = asked.phone_key OFFSET 0
    ) AS links
    UNION
    SELECT asked.lead_id, links.* FROM asked CROSS JOIN LATERAL (
        SELECT instance, vici_lead_id, campaign_id, status FROM vici_lead_links WHERE vici_lead_links.lead_id = asked.lead_id OFFSET 0
    ) AS links
), said AS (
    SELECT lead_id, instance, campaign_id, status, 'lead ' || vici_lead_id AS what FROM there
    UNION ALL
    SELECT asked.lead_id, call.* FROM asked CROSS JOIN LATERAL (
        SELECT instance, campaign_id, status, 'call ' || source_key AS what FROM vici_call_logs
        WHERE vici_call_logs.phone_key = asked.phone_key AND (vanished_at IS NULL OR vanish_reason = 'expired') OFFSET 0
    ) AS call
    UNION ALL
    SELECT asked.lead_id, call.* FROM asked CROSS JOIN LATERAL (
        SELECT instance, campaign_id, status, 'call ' || source_key AS what FROM purged_orphan_calls
        WHERE purged_orphan_calls.phone_key = asked.phone_key AND (vanished_at IS NULL OR vanish_reason = 'expired') OFFSET 0
    ) AS call
    UNION ALL
    SELECT there.lead_id, call.* FROM there CROSS JOIN LATERAL (
        SELECT instance, campaign_id, status, 'call ' || source_key AS what FROM vici_call_logs
        WHERE vici_call_logs.instance = there.instance AND vici_call_logs.vici_lead_id = there.vici_lead_id
          AND (vanished_at IS NULL OR vanish_reason = 'expired') OFFSET 0
    ) AS call
), meant AS (
    SELECT DISTINCT said.*, coalesce((
        SELECT known.dnc FROM vici_statuses AS known
        WHERE known.instance = said.instance AND known.status = said.status AND known.campaign_id IN (said.campaign_id, '')
        ORDER BY known.campaign_id = '', known.removed_at IS NOT NULL LIMIT 1
    ), said.status = ANY(CAST(:well_known AS text[]))) AS forbids
    FROM said WHERE said.status <> ''
)
SELECT DISTINCT ON (lead_id) lead_id, what || ' on ' || instance || ' has the status ' || status AS why
FROM meant WHERE forbids ORDER BY lead_id, what
