-- The arriving leads of a file: of several rows of one number the first stands, those of earlier batches (file_numbers) with it. What the
-- dialers have of the number comes along where it is asked for: their leads of it, merged in the order of domain/lead_import.merged, with
-- the status that they give and their code if it is one and the file has none. Over vici_lead_links_phone: OFFSET 0 keeps it one index
-- walk for each number, whatever the planner believes of a mirror that just grew.
INSERT INTO arriving_leads (ref, line, phone, phone_key, code, profile, status, leader, linked, list_id, campaign_id, meta)
WITH fresh AS MATERIALIZED (
    SELECT DISTINCT ON (phone_key) * FROM staged_file_leads AS staged
    WHERE NOT EXISTS (SELECT FROM file_numbers AS seen WHERE seen.number = CAST(staged.phone_key AS bigint))
    ORDER BY phone_key, line
), member AS MATERIALIZED (
    SELECT kept.*,
        CASE
            WHEN EXISTS (
                SELECT FROM vici_statuses AS known
                WHERE known.instance = kept.instance AND known.status = kept.status AND known.dnc AND known.removed_at IS NULL
            ) THEN :do_not_call
            ELSE coalesce(CAST(:statuses AS jsonb) ->> kept.status, :unknown)
        END AS crm_status,
        row_number() OVER (
            PARTITION BY kept.phone_key ORDER BY
                kept.archived_at IS NOT NULL, kept.last_local_call_time DESC NULLS LAST, kept.called_count DESC, kept.vici_lead_id,
                kept.instance
        ) AS place
    FROM fresh CROSS JOIN LATERAL (
        SELECT instance, vici_lead_id, lead_id, list_id, campaign_id, status, vendor_lead_code, phone_key, called_count,
            last_local_call_time, archived_at
        FROM vici_lead_links
        WHERE :match_vici AND vici_lead_links.phone_key = fresh.phone_key AND removed_at IS NULL AND seen_at IS NOT NULL OFFSET 0
    ) AS kept
), known AS (
    SELECT phone_key,
        (array_agg(vici_lead_id ORDER BY place))[1] AS leader,
        (array_agg(instance ORDER BY place))[1] AS instance,
        (array_agg(list_id ORDER BY place))[1] AS list_id,
        (array_agg(campaign_id ORDER BY place))[1] AS campaign_id,
        (array_agg(status ORDER BY place))[1] AS vici_status,
        (array_agg(vendor_lead_code ORDER BY place) FILTER (WHERE vendor_lead_code ~ '^[0-9]{13}$'))[1] AS code,
        CASE WHEN bool_or(crm_status = :do_not_call) THEN :do_not_call ELSE (array_agg(crm_status ORDER BY place))[1] END AS status,
        sum(called_count) AS called_count,
        max(last_local_call_time) AS last_call,
        coalesce(array_agg(DISTINCT lead_id) FILTER (WHERE lead_id IS NOT NULL), '{}') AS linked
    FROM member GROUP BY phone_key
)
SELECT
    fresh.phone_key, fresh.line, fresh.phone, fresh.phone_key, coalesce(fresh.code, known.code), fresh.profile, known.status,
    known.leader, coalesce(known.linked, '{}'), known.list_id, known.campaign_id,
    jsonb_strip_nulls(jsonb_build_object(
        'vici_instance', known.instance, 'vici_lead_id', known.leader, 'vici_list_id', known.list_id,
        'vici_campaign', known.campaign_id, 'vici_status', known.vici_status, 'vici_called_count', known.called_count,
        'last_call_date', to_char(known.last_call, 'YYYY-MM-DD HH24:MI:SS'), 'vendor_lead_code', known.code, 'import_status', known.status
    ))
FROM fresh LEFT JOIN known USING (phone_key)
