-- Outbound calls of the thirty times 24 hours before now to the numbers that a dialer called, by whichever dialer: who is called does not
-- care from where. Over vici_call_logs_called_at, one walk for each dialer.
WITH number AS (
    SELECT call.phone_key, count(*) AS calls, count(DISTINCT (dialer.instance, call.vici_lead_id)) AS leads
    FROM (SELECT instance FROM vici_lead_cursors UNION SELECT CAST(:instance AS text)) AS dialer CROSS JOIN LATERAL (
        SELECT phone_key, vici_lead_id FROM vici_call_logs
        WHERE vici_call_logs.instance = dialer.instance AND called_at > :since AND called_at <= :now AND source_table = 'vicidial_log'
          AND phone_key IS NOT NULL AND (vanished_at IS NULL OR vanish_reason = 'expired') OFFSET 0
    ) AS call
    GROUP BY call.phone_key HAVING bool_or(dialer.instance = :instance)
)
SELECT count(*) AS numbers_called,
    coalesce(sum(calls), 0)::bigint AS calls,
    count(*) FILTER (WHERE calls > 1) AS numbers_called_again,
    count(*) FILTER (WHERE leads > 1) AS numbers_called_for_two_leads,
    coalesce((array_agg(phone_key ORDER BY calls DESC, phone_key) FILTER (WHERE leads > 1))[1:10], '{}') AS sample
FROM number
