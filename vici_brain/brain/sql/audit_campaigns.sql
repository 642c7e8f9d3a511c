-- Leads of a dialer by campaign, as last read; vici_lead_links by instance, leads by their key.
SELECT upper(coalesce(campaign_id, '')) AS campaign,
    count(*) AS leads,
    count(DISTINCT phone_key) AS phones,
    count(*) FILTER (WHERE vendor_lead_code ~ '^[0-9]{13}$') AS with_code,
    count(*) FILTER (WHERE coalesce(vendor_lead_code, '') = '') AS without_code,
    count(*) FILTER (WHERE coalesce(vendor_lead_code, '') <> '' AND vendor_lead_code !~ '^[0-9]{13}$') AS invalid_code,
    count(*) FILTER (WHERE leads.id IS NOT NULL) AS linked,
    count(*) FILTER (WHERE leads.external_lead_id = vendor_lead_code) AS own_code,
    count(*) FILTER (WHERE kept.archived_at IS NOT NULL) AS archived,
    -- Of archived leads no code can be written, and none is needed: they are not called.
    count(*) FILTER (
        WHERE leads.id IS NOT NULL AND kept.archived_at IS NULL AND vendor_lead_code IS DISTINCT FROM leads.external_lead_id
    ) AS lacking_own_code
FROM vici_lead_links AS kept LEFT JOIN leads ON leads.id = kept.lead_id
WHERE kept.instance = :instance AND kept.removed_at IS NULL AND kept.seen_at IS NOT NULL
GROUP BY 1 ORDER BY 1
