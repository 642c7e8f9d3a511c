-- How one dialer's day was kept: buckets read and proven (call_log_proofs by its key), gaps that the gap sensor had read again and
-- buckets that proofs repaired (sync_logs_started), and how long calls waited for their lead (vici_call_logs_called_at).
SELECT
    ledger.read_buckets, ledger.proven_buckets, ledger.differing_buckets, syncs.*, waits.*
FROM (
    SELECT count(*) AS read_buckets, count(*) FILTER (WHERE state = 'proven') AS proven_buckets,
           count(*) FILTER (WHERE state = 'differs') AS differing_buckets
    FROM call_log_proofs
    WHERE instance = :instance AND source_table = ANY(CAST(:source_tables AS text[]))
      AND bucket_start >= :start AND bucket_start < :end
) AS ledger, (
    SELECT count(*) AS syncs, count(*) FILTER (WHERE status = 'failed') AS failed_syncs,
           count(*) FILTER (WHERE trigger = 'sensor' AND window_start IS NOT NULL AND status = 'success') AS gaps_healed,
           coalesce(sum(rows_new) FILTER (WHERE trigger = 'sensor' AND window_start IS NOT NULL AND status = 'success'), 0)::bigint
               AS calls_healed,
           coalesce(sum((details ->> 'repaired')::bigint) FILTER (WHERE jsonb_typeof(details -> 'repaired') = 'number'), 0)::bigint
               AS buckets_repaired
    FROM sync_logs WHERE instance = :instance AND started_at >= :start AND started_at < :end
) AS syncs, (
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS match_p50, percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds)
               AS match_p95, max(seconds) AS match_max
    FROM (
        SELECT greatest(extract(epoch FROM matched_at - first_seen_at), 0)::double precision AS seconds
        FROM vici_call_logs
        WHERE instance = :instance AND called_at >= :start AND called_at < :end AND matched_at IS NOT NULL
          AND (vanished_at IS NULL OR vanish_reason = 'expired')
    ) AS waited
) AS waits
