-- Outbound calls of the thirty times 24 hours before now, by number; over vici_call_logs_called_at.
WITH number AS (
    SELECT phone_key, count(*) AS calls, count(DISTINCT vici_lead_id) AS leads
    FROM vici_call_logs
    WHERE instance = :instance AND called_at > :since AND called_at <= :now AND source_table = 'vicidial_log'
      AND phone_key IS NOT NULL AND (vanished_at IS NULL OR vanish_reason = 'expired')
    GROUP BY phone_key
)
SELECT count(*) AS numbers_called,
    coalesce(sum(calls), 0)::bigint AS calls,
    count(*) FILTER (WHERE calls > 1) AS numbers_called_again,
    count(*) FILTER (WHERE leads > 1) AS numbers_called_for_two_leads,
    coalesce((array_agg(phone_key ORDER BY calls DESC, phone_key) FILTER (WHERE leads > 1))[1:10], '{}') AS sample
FROM number
