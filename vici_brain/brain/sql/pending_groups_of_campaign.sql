-- Numbers with news, of one campaign, in order of the key; vici_lead_links_pending, stopped by the limit.
SELECT DISTINCT group_key FROM vici_lead_links
WHERE instance = :instance AND needs_merge AND lower(campaign_id) = :campaign AND group_key > :after AND removed_at IS NULL
  AND (CAST(:only AS bigint[]) IS NULL OR vici_lead_id = ANY(:only))
ORDER BY group_key LIMIT :limit
