-- The arriving leads of a file: of several rows of one number the first stands; what the dialers have of the number comes along where it
-- is asked for (vici_lead_links_phone): their lead, their code if it is one and the file has none, and where it is.
INSERT INTO arriving_leads (ref, line, phone, phone_key, code, profile, status, leader, linked, list_id, campaign_id, meta)
SELECT DISTINCT ON (staged.phone_key)
    staged.phone_key, staged.line, staged.phone, staged.phone_key, coalesce(staged.code, known.code), staged.profile, :status,
    known.vici_lead_id, coalesce(known.linked, '{}'), known.list_id, known.campaign_id,
    jsonb_strip_nulls(jsonb_build_object(
        'vici_instance', known.instance, 'vici_lead_id', known.vici_lead_id, 'vici_list_id', known.list_id,
        'vici_campaign', known.campaign_id, 'vici_status', known.status
    ))
FROM staged_file_leads AS staged
LEFT JOIN LATERAL (
    SELECT instance, vici_lead_id, list_id, campaign_id, status,
        max(vendor_lead_code) FILTER (WHERE vendor_lead_code ~ '^[0-9]{13}$') OVER () AS code,
        array_agg(lead_id) FILTER (WHERE lead_id IS NOT NULL) OVER () AS linked
    FROM vici_lead_links
    WHERE :match_vici AND phone_key = staged.phone_key AND removed_at IS NULL AND seen_at IS NOT NULL
    ORDER BY archived_at IS NOT NULL, last_local_call_time DESC NULLS LAST, called_count DESC, vici_lead_id LIMIT 1
) AS known ON true
ORDER BY staged.phone_key, staged.line
