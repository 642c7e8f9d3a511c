-- Brings calls into step with vici_call_logs: new rows for calls with a lead, changes over rows that came this way, nothing over rows
-- of other systems. What an appointment or a failed booking says of a call stays. The outcome is that of the status flags, the
-- campaign's own row before the system's. The changed rows come over the key (from the start) or the two BRIN indexes (since).
WITH changed AS MATERIALIZED (
    SELECT * FROM vici_call_logs
    WHERE (instance, source_table, source_key) > (:after_instance, :after_table, :after_key)
    ORDER BY instance, source_table, source_key
    LIMIT :limit
), fed AS (
    INSERT INTO calls AS held (source, instance, source_table, source_key, phone_number, direction, called_at, duration_seconds, status,
        session_outcome, customer_id, customer_link_method, customer_link_confidence, vanished_at)
    SELECT 'vici', changed.instance, changed.source_table, changed.source_key, changed.phone_number,
        CASE changed.source_table WHEN 'vicidial_log' THEN 'outbound' ELSE 'inbound' END, changed.called_at, changed.length_in_sec,
        changed.status,
        CASE WHEN changed.status IS NULL OR changed.status = ANY(:transient) OR meaning.status IS NULL THEN NULL
             WHEN meaning.dnc THEN 'do_not_call'
             WHEN meaning.sale THEN 'sale'
             WHEN meaning.scheduled_callback THEN 'callback_requested'
             WHEN meaning.not_interested THEN 'not_interested'
             WHEN meaning.answering_machine THEN 'voicemail'
             WHEN meaning.unworkable THEN 'unworkable'
             WHEN meaning.human_answered OR meaning.customer_contact THEN 'answered'
             ELSE 'no_answer' END,
        changed.lead_id, changed.matched_by, round(100.0 / greatest(changed.match_candidates, 1), 2),
        CASE WHEN changed.vanish_reason IS DISTINCT FROM 'expired' THEN changed.vanished_at END
    FROM changed
    LEFT JOIN LATERAL (
        SELECT * FROM vici_statuses AS known
        WHERE known.instance = changed.instance AND known.status = changed.status AND known.campaign_id IN (changed.campaign_id, '')
        ORDER BY known.campaign_id = '', known.removed_at IS NOT NULL LIMIT 1
    ) AS meaning ON true
    WHERE (changed.lead_id IS NOT NULL AND (changed.vanished_at IS NULL OR changed.vanish_reason = 'expired'))
       OR EXISTS (SELECT FROM calls AS known WHERE (known.instance, known.source_table, known.source_key)
            = (changed.instance, changed.source_table, changed.source_key))
    ORDER BY 2, 3, 4
    ON CONFLICT (instance, source_table, source_key) DO UPDATE SET
        phone_number = excluded.phone_number, direction = excluded.direction, called_at = excluded.called_at,
        duration_seconds = excluded.duration_seconds, status = excluded.status,
        session_outcome = CASE WHEN held.appointment_made OR held.booking_failed OR held.session_outcome = 'appointment_removed'
            OR held.session_outcome = 'appointment_booked' THEN held.session_outcome ELSE excluded.session_outcome END,
        customer_id = excluded.customer_id, customer_link_method = excluded.customer_link_method,
        customer_link_confidence = excluded.customer_link_confidence, vanished_at = excluded.vanished_at
    WHERE held.source = 'vici' AND (
        (held.phone_number, held.direction, held.called_at, held.duration_seconds, held.status, held.customer_id, held.vanished_at)
            IS DISTINCT FROM (excluded.phone_number, excluded.direction, excluded.called_at, excluded.duration_seconds, excluded.status,
                excluded.customer_id, excluded.vanished_at)
        OR (held.session_outcome IS DISTINCT FROM excluded.session_outcome AND NOT held.appointment_made AND NOT held.booking_failed
            AND held.session_outcome IS DISTINCT FROM 'appointment_removed'
            AND held.session_outcome IS DISTINCT FROM 'appointment_booked'))
    RETURNING xmax = 0 AS added
)
SELECT (SELECT count(*) FROM changed) AS examined, (SELECT count(*) FROM fed WHERE added) AS added,
    (SELECT count(*) FROM fed WHERE NOT added) AS updated, last.instance, last.source_table, last.source_key
FROM (SELECT 1) AS always
LEFT JOIN (SELECT instance, source_table, source_key FROM changed
    ORDER BY instance DESC, source_table DESC, source_key DESC LIMIT 1) AS last ON true
