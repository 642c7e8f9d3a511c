-- What a purge hid and is hidden still; calls that found their lead meanwhile are not. Only orphans carry hidden_at, so the orphans' own
-- index by dialer holds them all.
UPDATE vici_call_logs SET hidden_at = NULL
WHERE instance = :instance AND lead_id IS NULL AND hidden_at = :acted_at
RETURNING source_table, source_key
