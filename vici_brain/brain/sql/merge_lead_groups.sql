-- One row for each number from the dialer's leads of it: the rule of domain/lead_import.merged, in its order of precedence. Over
-- vici_lead_links_group: OFFSET 0 keeps it one index walk for each number, whatever the planner believes of a mirror that just grew.
INSERT INTO arriving_leads (ref, leader, phone, phone_key, code, status, entered_at, linked, profile, meta, list_id, campaign_id)
WITH member AS MATERIALIZED (
    SELECT kept.*, coalesce(CAST(:statuses AS jsonb) ->> kept.status, :unknown) AS crm_status,
        row_number() OVER (
            PARTITION BY group_key
            ORDER BY archived_at IS NOT NULL, last_local_call_time DESC NULLS LAST, called_count DESC, vici_lead_id
        ) AS place
    FROM unnest(CAST(:keys AS text[])) AS asked (key) CROSS JOIN LATERAL (
        SELECT * FROM vici_lead_links WHERE instance = :instance AND group_key = asked.key OFFSET 0
    ) AS kept
    WHERE removed_at IS NULL AND seen_at IS NOT NULL
), profiles AS (
    -- Of equal keys the last stays, so the leading lead is given last.
    SELECT group_key, jsonb_object_agg(field.key, field.value ORDER BY place DESC) AS profile
    FROM member CROSS JOIN LATERAL jsonb_each_text(profile) AS field
    WHERE field.value <> '' GROUP BY group_key
), one AS (
    SELECT group_key,
        (array_agg(vici_lead_id ORDER BY place))[1] AS leader,
        -- Brain's leads have no country code beside the number, and one without is taken for North American.
        (array_agg(
            CASE WHEN phone_key IS NULL OR normalised_phone('1', phone_number) = phone_key THEN phone_number ELSE '+' || phone_key END
            ORDER BY place
        ))[1] AS phone,
        max(phone_key) AS phone_key,
        (array_agg(vendor_lead_code ORDER BY place) FILTER (WHERE vendor_lead_code ~ '^[0-9]{13}$'))[1] AS code,
        CASE WHEN bool_or(crm_status = :do_not_call) THEN :do_not_call ELSE (array_agg(crm_status ORDER BY place))[1] END AS status,
        (array_agg(status ORDER BY place))[1] AS vici_status,
        (array_agg(list_id ORDER BY place))[1] AS list_id,
        (array_agg(campaign_id ORDER BY place))[1] AS campaign_id,
        sum(called_count) AS called_count,
        max(last_local_call_time) AS last_call,
        min(entered_at) AS entered_at,
        coalesce(array_agg(DISTINCT lead_id) FILTER (WHERE lead_id IS NOT NULL), '{}') AS linked
    FROM member GROUP BY group_key
)
SELECT group_key, leader, phone, phone_key, code, status, entered_at, linked, coalesce(profile, '{}'),
    jsonb_strip_nulls(jsonb_build_object(
        'vici_instance', CAST(:instance AS text), 'vici_lead_id', leader, 'vici_list_id', list_id, 'vici_campaign', campaign_id,
        'vici_status', vici_status, 'vici_called_count', called_count, 'last_call_date', to_char(last_call, 'YYYY-MM-DD HH24:MI:SS'),
        'vendor_lead_code', code, 'import_status', status
    )), list_id, campaign_id
FROM one LEFT JOIN profiles USING (group_key)
