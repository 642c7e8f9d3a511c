-- Triggers that keep calls and appointments right. A call is corrected only from evidence, an appointment that exists; without any the
-- disagreement is flagged and the row left as it was written. Values are defaulted row by row, all else statement by statement. Plans
-- are kept from a time when tables may have been empty, so what must walk an index is allowed nothing else: alerts
-- are found by entity_id, and || '' hides the columns whose indexes would find thousands of them for each.
CREATE FUNCTION calls_default_direction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.direction := 'inbound';
    RETURN NEW;
END
$$;
CREATE TRIGGER calls_default_direction BEFORE INSERT ON calls
    FOR EACH ROW WHEN (NEW.direction IS NULL) EXECUTE FUNCTION calls_default_direction();

CREATE FUNCTION calls_customer_link() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.customer_id IS NULL THEN
        NEW.customer_link_status := 'unlinked';
        NEW.customer_linked_at := NULL;
        NEW.customer_link_method := NULL;
        NEW.customer_link_confidence := NULL;
    ELSIF TG_OP = 'INSERT' OR NEW.customer_id IS DISTINCT FROM OLD.customer_id THEN
        NEW.customer_link_status := 'linked';
        NEW.customer_linked_at := clock_timestamp();
        NEW.customer_link_method := coalesce(NEW.customer_link_method, 'phone_match');
        NEW.customer_link_confidence := coalesce(NEW.customer_link_confidence, 100.00);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER calls_customer_link BEFORE INSERT OR UPDATE OF customer_id ON calls
    FOR EACH ROW EXECUTE FUNCTION calls_customer_link();

CREATE FUNCTION calls_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;
CREATE TRIGGER calls_touch BEFORE UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION calls_touch();
CREATE TRIGGER appointments_touch BEFORE UPDATE ON appointments FOR EACH ROW EXECUTE FUNCTION calls_touch();

CREATE FUNCTION calls_outcome_from_evidence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM appointments WHERE call_id = NEW.id) THEN
        INSERT INTO data_consistency_alerts (alert_type, severity, entity_type, entity_id, description, metadata, detected_at,
            last_seen_at, auto_corrected, corrected_at, resolution_notes)
        VALUES ('session_outcome_mismatch', 'critical', 'call', NEW.id,
            format('call %s was written with outcome %s and appointment_made %s, but has an appointment', NEW.id,
                coalesce(NEW.session_outcome, 'none'), NEW.appointment_made),
            jsonb_build_object('session_outcome', NEW.session_outcome, 'appointment_made', NEW.appointment_made),
            now(), now(), true, clock_timestamp(), 'made to agree with the appointment that exists');
        NEW.appointment_made := true;
        NEW.session_outcome := 'appointment_booked';
        NEW.appointment_link_status := 'linked';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER calls_outcome_from_evidence BEFORE UPDATE OF session_outcome, appointment_made ON calls
    FOR EACH ROW WHEN ((NEW.session_outcome IS NOT DISTINCT FROM 'appointment_booked') <> NEW.appointment_made)
    EXECUTE FUNCTION calls_outcome_from_evidence();

CREATE FUNCTION calls_flag_disagreement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO data_consistency_alerts AS held
        (alert_type, severity, entity_type, entity_id, description, metadata, detected_at, last_seen_at)
    SELECT 'session_outcome_mismatch', 'critical', 'call', id,
        format('call %s has outcome %s and appointment_made %s, and no appointment to tell which is right', id,
            coalesce(session_outcome, 'none'), appointment_made),
        jsonb_build_object('session_outcome', session_outcome, 'appointment_made', appointment_made), now(), now()
    FROM written
    WHERE (session_outcome IS NOT DISTINCT FROM 'appointment_booked') <> appointment_made
    ORDER BY id
    ON CONFLICT (alert_type, entity_type, entity_id) WHERE corrected_at IS NULL AND entity_id IS NOT NULL
    DO UPDATE SET held_back = held.held_back + 1, last_seen_at = excluded.last_seen_at;
    RETURN NULL;
END
$$;
CREATE TRIGGER calls_flag_disagreement_inserted AFTER INSERT ON calls REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION calls_flag_disagreement();
CREATE FUNCTION close_alerts(entities bigint[], kind text, types text[], by_itself boolean, note text) RETURNS void LANGUAGE sql
    SET enable_seqscan = off AS $$
    UPDATE data_consistency_alerts SET corrected_at = clock_timestamp(), updated_at = clock_timestamp(), auto_corrected = by_itself,
        resolution_notes = note
    WHERE id = ANY(ARRAY(
        SELECT alert.id FROM unnest(entities) AS one (id) CROSS JOIN LATERAL (
            SELECT id FROM data_consistency_alerts
            WHERE entity_id = one.id AND entity_type || '' = kind AND alert_type || '' = ANY(types) AND corrected_at IS NULL
            OFFSET 0
        ) AS alert))
