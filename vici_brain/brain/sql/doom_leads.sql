-- The leads that an import created and that are still there, as they are now and locked; by the keys of both tables.
INSERT INTO doomed_leads (lead_id, state)
SELECT leads.id, to_jsonb(leads) FROM leads
JOIN lead_import_items AS item ON item.lead_id = leads.id
WHERE item.import_id = :import_id AND item.action = 'created'
FOR UPDATE OF leads
