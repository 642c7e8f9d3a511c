-- The placed rows that say something new, by primary-key look-up. A re-read in which nothing changed ends here: it writes and locks
-- nothing. Purged orphans of which a row says something new are back in vici_call_logs by now (purged_that_changed); the others stay
-- out.
INSERT INTO arriving_calls
SELECT placed.*
FROM placed_calls AS placed
LEFT JOIN vici_call_logs AS held USING (instance, source_table, source_key)
WHERE (held.source_key IS NULL AND NOT EXISTS (
        SELECT FROM purged_orphan_calls AS purged
        WHERE purged.instance = placed.instance AND purged.source_table = placed.source_table AND purged.source_key = placed.source_key
   ))
   OR (
        {{says_something_new: placed}}
   )
