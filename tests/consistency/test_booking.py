"""Booking as other systems do it: five checks at their boundaries, rollback, retries, and the breaker around it."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from builders import NOON, ask, one
from crm import AS_BOOKED, BOOKED, alerts, appointment, call, count, flags, untriggered, write
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from vici_brain.brain.breakers import Breaker
from vici_brain.brain.database import brain_now
from vici_brain.domain.appointments import AS_BOOKED as FLAGS
from vici_brain.domain.appointments import Appointment, CallFlags, fault_of
from vici_brain.domain.breaker import OPEN, BreakerPolicy
from vici_brain.errors import CircuitOpenError, ConfigurationError, RetriableError
from vici_brain.flows.book_appointment import (
    Booked,
    BookingFailedError,
    Rollback,
    book_appointment,
    retry_with_backoff,
    roll_back,
    validate_appointment_creation,
    wait_before,
)
from vici_brain.settings import PROJECT, load_settings

OLDEST = timedelta(seconds=300)
NOT_BOOKED = CallFlags(appointment_made=False, session_outcome=None, appointment_link_status="unlinked")


@pytest.mark.parametrize(
    ("made", "flags_", "booking", "reason"),
    [
        (None, NOT_BOOKED, "b", "appointment_not_found"),
        (Appointment(1, None, "x", NOON - 2 * OLDEST), NOT_BOOKED, "b", "appointment_not_linked"),
        (Appointment(1, 8, "x", NOON - 2 * OLDEST), NOT_BOOKED, "b", "appointment_wrong_call"),
        (Appointment(1, 7, "x", NOON - 2 * OLDEST), NOT_BOOKED, "b", "calcom_booking_id_mismatch"),
        (Appointment(1, 7, "b", NOON - OLDEST - timedelta(microseconds=1)), NOT_BOOKED, "b", "appointment_too_old"),
        (Appointment(1, 7, "b", NOON - OLDEST), NOT_BOOKED, "b", "call_flags_inconsistent"),
        (Appointment(1, 7, "b", NOON - OLDEST), FLAGS, "b", None),
        (Appointment(1, 7, "x", NOON), FLAGS, None, None),
    ],
)
def test_the_first_of_the_five_checks_that_fails_names_the_reason(
    made: Appointment | None, flags_: CallFlags, booking: str | None, reason: str | None
) -> None:  # F124, F149
    assert fault_of(made, 7, flags_, NOON, booking_id=booking, oldest=OLDEST) == reason


def test_an_appointment_that_is_right_passes_and_the_time_it_took_is_kept(brain: Engine) -> None:  # F139
    booked = call(brain)
    made = appointment(brain, booked, external_booking_id="b")
    done = validate_appointment_creation(brain, booked, brain_now(brain), booking_id="b")
    assert (done.passed, done.appointment_id) == (True, made)
    assert ask(brain, "SELECT call_id, reason, milliseconds > 0 FROM appointment_validations") == [(booked, None, True)]
    with pytest.raises(LookupError, match="no call 999"):
        validate_appointment_creation(brain, 999, NOON)


def test_an_appointment_that_is_named_but_another_calls_is_the_wrong_calls(brain: Engine) -> None:
    mine, other = call(brain), call(brain)
    theirs = appointment(brain, other)
    assert validate_appointment_creation(brain, mine, brain_now(brain), appointment_id=theirs).reason == "appointment_wrong_call"


def test_a_rollback_takes_the_flags_back_with_alert_and_review(brain: Engine) -> None:  # F125
    claimed = call(brain, **BOOKED)
    done = roll_back(brain, claimed, "appointment_not_found", brain_now(brain))
    assert (done.rolled_back, flags(brain, claimed)) == (True, (False, "creation_failed", "creation_failed"))
    question = "SELECT booking_failed, booking_failure_reason, requires_manual_processing FROM calls"
    assert ask(brain, question) == [(True, "appointment_not_found", True)]
    assert [row[0] for row in alerts(brain)] == ["appointment_validation_failed"]
    assert one(brain, "SELECT severity FROM data_consistency_alerts") == "critical"
    assert ask(brain, "SELECT reason, priority FROM manual_review_queue") == [("appointment_validation_failed", 1)]


def test_a_booking_that_exists_is_never_rolled_back(brain: Engine) -> None:
    booked = call(brain)
    appointment(brain, booked, external_booking_id="b")
    done = roll_back(brain, booked, "appointment_too_old", brain_now(brain))
    assert (done.rolled_back, done.booking_id, flags(brain, booked)) == (False, "b", AS_BOOKED)
    assert one(brain, "SELECT context ->> 'external_booking_id' FROM manual_review_queue") == "b"


def test_a_rollback_that_fails_half_way_changes_nothing(brain: Engine) -> None:
    claimed = call(brain, **BOOKED)
    write(brain, "ALTER TABLE manual_review_queue ADD CHECK (priority > 1)")
    with pytest.raises(Exception, match="violates check"):
        roll_back(brain, claimed, "appointment_not_found", brain_now(brain))
    assert flags(brain, claimed) == AS_BOOKED
    assert alerts(brain) == []


def test_three_tries_with_one_and_two_seconds_between(brain: Engine) -> None:  # F140
    waited: list[float] = []
    tries: list[int] = []

    def work() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise RetriableError("down")
        return "done"

    assert retry_with_backoff(work, pause=waited.append, jitter=lambda: 0.0) == "done"
    assert waited == [1.0, 2.0]
    waited.clear()

    def never() -> None:
        raise RetriableError("x")

    with pytest.raises(RetriableError):
        retry_with_backoff(never, pause=waited.append, attempts=4, jitter=lambda: 1.0)
    assert waited == pytest.approx([1.1, 2.2, 4.4])


@pytest.mark.parametrize("error", [ConfigurationError("no"), CircuitOpenError("open")], ids=["setting", "open breaker"])
def test_what_another_try_cannot_help_is_tried_once(error: Exception) -> None:
    tries: list[int] = []

    def work() -> None:
        tries.append(1)
        raise error

    with pytest.raises(type(error)):
        retry_with_backoff(work, pause=lambda _: None)
    assert tries == [1]


@given(st.integers(1, 8), st.floats(0, 1))
def test_jitter_adds_a_tenth_at_most(attempt: int, jitter: float) -> None:
    plain = 2.0 ** (attempt - 1)
    assert plain <= wait_before(attempt, jitter) <= plain * 1.1


def test_a_calendar_that_is_down_opens_the_breaker_fails_fast_and_is_put_up_for_review(brain: Engine) -> None:
    now = brain_now(brain)

    def clock() -> datetime:
        return now

    breaker = Breaker(brain, "appointment_booking:service:1", BreakerPolicy(), clock)
    first, second, tries = call(brain), call(brain), []

    def down() -> Booked:
        tries.append(1)
        raise RetriableError("calendar down")

    for which, error in ((first, RetriableError), (second, CircuitOpenError)):
        with pytest.raises(error):
            book_appointment(brain, breaker, which, down, clock, pause=lambda _: None)
    assert (len(tries), breaker.state().state) == (3, OPEN)
    assert count(brain, "booking_errors") == 3
    found = ask(brain, "SELECT call_id, reason, priority FROM manual_review_queue WHERE call_id IS NOT NULL ORDER BY id")
    assert found == [(first, "calcom_booking_failed", 2), (second, "circuit_open", 5)]


def test_a_booking_that_works_is_validated_and_one_that_made_nothing_is_rolled_back(brain: Engine) -> None:
    breaker = Breaker(brain, "appointment_booking:service:1", BreakerPolicy(), lambda: brain_now(brain))
    good, bad = call(brain), call(brain, **BOOKED)
    done = book_appointment(brain, breaker, good, lambda: Booked(appointment(brain, good)), lambda: brain_now(brain))
    assert (done.passed, flags(brain, good)) == (True, AS_BOOKED)
    failed = book_appointment(brain, breaker, bad, lambda: Booked(999), lambda: brain_now(brain))
    assert (failed.reason, flags(brain, bad)[0]) == ("appointment_not_found", False)


def test_flags_that_disagree_behind_the_triggers_are_found(brain: Engine) -> None:
    booked = call(brain)
    appointment(brain, booked)
    untriggered(brain, "UPDATE calls SET appointment_link_status = 'unlinked'")
    assert validate_appointment_creation(brain, booked, brain_now(brain)).reason == "call_flags_inconsistent"


def test_an_appointment_that_is_named_and_missing_is_not_found_though_the_call_has_another(brain: Engine) -> None:
    booked = call(brain)
    appointment(brain, booked)
    assert validate_appointment_creation(brain, booked, brain_now(brain), appointment_id=999).reason == "appointment_not_found"
    assert validate_appointment_creation(brain, booked, brain_now(brain)).passed


@pytest.mark.parametrize("known_by", ["the appointment named", "the conversation", "the call", "the system that booked"])
def test_a_booking_at_the_calendar_that_no_row_of_the_call_shows_is_not_rolled_back_either(brain: Engine, known_by: str) -> None:
    claimed = call(brain, **BOOKED, retell_call_id="r1", external_booking_id="b" if known_by == "the call" else None)
    unlinked = {"external_booking_id": "b", "retell_call_id": "r1" if known_by == "the conversation" else None}
    named = appointment(brain, None, **unlinked) if known_by in {"the appointment named", "the conversation"} else None
    done = roll_back(
        brain,
        claimed,
        "appointment_not_linked",
        brain_now(brain),
        appointment_id=named if known_by == "the appointment named" else None,
        booking_id="b" if known_by == "the system that booked" else None,
    )
    assert (done.rolled_back, done.booking_id, flags(brain, claimed)) == (False, "b", AS_BOOKED)
    assert one(brain, "SELECT context ->> 'external_booking_id' FROM manual_review_queue") == "b"


def test_a_rollback_of_a_call_that_is_not_there_says_so_and_does_nothing(brain: Engine) -> None:
    with pytest.raises(LookupError, match="no call 999"):
        roll_back(brain, 999, "appointment_not_found", NOON)
    assert alerts(brain) == []


def test_a_rollback_waits_for_a_booking_that_is_being_written_and_then_finds_it(brain: Engine) -> None:
    claimed = call(brain, **BOOKED)
    found: list[Rollback] = []
    other = Thread(target=lambda: found.append(roll_back(brain, claimed, "appointment_not_found", brain_now(brain))))
    with brain.begin() as mine:
        mine.execute(text("INSERT INTO appointments (call_id) VALUES (:id)"), {"id": claimed})
        other.start()
        other.join(0.3)
        assert other.is_alive()
    other.join(10)
    assert [done.rolled_back for done in found] == [False]
    assert flags(brain, claimed) == AS_BOOKED


@pytest.mark.parametrize(
    ("error", "reason", "priority", "tries"),
    [
        (RetriableError("down"), "calcom_booking_failed", 2, 3),
        (ValueError("password=hunter2"), "calcom_booking_failed", 2, 1),
        (BookingFailedError("customer_creation_failed", "no name"), "customer_creation_failed", 3, 1),
        (BookingFailedError("service_not_found", "no such service"), "service_not_found", 4, 1),
        (BookingFailedError("closed_today", "closed"), "closed_today", 5, 1),
    ],
    ids=["outage", "any error", "customer", "service", "other"],
)
def test_whatever_a_booking_fails_of_is_logged_and_queued_under_its_reason(
    brain: Engine, error: Exception, reason: str, priority: int, tries: int
) -> None:  # F142
    wanted = call(brain, retell_call_id="r1")
    breaker = Breaker(brain, "appointment_booking:service:1", BreakerPolicy(), lambda: NOON)

    def create() -> Booked:
        raise error

    with pytest.raises(type(error)):
        book_appointment(brain, breaker, wanted, create, lambda: NOON, pause=lambda _: None)
    assert ask(brain, "SELECT call_id, reason, priority FROM manual_review_queue WHERE entity_type = 'call'") == [
        (wanted, reason, priority)
    ]
    assert count(brain, "booking_errors") == tries
    for said in (
        "SELECT string_agg(error, '') FROM booking_errors",
        "SELECT string_agg(context::text, '') FROM manual_review_queue",
    ):
        assert "hunter2" not in one(brain, said)


def test_a_calendar_that_booked_while_brain_could_not_write_is_left_to_a_person(brain: Engine) -> None:
    claimed = call(brain, **BOOKED)
    breaker = Breaker(brain, "appointment_booking:service:1", BreakerPolicy(), lambda: brain_now(brain))
    done = book_appointment(brain, breaker, claimed, lambda: Booked(None, "b"), lambda: brain_now(brain))
    assert (done.reason, flags(brain, claimed)) == ("appointment_not_found", AS_BOOKED)
    assert one(brain, "SELECT context ->> 'external_booking_id' FROM manual_review_queue") == "b"


def test_another_booking_than_the_calendars_is_found(brain: Engine) -> None:
    booked = call(brain)
    made = appointment(brain, booked, external_booking_id="other")
    breaker = Breaker(brain, "appointment_booking:service:1", BreakerPolicy(), lambda: brain_now(brain))
    done = book_appointment(brain, breaker, booked, lambda: Booked(made, "b"), lambda: brain_now(brain))
    assert (done.reason, flags(brain, booked)) == ("calcom_booking_id_mismatch", AS_BOOKED)


def test_nothing_is_booked_for_a_call_that_is_not_there(brain: Engine) -> None:
    tries: list[int] = []

    def create() -> Booked:
        tries.append(1)
        return Booked(1)

    breaker = Breaker(brain, "appointment_booking:service:1", BreakerPolicy(), lambda: NOON)
    with pytest.raises(LookupError):
        book_appointment(brain, breaker, 999, create, lambda: NOON)
    assert tries == []


class Calendar:
    """As the page's example uses one: its bookings, and the rows that the booking system writes."""

    def __init__(self, brain: Engine, *answers: str | type[Exception] | None) -> None:
        self._brain, self._answers = brain, list(answers)

    def book(self, _service: int) -> str | None:
        answer = self._answers.pop(0)
        if isinstance(answer, type):
            raise answer("too late")
        return answer

    def write_appointment(self, call_id: int, booking: str) -> int:
        return appointment(self._brain, call_id, external_booking_id=booking)


def test_the_example_of_the_documents_books_tries_again_and_gives_up(brain: Engine, brain_url: str, tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.+?)```", (PROJECT / "docs" / "consistency.md").read_text(), re.DOTALL)
    page: dict[str, Any] = {}
    exec(example, page)
    settings = load_settings({"BRAIN_DATABASE_URL": brain_url, "VICI_BRAIN_HOME": str(tmp_path)})
    booked, refused = call(brain), call(brain)
    assert page["book"](settings, brain, Calendar(brain, TimeoutError, "b1"), booked, 7).passed
    assert flags(brain, booked) == AS_BOOKED
    with pytest.raises(BookingFailedError, match="no service 8"):
        page["book"](settings, brain, Calendar(brain, None), refused, 8)
    assert ask(brain, "SELECT call_id, reason FROM manual_review_queue") == [(refused, "service_not_found")]
    assert ask(brain, "SELECT circuit_key FROM circuit_breaker_states ORDER BY 1") == [
        ("appointment_booking:service:7",),
        ("appointment_booking:service:8",),
    ]
