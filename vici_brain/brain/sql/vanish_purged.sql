-- Purged calls that are gone at the dialer; they are older than anything it cleans up, so age removed them.
UPDATE purged_orphan_calls SET vanished_at = :gone_at, changed_at = :gone_at, vanish_reason = 'expired'
WHERE instance = :instance AND source_table = :source_table AND source_key = ANY(:keys) AND vanished_at IS NULL
