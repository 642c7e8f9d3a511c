-- Numbers with news whose lead Brain has already, of whatever campaign; vici_lead_links_pending_linked, stopped by the limit.
SELECT DISTINCT group_key FROM vici_lead_links
WHERE instance = :instance AND needs_merge AND lead_id IS NOT NULL AND group_key > :after AND removed_at IS NULL
  AND (CAST(:only AS bigint[]) IS NULL OR vici_lead_id = ANY(:only))
ORDER BY group_key LIMIT :limit
