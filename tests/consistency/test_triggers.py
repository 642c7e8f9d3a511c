"""Each trigger by itself, on one row and on ten thousand."""

import pytest
from builders import ask, one
from crm import AS_BOOKED, BOOKED, alerts, appointment, call, count, flags, write
from sqlalchemy import Engine

from vici_brain.brain.triggers import EXPECTED, absent_triggers


def test_a_call_without_a_direction_is_inbound_and_a_given_one_stays(brain: Engine) -> None:  # F143
    without, given = call(brain), call(brain, direction="outbound")
    assert ask(brain, "SELECT id, direction FROM calls ORDER BY id") == [(without, "inbound"), (given, "outbound")]


def test_a_customer_that_is_set_links_the_call_with_defaults_and_one_taken_away_unlinks_it(brain: Engine) -> None:  # F144
    question = (
        "SELECT customer_link_status, customer_link_method, customer_link_confidence, customer_linked_at IS NOT NULL FROM calls"
    )
    made = call(brain)
    assert ask(brain, question) == [("unlinked", None, None, False)]
    write(brain, "UPDATE calls SET customer_id = 7 WHERE id = :id", id=made)
    assert [(*row[:2], float(row[2]), row[3]) for row in ask(brain, question)] == [("linked", "phone_match", 100.0, True)]
    write(brain, "UPDATE calls SET customer_id = 8, customer_link_method = 'manual', customer_link_confidence = 60")
    assert [(*row[:2], float(row[2]), row[3]) for row in ask(brain, question)] == [("linked", "manual", 60.0, True)]
    before = one(brain, "SELECT customer_linked_at FROM calls")
    write(brain, "UPDATE calls SET customer_id = 8")
    assert one(brain, "SELECT customer_linked_at FROM calls") == before
    write(brain, "UPDATE calls SET customer_id = NULL")
    assert ask(brain, question) == [("unlinked", None, None, False)]


@pytest.mark.parametrize(
    ("outcome", "made"), [("appointment_booked", False), ("no_answer", True), (None, True)], ids=["phantom", "other", "none"]
)
def test_a_disagreement_without_evidence_is_flagged_and_left_as_it_was_written(
    brain: Engine, outcome: str | None, made: bool
) -> None:  # F145
    written = call(brain, session_outcome=outcome, appointment_made=made)
    assert flags(brain, written)[:2] == (made, outcome)
    assert alerts(brain) == [("session_outcome_mismatch", written, False, False)]


@pytest.mark.parametrize(
    "change", ["appointment_made = false", "session_outcome = 'no_answer'", "session_outcome = NULL, appointment_made = true"]
)
def test_a_disagreement_with_an_appointment_is_put_right_and_told(brain: Engine, change: str) -> None:  # F145
    booked = call(brain)
    appointment(brain, booked)
    write(brain, f"UPDATE calls SET {change} WHERE id = :id", id=booked)
    assert flags(brain, booked) == AS_BOOKED
    assert alerts(brain) == [("session_outcome_mismatch", booked, True, True)]


def test_an_appointment_makes_its_call_right_and_closes_what_was_open(brain: Engine) -> None:  # F146
    booked = call(brain, session_outcome="appointment_booked")
    appointment(brain, booked)
    assert flags(brain, booked) == AS_BOOKED
    assert [row[2:] for row in alerts(brain)] == [(True, True)]


def test_flags_and_appointment_written_in_one_transaction_are_no_news(brain: Engine) -> None:
    from sqlalchemy import text  # noqa: PLC0415 - two statements of one transaction

    with brain.begin() as connection:
        made = connection.execute(text("INSERT INTO calls (appointment_made) VALUES (true) RETURNING id")).scalar_one()
        connection.execute(text("INSERT INTO appointments (call_id) VALUES (:id)"), {"id": made})
    assert flags(brain, made) == AS_BOOKED
    assert alerts(brain) == []


def test_the_last_appointment_that_goes_takes_the_flags_with_it_and_any_other_does_not(brain: Engine) -> None:  # F146
    booked = call(brain)
    first, second = appointment(brain, booked), appointment(brain, booked)
    write(brain, "DELETE FROM appointments WHERE id = :id", id=first)
    assert flags(brain, booked) == AS_BOOKED
    write(brain, "DELETE FROM appointments WHERE id = :id", id=second)
    assert flags(brain, booked) == (False, "appointment_removed", "unlinked")
    assert alerts(brain) == [("appointment_removed", booked, True, True)]


def test_an_appointment_that_moves_takes_the_flags_from_one_call_to_the_other(brain: Engine) -> None:
    old, new = call(brain), call(brain)
    moved = appointment(brain, old)
    write(brain, "UPDATE appointments SET call_id = :new WHERE id = :id", new=new, id=moved)
    assert flags(brain, old) == (False, "appointment_removed", "unlinked")
    assert flags(brain, new) == AS_BOOKED


def test_a_call_that_is_deleted_leaves_its_appointment_and_takes_its_review(brain: Engine) -> None:
    booked = call(brain)
    appointment(brain, booked)
    insert = "INSERT INTO manual_review_queue (call_id, reason, entity_type, entity_key) VALUES (:id, 'x', 'call', '1')"
    write(brain, insert, id=booked)
    write(brain, "DELETE FROM calls")
    assert ask(brain, "SELECT call_id FROM appointments") == [(None,)]
    assert count(brain, "manual_review_queue") == 0


def test_ten_thousand_mismatches_at_once_are_ten_thousand_flags_and_as_many_appointments_close_them(brain: Engine) -> None:
    write(brain, "INSERT INTO calls (session_outcome) SELECT 'appointment_booked' FROM generate_series(1, 10000)")
    assert count(brain, "data_consistency_alerts", "corrected_at IS NULL") == 10_000
    write(brain, "INSERT INTO appointments (call_id) SELECT id FROM calls")
    assert count(brain, "data_consistency_alerts", "corrected_at IS NULL") == 0
    assert count(brain, "calls", "appointment_made AND appointment_link_status = 'linked'") == 10_000
    write(brain, "DELETE FROM appointments")
    assert count(brain, "calls", "appointment_made") == 0


def test_every_trigger_shows_in_the_information_schema(brain: Engine) -> None:  # F147
    question = "SELECT DISTINCT event_object_table, trigger_name FROM information_schema.triggers"
    assert set(ask(brain, question)) >= EXPECTED
    assert absent_triggers(brain) == []


def test_a_trigger_that_was_dropped_or_switched_off_is_reported(brain: Engine) -> None:  # F147
    write(brain, "DROP TRIGGER calls_touch ON calls")
    write(brain, "ALTER TABLE appointments DISABLE TRIGGER appointments_deleted")
    assert absent_triggers(brain) == ["appointments.appointments_deleted", "calls.calls_touch"]


def test_a_mismatch_that_is_written_again_is_one_alert(brain: Engine) -> None:
    written = call(brain, **(BOOKED | {"appointment_made": False}))
    write(brain, "UPDATE calls SET session_outcome = NULL WHERE id = :id", id=written)
    write(brain, "UPDATE calls SET session_outcome = 'appointment_booked' WHERE id = :id", id=written)
    write(brain, "UPDATE calls SET phone_number = '1' WHERE id = :id", id=written)
    assert [row[3] for row in alerts(brain)] == [True, False]
