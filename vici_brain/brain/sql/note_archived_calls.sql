-- As note_archived, for calls of buckets that the dialer still has live ones of too: those whose archive row is, by its checksum, what Brain
-- holds. An archive row that says something else may be a stale copy of a call that left the live table a moment ago. By primary key.
UPDATE vici_call_logs AS held SET source_copy = 'archive'
FROM unnest(CAST(:keys AS text[]), CAST(:crcs AS bigint[])) AS archived (source_key, row_crc)
WHERE held.instance = :instance AND held.source_table = :source_table AND held.source_key = archived.source_key
  AND held.source_copy = 'live' AND held.vanished_at IS NULL AND held.row_crc = archived.row_crc
