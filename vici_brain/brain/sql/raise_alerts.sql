-- One open alert for each matter. A matter that is open already, or of which people were told within the throttle, is only counted;
-- one that was not written anew since it was last seen is no sighting at all, for a sweep looks a few minutes back.
-- Open ones are found over data_consistency_alerts_open_entity, told ones over data_consistency_alerts_told.
INSERT INTO data_consistency_alerts AS held
    (alert_type, severity, entity_type, entity_id, description, metadata, detected_at, last_seen_at, seen_change, held_back)
SELECT matter.alert_type, CAST(:severity AS text), matter.entity_type, found.id,
    format('%s %s %s', matter.entity_type, found.id, CAST(:says AS text)), '{}', CAST(:at AS timestamptz), CAST(:at AS timestamptz),
    found.changed,
    CASE WHEN EXISTS (SELECT FROM data_consistency_alerts AS told WHERE told.entity_id = found.id AND told.alert_type || '' = matter.alert_type
        AND told.entity_type || '' = matter.entity_type AND told.told_at > CAST(:throttled AS timestamptz)) THEN 1 ELSE 0 END
FROM (SELECT CAST(:alert_type AS varchar) AS alert_type, CAST(:entity_type AS varchar) AS entity_type) AS matter,
    unnest(CAST(:ids AS bigint[]), CAST(:changed AS timestamptz[])) AS found (id, changed)
ORDER BY found.id
ON CONFLICT (alert_type, entity_type, entity_id) WHERE corrected_at IS NULL AND entity_id IS NOT NULL
DO UPDATE SET last_seen_at = excluded.last_seen_at, updated_at = excluded.last_seen_at, severity = excluded.severity,
    seen_change = coalesce(excluded.seen_change, held.seen_change),
    held_back = held.held_back + CASE WHEN held.told_at > CAST(:throttled AS timestamptz)
        AND (excluded.seen_change IS NULL OR held.seen_change IS DISTINCT FROM excluded.seen_change) THEN 1 ELSE 0 END
RETURNING held.id, held.entity_id, held.held_back, xmax = 0 AS added,
    CASE WHEN held.told_at IS NULL THEN xmax <> 0 OR held.held_back = 0
         ELSE held.told_at <= CAST(:throttled AS timestamptz) AND (held.held_back > 0 OR held.seen_change IS DISTINCT FROM
            (SELECT before.seen_change FROM data_consistency_alerts AS before WHERE before.id = held.id)) END AS is_due
