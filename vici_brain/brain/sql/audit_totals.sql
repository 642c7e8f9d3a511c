-- What concerns a dialer's leads and Brain's as a whole. A code on several leads of one number is right, on several numbers it is not.
SELECT
    (SELECT count(*) FROM (
        SELECT FROM vici_lead_links
        WHERE instance = :instance AND removed_at IS NULL AND vendor_lead_code ~ '^[0-9]{13}$'
        GROUP BY vendor_lead_code HAVING count(DISTINCT group_key) > 1
    ) AS doubled) AS codes_on_several_numbers,
    (SELECT count(*) FROM (
        SELECT FROM leads WHERE external_lead_id <> '' GROUP BY external_lead_id HAVING count(*) > 1
    ) AS doubled) AS ids_on_several_leads,
    (SELECT count(*) FROM leads) AS brain_leads,
    (SELECT count(*) FROM leads WHERE external_lead_id IS NULL OR external_lead_id !~ '^[0-9]{13}$') AS brain_leads_without_id,
    (SELECT count(*) FROM leads WHERE NOT EXISTS (
        SELECT FROM vici_lead_links AS kept WHERE kept.lead_id = leads.id AND kept.removed_at IS NULL
    )) AS brain_leads_without_link,
    -- The rule keeps these out of the dialers, for now or for good.
    (SELECT count(DISTINCT held.lead_id) FROM lead_call_restrictions AS held JOIN leads ON leads.id = held.lead_id
     WHERE (held.restriction = 'DO_NOT_CALL' OR held.callable_after > :now) AND NOT EXISTS (
        SELECT FROM vici_lead_links AS kept WHERE kept.lead_id = leads.id AND kept.removed_at IS NULL
    )) AS brain_leads_kept_out,
    (SELECT count(*) FROM vici_lead_links
     WHERE instance = :instance AND removed_at IS NULL AND origin = 'vici' AND (
        entered_at >= (SELECT brain_first_since FROM lead_intake)
        OR vici_lead_id > (SELECT brain_first_after FROM vici_lead_cursors WHERE instance = :instance)
     )) AS entered_outside_brain,
    (SELECT brain_first_since FROM lead_intake) AS brain_first_since
