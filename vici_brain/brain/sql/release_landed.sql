-- Rows that were set aside for want of a time and have one now: what is said of them stays, but they are in vici_call_logs.
UPDATE quarantined_call_logs AS kept SET landed = true, changed_at = CAST(:read_at AS timestamptz)
WHERE kept.instance = :instance AND kept.source_table = :source_table AND NOT kept.landed
  AND EXISTS (SELECT FROM staged_calls AS staged WHERE staged.source_key = kept.source_key AND staged.called_at IS NOT NULL)
