-- Days of a zone whose report is missing, or was made before something of the day changed: a late disposition, a vanished twin, an
-- orphan's lead, a proof. Reports are few; each looks at its day by vici_call_logs_called_at and the ledger's key. Reports carry the
-- clock of who made them, calls that of Brain: five minutes for the two to differ.
SELECT wanted.day
FROM (
    SELECT CAST(generate_series(CAST(:first AS timestamp), CAST(:last AS timestamp), interval '1 day') AS date) AS day
) AS wanted
CROSS JOIN unnest(CAST(:instances AS text[])) AS dialers (instance)
LEFT JOIN daily_call_reports AS made
    ON made.day = wanted.day AND made.time_zone = :zone AND made.instance = dialers.instance
GROUP BY wanted.day
HAVING bool_or(
    made.day IS NULL
    OR EXISTS (
        SELECT FROM vici_call_logs AS calls
        WHERE calls.instance = made.instance AND calls.called_at >= made.starts_at AND calls.called_at < made.ends_at
          AND greatest(calls.changed_at, calls.matched_at, calls.vanished_at) > made.computed_at - interval '5 minutes'
    )
    OR NOT made.is_proven AND EXISTS (
        SELECT FROM call_log_proofs AS proofs
        WHERE proofs.instance = made.instance AND proofs.bucket_start >= made.starts_at AND proofs.bucket_start < made.ends_at
          AND proofs.proven_at > made.computed_at
    )
)
ORDER BY wanted.day
