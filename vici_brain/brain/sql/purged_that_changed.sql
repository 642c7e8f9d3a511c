-- Purged calls of which a placed row says something that the export does not, by primary-key look-up; nearly always none. What is left
-- out was already decided by says_something_new for calls that are held: older reads, and what an archive copy does not know.
SELECT purged.instance, purged.source_table, purged.source_key
FROM placed_calls AS placed
JOIN purged_orphan_calls AS purged USING (instance, source_table, source_key)
WHERE purged.read_at <= placed.read_at
  AND (
      purged.row_crc <> placed.row_crc
      OR purged.vanished_at IS NOT NULL
      OR (
          placed.source_copy = 'live'
          AND (
              purged.vendor_lead_code IS DISTINCT FROM coalesce(placed.vendor_lead_code, purged.vendor_lead_code)
              OR purged.outbound_cid IS DISTINCT FROM coalesce(placed.outbound_cid, purged.outbound_cid)
          )
      )
  )