$$;
CREATE FUNCTION drop_premature_flags(entities bigint[]) RETURNS void LANGUAGE sql SET enable_seqscan = off AS $$
    DELETE FROM data_consistency_alerts
    WHERE id = ANY(ARRAY(
        SELECT alert.id FROM unnest(entities) AS one (id) CROSS JOIN LATERAL (
            SELECT id FROM data_consistency_alerts
            WHERE entity_id = one.id AND entity_type || '' = 'call' AND alert_type || '' = 'session_outcome_mismatch'
              AND corrected_at IS NULL AND detected_at = now() AND told_at IS NULL
            OFFSET 0
        ) AS alert))
$$;

CREATE FUNCTION calls_flag_changed_disagreement() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    right_now bigint[];
    from_evidence bigint[];
BEGIN
    SELECT array_agg(id), array_agg(id) FILTER (WHERE appointment_made) INTO right_now, from_evidence FROM written
    WHERE (session_outcome IS NOT DISTINCT FROM 'appointment_booked') = appointment_made;
    IF right_now IS NOT NULL AND EXISTS (SELECT FROM data_consistency_alerts WHERE alert_type = 'session_outcome_mismatch' AND corrected_at IS NULL) THEN
        -- Agreement again: what was flagged is over; a flag of this very transaction was premature and never was news.
        PERFORM drop_premature_flags(right_now);
        PERFORM close_alerts(coalesce(from_evidence, '{}'), 'call', ARRAY['session_outcome_mismatch'], true, 'outcome and appointment_made agree again');
        PERFORM close_alerts(right_now, 'call', ARRAY['session_outcome_mismatch'], false, 'outcome and appointment_made agree again');
    END IF;
    IF EXISTS (SELECT FROM written WHERE (session_outcome IS NOT DISTINCT FROM 'appointment_booked') <> appointment_made) THEN
        -- Planned anew for as many rows as there are: a plan made for one row would compare each of ten thousand with each.
        EXECUTE $flag$
    INSERT INTO data_consistency_alerts AS held
        (alert_type, severity, entity_type, entity_id, description, metadata, detected_at, last_seen_at)
    SELECT 'session_outcome_mismatch', 'critical', 'call', written.id,
        format('call %s has outcome %s and appointment_made %s, and no appointment to tell which is right', written.id,
            coalesce(written.session_outcome, 'none'), written.appointment_made),
        jsonb_build_object('session_outcome', written.session_outcome, 'appointment_made', written.appointment_made), now(), now()
    FROM written JOIN before ON before.id = written.id
    WHERE (written.session_outcome IS NOT DISTINCT FROM 'appointment_booked') <> written.appointment_made
      AND (written.session_outcome, written.appointment_made) IS DISTINCT FROM (before.session_outcome, before.appointment_made)
    ORDER BY written.id
    ON CONFLICT (alert_type, entity_type, entity_id) WHERE corrected_at IS NULL AND entity_id IS NOT NULL
    DO UPDATE SET held_back = held.held_back + 1, last_seen_at = excluded.last_seen_at
        $flag$;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER calls_flag_disagreement_updated AFTER UPDATE ON calls REFERENCING OLD TABLE AS before NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION calls_flag_changed_disagreement();

CREATE FUNCTION link_booked_calls(gained bigint[]) RETURNS void LANGUAGE sql
    SET enable_seqscan = off AS $$
    UPDATE calls SET appointment_made = true, session_outcome = 'appointment_booked', appointment_link_status = 'linked',
        booking_failed = false, booking_failure_reason = NULL, requires_manual_processing = false
    WHERE id = ANY(gained) AND (appointment_made, session_outcome, appointment_link_status, booking_failed)
        IS DISTINCT FROM (true, 'appointment_booked', 'linked', false);
    SELECT close_alerts(gained, 'call', ARRAY['missing_appointment', 'session_outcome_mismatch', 'inconsistent_link_status'], true,
        'an appointment of the call came')
$$;
CREATE FUNCTION unlink_booked_calls(lost bigint[], why text) RETURNS void LANGUAGE sql
    SET enable_seqscan = off AS $$
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

CREATE FUNCTION appointments_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM link_booked_calls(array_agg(DISTINCT call_id)) FROM written WHERE call_id IS NOT NULL HAVING count(*) > 0;
    RETURN NULL;
END
$$;
CREATE TRIGGER appointments_inserted AFTER INSERT ON appointments REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION appointments_inserted();

CREATE FUNCTION appointments_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM unlink_booked_calls(array_agg(DISTINCT call_id), 'deleted') FROM gone WHERE call_id IS NOT NULL HAVING count(*) > 0;
    RETURN NULL;
END
$$;
CREATE TRIGGER appointments_deleted AFTER DELETE ON appointments REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION appointments_deleted();

CREATE FUNCTION appointments_relinked() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER appointments_relinked AFTER UPDATE ON appointments REFERENCING OLD TABLE AS gone NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION appointments_relinked();
