-- Triggers that hold when two writers meet and when the writer owns nothing, and bookings that a call can name before its appointment.
-- Who changes the appointments of a call holds the call until its transaction ends, in the order of ids, and only then looks at what is
-- left of them: two who delete its last two appointments at once would each see the other's, and neither would take the flags back.
CREATE FUNCTION lock_calls(ids bigint[]) RETURNS void LANGUAGE sql SET enable_seqscan = off AS $$
    SELECT count(*) FROM (SELECT FROM calls WHERE id = ANY(ids) ORDER BY id FOR NO KEY UPDATE) AS held
$$;

CREATE OR REPLACE FUNCTION link_booked_calls(gained bigint[]) RETURNS void LANGUAGE sql SET enable_seqscan = off AS $$
    SELECT lock_calls(gained);
    UPDATE calls SET appointment_made = true, session_outcome = 'appointment_booked', appointment_link_status = 'linked',
        booking_failed = false, booking_failure_reason = NULL, requires_manual_processing = false
    WHERE id = ANY(gained) AND (appointment_made, session_outcome, appointment_link_status, booking_failed)
        IS DISTINCT FROM (true, 'appointment_booked', 'linked', false);
    SELECT close_alerts(gained, 'call', ARRAY['missing_appointment', 'session_outcome_mismatch', 'inconsistent_link_status'], true,
        'an appointment of the call came')
$$;

CREATE OR REPLACE FUNCTION unlink_booked_calls(lost bigint[], why text) RETURNS void LANGUAGE sql SET enable_seqscan = off AS $$
    SELECT lock_calls(lost);
    WITH bare AS (
        UPDATE calls SET appointment_made = false, appointment_link_status = 'unlinked',
            session_outcome = CASE WHEN session_outcome = 'appointment_booked' THEN 'appointment_removed' ELSE session_outcome END
        WHERE id = ANY(lost) AND (appointment_made OR appointment_link_status = 'linked')
          AND (SELECT count(*) FROM (SELECT FROM appointments WHERE call_id = calls.id LIMIT 1) AS other) = 0
        RETURNING calls.id
    )
    INSERT INTO data_consistency_alerts (alert_type, severity, entity_type, entity_id, description, detected_at, last_seen_at,
        auto_corrected, corrected_at, resolution_notes)
    SELECT 'appointment_removed', 'info', 'call', id, format('the only appointment of call %s was %s', id, why), now(), now(), true,
        clock_timestamp(), 'the call counts as without an appointment'
    FROM bare
$$;

CREATE OR REPLACE FUNCTION appointments_relinked() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lost bigint[];
    gained bigint[];
    found_call bigint[];
BEGIN
    -- Planned anew for as many rows as there are.
    EXECUTE $moved$
        SELECT array_agg(DISTINCT gone.call_id) FILTER (WHERE gone.call_id IS NOT NULL),
            array_agg(DISTINCT written.call_id) FILTER (WHERE written.call_id IS NOT NULL),
            array_agg(written.id) FILTER (WHERE gone.call_id IS NULL)
        FROM gone JOIN written USING (id) WHERE gone.call_id IS DISTINCT FROM written.call_id
    $moved$ INTO lost, gained, found_call;
    -- Both at once: appointments that change places would otherwise be held crosswise.
    PERFORM lock_calls(lost || gained);
    IF lost IS NOT NULL THEN
        PERFORM unlink_booked_calls(lost, 'moved to another call');
    END IF;
    IF gained IS NOT NULL THEN
        PERFORM link_booked_calls(gained);
    END IF;
    IF found_call IS NOT NULL THEN
        PERFORM close_alerts(found_call, 'appointment', ARRAY['orphaned_appointment'], true, 'linked to a call');
    END IF;
    RETURN NULL;
END
$$;

-- A call that denies its appointment in outcome and flag alike agrees with itself and not with the evidence.
DROP TRIGGER calls_outcome_from_evidence ON calls;
CREATE TRIGGER calls_outcome_from_evidence BEFORE UPDATE OF session_outcome, appointment_made ON calls
    FOR EACH ROW WHEN ((NEW.session_outcome IS NOT DISTINCT FROM 'appointment_booked') <> NEW.appointment_made
        OR (OLD.appointment_made AND NOT NEW.appointment_made))
    EXECUTE FUNCTION calls_outcome_from_evidence();
ALTER FUNCTION calls_outcome_from_evidence() SET enable_seqscan = off;

-- A system that may write calls and appointments needs no right to the alerts, and no table of its own is taken for ours.
DO $$
DECLARE
    each text;
BEGIN
    FOREACH each IN ARRAY ARRAY['calls_outcome_from_evidence', 'calls_flag_disagreement', 'calls_flag_changed_disagreement',
        'appointments_inserted', 'appointments_deleted', 'appointments_relinked'] LOOP
        EXECUTE format('ALTER FUNCTION %I() SECURITY DEFINER SET search_path = %I, pg_temp', each, current_schema());
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %I() FROM PUBLIC', each);
    END LOOP;
END
$$;

CREATE FUNCTION manual_review_queue_entity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.entity_type := coalesce(NEW.entity_type, 'call');
    NEW.entity_key := coalesce(NEW.entity_key, CAST(NEW.call_id AS text), NEW.retell_call_id, '');
    RETURN NEW;
END
$$;
CREATE TRIGGER manual_review_queue_entity BEFORE INSERT ON manual_review_queue
    FOR EACH ROW WHEN (NEW.entity_type IS NULL OR NEW.entity_key IS NULL) EXECUTE FUNCTION manual_review_queue_entity();

ALTER TABLE calls ADD COLUMN external_booking_id varchar(255);
COMMENT ON COLUMN calls.external_booking_id IS 'the booking at the calendar, as the system that booked knows it; its appointment is linked by it';
CREATE INDEX calls_external_booking ON calls (external_booking_id) WHERE external_booking_id IS NOT NULL;
CREATE INDEX appointments_retell_call ON appointments (retell_call_id) WHERE retell_call_id IS NOT NULL;

-- Calls of a status that no table of the dialer explained when they were fed: looked at again, for it may explain it now.
CREATE INDEX calls_unexplained ON calls (instance, status)
    WHERE source = 'vici' AND session_outcome IS NULL AND status IS NOT NULL AND NOT appointment_made AND NOT booking_failed;
