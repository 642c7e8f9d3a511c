-- Purged calls that a lead fits, by the rules of match_calls: for each at most three look-ups in the indexes that matching uses, compared
-- in the collation of leads, without which PostgreSQL could not use them.
SELECT call.instance, call.source_table, call.source_key
FROM purged_orphan_calls AS call
WHERE call.instance = :instance
  AND (
      (call.vendor_lead_code ~ '^[0-9]{13}$' AND EXISTS (SELECT FROM leads WHERE leads.external_lead_id = call.vendor_lead_code COLLATE "default"))
      OR EXISTS (
          SELECT FROM vici_lead_links AS link JOIN leads ON leads.id = link.lead_id
          WHERE link.instance = :instance AND link.vici_lead_id = call.vici_lead_id
      )
      OR EXISTS (SELECT FROM leads WHERE normalised_phone('1', leads.phone::text) = call.phone_key COLLATE "default")
  )
