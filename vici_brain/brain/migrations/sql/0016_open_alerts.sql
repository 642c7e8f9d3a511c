-- The open alerts of calls or appointments, at the same price whatever the planner believes. Statistics of a day without open alerts
-- sent it through all that are open (data_consistency_alerts_open needs no key and promised next to nothing), fresh ones through all
-- that this very transaction made (detected_at), for each entity. Where nothing may be sorted, this order comes from
-- data_consistency_alerts_open_entity alone. One plan serves all: made for the entities at hand, it would be made again each time.
CREATE FUNCTION open_alerts(entities bigint[], kind text, types text[]) RETURNS bigint[] LANGUAGE plpgsql STABLE
    SET enable_seqscan = off SET enable_sort = off SET enable_incremental_sort = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN ARRAY(
        SELECT alert.id FROM unnest(entities) AS one (id) CROSS JOIN LATERAL (
            SELECT id FROM data_consistency_alerts
            WHERE entity_id = one.id AND entity_type || '' = kind AND alert_type || '' = ANY(types) AND corrected_at IS NULL
            ORDER BY alert_type, entity_type OFFSET 0
        ) AS alert);
END
$$;

CREATE OR REPLACE FUNCTION close_alerts(entities bigint[], kind text, types text[], by_itself boolean, note text) RETURNS void
    LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    UPDATE data_consistency_alerts SET corrected_at = clock_timestamp(), updated_at = clock_timestamp(), auto_corrected = by_itself,
        resolution_notes = note
    WHERE id = ANY(CAST((SELECT open_alerts(entities, kind, types)) AS bigint[]));
END
$$;

CREATE OR REPLACE FUNCTION drop_premature_flags(entities bigint[]) RETURNS void
    LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    DELETE FROM data_consistency_alerts
    WHERE id = ANY(ARRAY(
        SELECT flag.id FROM (
            SELECT id, detected_at, told_at FROM data_consistency_alerts
            WHERE id = ANY(CAST((SELECT open_alerts(entities, 'call', ARRAY['session_outcome_mismatch'])) AS bigint[]))
            OFFSET 0
        ) AS flag
        WHERE flag.detected_at = now() AND flag.told_at IS NULL));
END
$$;

CREATE OR REPLACE FUNCTION calls_flag_changed_disagreement() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    right_now bigint[];
    from_evidence bigint[];
BEGIN
    SELECT array_agg(id), array_agg(id) FILTER (WHERE appointment_made) INTO right_now, from_evidence FROM written
    WHERE (session_outcome IS NOT DISTINCT FROM 'appointment_booked') = appointment_made;
    -- Mostly nothing is flagged, and one look at data_consistency_alerts_open is all that a write pays.
    IF right_now IS NOT NULL AND EXISTS (SELECT FROM data_consistency_alerts WHERE alert_type = 'session_outcome_mismatch' AND corrected_at IS NULL) THEN
        IF open_alerts(right_now, 'call', ARRAY['session_outcome_mismatch']) <> '{}' THEN
            -- Agreement again: what was flagged is over; a flag of this very transaction was premature and never was news.
            PERFORM drop_premature_flags(right_now);
            PERFORM close_alerts(coalesce(from_evidence, '{}'), 'call', ARRAY['session_outcome_mismatch'], true, 'outcome and appointment_made agree again');
            PERFORM close_alerts(right_now, 'call', ARRAY['session_outcome_mismatch'], false, 'outcome and appointment_made agree again');
        END IF;
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
