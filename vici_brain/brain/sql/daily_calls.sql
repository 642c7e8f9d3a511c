-- One dialer's calls of a day in one pass over vici_call_logs_called_at (and its twin on purged orphans): the total, and by campaign,
-- status, hour and matching rule. What a status means is looked up once for each status that a campaign used: the campaign's own row
-- before the system's, letter case as MySQL ignores it. Drops have no flag in the dialer's tables, so their statuses are given.
-- Stock dialers flag neither SALE nor DNC as customer_contact: a sale was made to somebody, and whoever answered and asked not to be
-- called again was reached too. Without them a day of nothing but sales would have no contact, and more sales than contacts.
WITH calls AS MATERIALIZED (
    SELECT upper(btrim(coalesce(campaign_id, ''))) AS campaign, upper(btrim(coalesce(status, ''))) AS status,
           extract(hour FROM called_at AT TIME ZONE :zone)::int AS hour, coalesce(matched_by, 'orphan') AS rule,
           greatest(coalesce(length_in_sec, 0), 0) AS seconds
    FROM held_call_logs
    WHERE instance = :instance AND called_at >= :start AND called_at < :end
      AND (vanished_at IS NULL OR vanish_reason = 'expired')
), used AS MATERIALIZED (
    SELECT DISTINCT campaign, status FROM calls
), meanings AS MATERIALIZED (
    SELECT used.campaign, used.status, coalesce(meant.human_answered, false) AS answered,
           coalesce(meant.customer_contact OR meant.sale OR meant.dnc AND meant.human_answered, false) AS contact,
           coalesce(meant.sale, false) AS sale,
           used.status = ANY(CAST(:drop_statuses AS text[])) AS dropped
    FROM used LEFT JOIN LATERAL (
        SELECT human_answered, customer_contact, sale, dnc FROM vici_statuses AS known
        WHERE known.instance = :instance AND upper(btrim(known.status)) = used.status
          AND upper(btrim(known.campaign_id)) IN (used.campaign, '')
        ORDER BY known.removed_at IS NOT NULL, btrim(known.campaign_id) = '' LIMIT 1
    ) AS meant ON true
)
SELECT
    CASE
        WHEN grouping(campaign) = 0 THEN 'campaign' WHEN grouping(status) = 0 THEN 'status'
        WHEN grouping(hour) = 0 THEN 'hour' WHEN grouping(rule) = 0 THEN 'rule' ELSE 'total'
    END AS dimension,
    coalesce(campaign, status, hour::text, rule, '') AS name,
    count(*) AS calls, count(*) FILTER (WHERE rule <> 'orphan') AS matched, count(*) FILTER (WHERE answered) AS answered,
    count(*) FILTER (WHERE contact) AS contacts, count(*) FILTER (WHERE sale) AS sales, count(*) FILTER (WHERE dropped) AS dropped,
    CAST(coalesce(sum(seconds), 0) AS bigint) AS seconds
FROM calls JOIN meanings USING (campaign, status)
GROUP BY GROUPING SETS ((), (campaign), (status), (hour), (rule))
