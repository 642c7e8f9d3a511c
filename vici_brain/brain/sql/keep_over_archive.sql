-- Calls that now stand only in the dialer's archive, whose copy may be as old as the first night: what was read from the live row stays.
-- Only what the dialer can show from now on is noted, its checksum, so that later proofs compare like with like.
WITH shown AS (
    UPDATE vici_call_logs AS held SET
        row_crc = placed.row_crc,
        row_flags = CASE
            WHEN held.row_crc = placed.row_crc OR 'archive_copy_stale' = ANY(held.row_flags) THEN held.row_flags
            ELSE array_append(held.row_flags, 'archive_copy_stale')
        END,
        source_copy = 'archive', read_at = placed.read_at, changed_at = placed.read_at,
        vanished_at = NULL, vanish_reason = NULL, successor_key = NULL
    FROM placed_calls AS placed
    WHERE held.instance = placed.instance AND held.source_table = placed.source_table AND held.source_key = placed.source_key
      AND placed.source_copy = 'archive' AND held.read_at <= placed.read_at
      AND (
          (held.source_copy = 'live' AND held.row_crc <> placed.row_crc)
          OR (held.vanished_at IS NOT NULL AND (held.source_copy = 'live' OR held.row_crc = placed.row_crc))
      )
    RETURNING held.called_at
), reopened AS (
    UPDATE call_log_proofs AS proof SET state = 'read'
    FROM (SELECT DISTINCT date_bin('5 minutes', called_at, 'epoch') AS bucket_start FROM shown) AS touched
    WHERE proof.instance = :instance AND proof.source_table = :source_table AND proof.bucket_start = touched.bucket_start
      AND proof.state = 'proven'
)
SELECT count(*) FROM shown
