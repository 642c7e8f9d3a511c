-- How busy a dialer was in given hours: calls by campaign, each hour one range of vici_call_logs_called_at (and of its twin on purged
-- orphans); how many of its five-minute buckets were read, and the calls of its whole day, from the ledger by its key. Counting the
-- days' own rows would read a week of calls every quarter of an hour.
SELECT
    slot.number,
    (
        SELECT jsonb_object_agg(campaign, calls) FROM (
            SELECT coalesce(call.campaign_id, '') AS campaign, count(*) AS calls
            FROM held_call_logs AS call
            WHERE call.instance = :instance AND call.called_at >= slot.hour_start AND call.called_at < slot.hour_end
              AND (call.vanished_at IS NULL OR call.vanish_reason = 'expired')
            GROUP BY 1
        ) AS campaigns
    ) AS by_campaign,
    (
        SELECT count(*) FROM call_log_proofs AS ledger
        WHERE ledger.instance = :instance AND ledger.source_table = ANY(CAST(:source_tables AS text[]))
          AND ledger.bucket_start >= slot.hour_start AND ledger.bucket_start < slot.hour_end
    ) AS buckets_read,
    (
        SELECT coalesce(sum(ledger.source_count), 0) FROM call_log_proofs AS ledger
        WHERE ledger.instance = :instance AND ledger.source_table = ANY(CAST(:source_tables AS text[]))
          AND ledger.bucket_start >= slot.day_start AND ledger.bucket_start < slot.day_end
    ) AS day_calls
FROM unnest(
    CAST(:hour_starts AS timestamptz[]), CAST(:hour_ends AS timestamptz[]), CAST(:day_starts AS timestamptz[]),
    CAST(:day_ends AS timestamptz[])
) WITH ORDINALITY AS slot (hour_start, hour_end, day_start, day_end, number)
ORDER BY slot.number
