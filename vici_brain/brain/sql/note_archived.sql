-- Calls that a proof found in the dialer's archive alone, as Brain holds them: from now on the archive's row is the call, and what is edited
-- there is followed. Until it was found equal it might have been a stale copy, which never overwrites. Over vici_call_logs_called_at.
UPDATE vici_call_logs AS held SET source_copy = 'archive'
FROM unnest(CAST(:buckets AS timestamptz[])) AS archived (bucket_start)
JOIN call_log_proofs AS proof
    ON proof.instance = :instance AND proof.source_table = :source_table AND proof.bucket_start = archived.bucket_start
WHERE held.instance = :instance AND held.source_table = :source_table AND held.source_copy = 'live' AND held.vanished_at IS NULL
  -- The window besides, or the planner reads all calls to compare each with the buckets.
  AND held.called_at >= :start AND held.called_at < :end AND date_bin('5 minutes', held.called_at, 'epoch') = archived.bucket_start
  AND proof.state = 'proven'
  AND date_part('epoch', held.called_at) = held.start_epoch
  AND abs(date_part('epoch', held.call_date - (held.called_at AT TIME ZONE :zone))) <= :tolerance
