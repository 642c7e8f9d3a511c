-- Takes over what a page says differently; by the key of vici_lead_links. Where a lead came from is decided once, at first sight: with
-- the code of a lead of Brain (leads_external_lead_id_lookup) it came from Brain.
WITH written AS (
    INSERT INTO vici_lead_links AS kept (
        instance, vici_lead_id, list_id, campaign_id, status, vendor_lead_code, phone_code, phone_number, phone_key, called_count,
        last_local_call_time, entered_at, profile, archived_at, origin, seen_at, needs_merge
    )
    SELECT
        :instance, vici_lead_id, list_id, campaign_id, status, vendor_lead_code, phone_code, phone_number, phone_key, called_count,
        last_local_call_time, entry_date AT TIME ZONE :zone, profile, CASE WHEN archived THEN CAST(:at AS timestamptz) END,
        CASE WHEN (SELECT id FROM leads WHERE leads.external_lead_id = staged.vendor_lead_code LIMIT 1) IS NULL THEN 'vici' ELSE 'brain' END,
        :at, true
    FROM staged_vici_leads AS staged ORDER BY vici_lead_id
    ON CONFLICT (instance, vici_lead_id) DO UPDATE SET
        list_id = excluded.list_id, campaign_id = excluded.campaign_id, status = excluded.status,
        vendor_lead_code = excluded.vendor_lead_code, phone_code = excluded.phone_code, phone_number = excluded.phone_number,
        phone_key = excluded.phone_key, called_count = excluded.called_count, last_local_call_time = excluded.last_local_call_time,
        entered_at = excluded.entered_at, profile = excluded.profile,
        archived_at = CASE WHEN excluded.archived_at IS NOT NULL THEN coalesce(kept.archived_at, excluded.archived_at) END,
        origin = coalesce(kept.origin, excluded.origin), seen_at = excluded.seen_at, removed_at = NULL, needs_merge = true
    WHERE (kept.list_id, kept.campaign_id, kept.status, kept.vendor_lead_code, kept.phone_code, kept.phone_number, kept.called_count,
           kept.last_local_call_time, kept.entered_at, kept.profile, kept.archived_at IS NULL, kept.removed_at IS NULL,
           kept.seen_at IS NULL)
        IS DISTINCT FROM
          (excluded.list_id, excluded.campaign_id, excluded.status, excluded.vendor_lead_code, excluded.phone_code,
           excluded.phone_number, excluded.called_count, excluded.last_local_call_time, excluded.entered_at, excluded.profile,
           excluded.archived_at IS NULL, true, false)
    RETURNING xmax = 0 AS added
)
SELECT count(*) FILTER (WHERE added) AS added, count(*) FILTER (WHERE NOT added) AS changed FROM written
