-- Rows that were set aside for want of a time and have one now: what is said of them stays, but they are in vici_call_logs.
UPDATE quarantined_call_logs AS kept SET landed = true, changed_at = CAST(:read_at AS timestamptz)
FROM placed_calls AS placed
WHERE kept.instance = placed.instance AND kept.source_table = placed.source_table AND kept.source_key = placed.source_key
  AND NOT kept.landed
