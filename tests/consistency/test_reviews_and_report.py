"""The review queue as people and the hourly pass use it, and the daily report with its measured goals."""

from datetime import UTC, date, datetime, timedelta

import pytest
from builders import ask, one
from crm import BOOKED, appointment, call, count, untriggered, where_it_is_noon, write
from sqlalchemy import Engine

from vici_brain.brain.breakers import Breaker
from vici_brain.brain.database import brain_now
from vici_brain.brain.reviews import QueuedItem, ReviewItem, ReviewQueue, put_up_for_review, review_of
from vici_brain.domain.breaker import BreakerPolicy
from vici_brain.domain.consistency_policy import ConsistencyPolicy
from vici_brain.errors import RetriableError
from vici_brain.flows.book_appointment import validate_appointment_creation
from vici_brain.flows.guarding import guarded
from vici_brain.flows.process_reviews import NOT_TRIED, process_reviews
from vici_brain.flows.report_consistency import local_day, report_consistency, report_what_is_due
from vici_brain.flows.watch_consistency import sweep

ZONE = "America/New_York"


def soon(brain: Engine) -> datetime:
    return brain_now(brain) + timedelta(minutes=2)


def test_the_most_urgent_and_oldest_come_first_and_a_matter_is_one_item(brain: Engine) -> None:  # F142
    now = brain_now(brain)
    items = [ReviewItem("a", "call", "1"), ReviewItem("b", "call", "2", 1), ReviewItem("a", "call", "1", 3, {"n": 2})]
    with brain.begin() as connection:
        assert put_up_for_review(connection, items, now) == 2
        assert put_up_for_review(connection, items[:1], now) == 0
    found = [(item.reason, item.priority, item.status) for item in ReviewQueue(brain).listed()]
    assert found == [("b", 1, "pending"), ("a", 3, "pending")]


def test_an_item_is_taken_and_resolved_once(brain: Engine) -> None:  # F142
    now, queue = brain_now(brain), ReviewQueue(brain)
    with brain.begin() as connection:
        put_up_for_review(connection, [ReviewItem("a", "call", "1")], now)
    (item,) = queue.listed()
    assert queue.assign(item.id, "ada", now)
    assert (queue.listed()[0].status, queue.listed()[0].assigned_to) == ("in_progress", "ada")
    assert queue.resolve(item.id, "ada", "done", now)
    assert not queue.resolve(item.id, "ada", "again", now)
    assert not queue.assign(item.id, "bob", now)
    assert ask(brain, "SELECT status, resolution_notes FROM manual_review_queue") == [("resolved", "done")]


def test_dismissing_an_item_closes_its_alert_as_a_false_positive(brain: Engine) -> None:  # F141, F158
    call(brain, session_outcome="appointment_booked")
    sweep(brain, soon(brain), ConsistencyPolicy())
    (item,) = ReviewQueue(brain).listed()
    assert ReviewQueue(brain).dismiss(item.id, "ada", "a test call", brain_now(brain))
    assert ask(brain, "SELECT false_positive, corrected_at IS NOT NULL FROM data_consistency_alerts") == [(True, True)]


def test_the_hourly_pass_closes_what_has_settled_and_leaves_the_rest(brain: Engine) -> None:
    settled, left = call(brain, **BOOKED), call(brain, **BOOKED)
    sweep(brain, soon(brain), ConsistencyPolicy())
    appointment(brain, settled)
    done = process_reviews(brain, brain_now(brain))
    assert (done.looked_at, done.resolved, done.by_reason) == (2, 1, {"missing_appointment": 1})
    assert [item.call_id for item in ReviewQueue(brain).listed()] == [left]
    assert process_reviews(brain, brain_now(brain)).resolved == 0


def test_an_item_that_a_person_took_is_left_to_them(brain: Engine) -> None:
    taken = call(brain, **BOOKED)
    sweep(brain, soon(brain), ConsistencyPolicy())
    ReviewQueue(brain).assign(ReviewQueue(brain).listed()[0].id, "ada", brain_now(brain))
    appointment(brain, taken)
    assert process_reviews(brain, brain_now(brain)).looked_at == 0


def queued(brain: Engine, *items: ReviewItem) -> None:
    with brain.begin() as connection:
        put_up_for_review(connection, items, brain_now(brain))


def test_a_pass_puts_right_what_is_certain_before_it_looks(brain: Engine) -> None:
    claimed = call(brain, **BOOKED, external_booking_id="b1")
    sweep(brain, soon(brain), ConsistencyPolicy())
    appointment(brain, None, source="retell_webhook", external_booking_id="b1")
    done = process_reviews(brain, brain_now(brain))
    assert (done.put_right, done.by_reason) == (1, {"missing_appointment": 1})
    assert ask(brain, "SELECT call_id FROM appointments") == [(claimed,)]
    assert process_reviews(brain, brain_now(brain)).looked_at == 0


@pytest.mark.parametrize(
    ("reason", "mend", "settles"),
    [
        ("appointment_validation_failed", "appointment", True),
        ("calcom_booking_failed", "appointment", True),
        ("service_not_found", "appointment", True),
        ("circuit_open", "appointment", True),
        ("customer_creation_failed", "customer", True),
        ("customer_creation_failed", "appointment", False),
        ("calcom_booking_failed", "customer", False),
        ("closed_today", "appointment", False),
    ],
)
def test_an_item_settles_by_what_it_asked_for(brain: Engine, reason: str, mend: str, settles: bool) -> None:
    mended, other = call(brain), call(brain)
    queued(brain, *(review_of(reason, each, {}) for each in (mended, other)))
    assert process_reviews(brain, brain_now(brain)).resolved == 0
    if mend == "appointment":
        appointment(brain, mended)
    else:
        write(brain, "UPDATE calls SET customer_id = 7 WHERE id = :id", id=mended)
    assert process_reviews(brain, brain_now(brain)).resolved == int(settles)
    assert [item.call_id for item in ReviewQueue(brain).listed()] == ([other] if settles else [mended, other])


def test_what_can_be_tried_again_is_and_one_that_fails_stops_no_other(brain: Engine) -> None:
    first, second, third = call(brain), call(brain), call(brain)
    queued(brain, *(review_of("calcom_booking_failed", each, {"service": 7}, f"r{each}") for each in (first, second, third)))
    queued(brain, review_of("service_not_found", first, {}))

    def book(item: QueuedItem) -> str | None:
        if item.call_id == first:
            raise RetriableError("no way to mysql://u:hunter2@h/db")
        return "booked at the second try" if item.retell_call_id == f"r{second}" else None

    for tries in (1, 2):
        done = process_reviews(brain, brain_now(brain), {"calcom_booking_failed": book})
        assert (done.tried, done.failed, done.resolved) == ((3, 1, 1) if tries == 1 else (2, 1, 0))
        context = {item.call_id: item.context for item in ReviewQueue(brain).listed() if item.reason == "calcom_booking_failed"}
        assert set(context) == {first, third}
        assert (context[first]["tries"], context[first]["service"]) == (tries, 7)
        assert context[first]["last_error"] == "no way to mysql://u:***@h/db"
        assert (context[third]["tries"], context[third]["last_error"]) == (tries, None)
    assert (
        one(brain, "SELECT resolution_notes FROM manual_review_queue WHERE call_id = :id", id=second)
        == "booked at the second try"
    )


def test_what_a_retry_cannot_try_is_not_counted_as_tried(brain: Engine) -> None:
    queued(brain, ReviewItem("circuit_open", "circuit", "network:a"))
    done = process_reviews(brain, brain_now(brain), {"circuit_open": lambda _: NOT_TRIED})
    assert (done.tried, done.left, ReviewQueue(brain).listed()[0].context) == (0, 1, {})


def test_a_queue_of_thousands_is_looked_at_whole(brain: Engine) -> None:
    write(brain, "INSERT INTO calls (session_outcome) SELECT 'appointment_booked' FROM generate_series(1, 2500)")
    sweep(brain, soon(brain), ConsistencyPolicy())
    write(brain, "INSERT INTO appointments (call_id) SELECT id FROM calls WHERE id % 2 = 0")
    done = process_reviews(brain, brain_now(brain))
    assert (done.looked_at, done.resolved, done.left) == (2500, 1250, 1250)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 6, 1), 24)])
def test_a_day_is_that_of_the_zone(day: date, hours: int) -> None:
    start, end = local_day(day, ZONE)
    assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=hours)


def test_a_day_without_anything_has_nothing_to_measure(brain: Engine) -> None:
    report = report_consistency(brain, datetime(2026, 1, 2, 13, tzinfo=UTC), ZONE)
    assert report.day == date(2026, 1, 1)
    assert {goal.name: goal.met for goal in report.goals} == {
        "consistency rate": True,
        "validation p95": None,
        "breaker recovery": None,
        "alert sent p95": None,
        "auto-correction": None,
        "false positives": None,
    }


def test_more_alerts_than_calls_leave_the_rate_at_zero(brain: Engine) -> None:  # F152
    for _ in range(3):
        bad = call(brain, session_outcome="appointment_booked")
        insert = (
            "INSERT INTO data_consistency_alerts (alert_type, entity_type, entity_id, description, detected_at)"
            " VALUES (:kind, 'call', :id, 'x', now())"
        )
        for kind in ("a", "b"):
            write(brain, insert, kind=kind, id=bad)
    report = report_consistency(brain, brain_now(brain), *where_it_is_noon(brain_now(brain)))
    assert (report.figures.inconsistencies, report.figures.rate) == (9, 0.0)
    assert one(brain, "SELECT consistency_rate FROM daily_consistency_reports") == 0


def test_the_goals_are_measured(brain: Engine) -> None:  # F132, F153, F154, F155, F156, F157, F158
    write(brain, "INSERT INTO calls (session_outcome) SELECT 'answered' FROM generate_series(1, 1000)")
    for _ in range(10):
        booked = call(brain)
        appointment(brain, booked)
        validate_appointment_creation(brain, booked, brain_now(brain))
    untriggered(
        brain,
        "UPDATE calls SET appointment_link_status = 'unlinked' WHERE id IN (SELECT id FROM calls WHERE appointment_made LIMIT 9)",
    )
    call(brain, session_outcome="appointment_booked")
    untriggered(brain, "UPDATE calls SET updated_at = updated_at - interval '2 minutes'")
    now = brain_now(brain)
    sweep(brain, now, ConsistencyPolicy())
    write(brain, "UPDATE outgoing_messages SET sent_at = created_at + interval '20 seconds'")
    at = [now]
    breaker = Breaker(brain, "dialer:x", BreakerPolicy(), lambda: at[0])
    for _ in range(3):
        with pytest.raises(RetriableError), guarded(breaker):
            raise RetriableError("down")
    at[0] += timedelta(seconds=30)
    for _ in range(2):
        with guarded(breaker):
            pass
    report = report_consistency(brain, brain_now(brain), *where_it_is_noon(now))
    measured = {goal.name: goal.measured for goal in report.goals}
    assert measured["consistency rate"] == pytest.approx(100 * (1011 - 10) / 1011)
    assert measured["validation p95"] is not None
    assert measured["validation p95"] > 0
    assert measured["breaker recovery"] == pytest.approx(30)
    assert measured["alert sent p95"] == pytest.approx(20, abs=2)
    assert measured["auto-correction"] == pytest.approx(90.0)
    assert measured["false positives"] == 0.0
    assert "| breaker recovery | 30.00 s | ≤ 60 s | met |" in report.markdown
    assert "dialer:x | 1 | 1 | closed" in report.markdown


def test_a_report_is_kept_and_told_once_however_often_it_is_made(brain: Engine) -> None:  # F132
    now = brain_now(brain)
    assert report_consistency(brain, now, ZONE).told
    assert not report_consistency(brain, now, ZONE).told
    assert count(brain, "daily_consistency_reports") == 1
    assert count(brain, "outgoing_messages", "kind = 'daily_consistency_report'") == 1


def test_a_report_of_a_day_that_is_not_over_says_so_and_the_whole_one_is_told(brain: Engine) -> None:
    day = date(2026, 1, 5)
    before = report_consistency(brain, datetime(2026, 1, 5, 20, tzinfo=UTC), ZONE, day)
    assert ("so far" in before.markdown, before.told) == (True, False)
    after = report_consistency(brain, datetime(2026, 1, 6, 13, tzinfo=UTC), ZONE)
    assert (after.day, after.told, "so far" in after.markdown) == (day, True, False)
    assert one(brain, "SELECT body FROM outgoing_messages") == after.markdown


def test_days_that_a_stopped_scheduler_left_out_are_reported_by_the_next(brain: Engine) -> None:
    def made(on: int) -> list[int]:
        return [report.day.day for report in report_what_is_due(brain, datetime(2026, 1, on, 13, tzinfo=UTC), ZONE)]

    assert made(6) == [5]
    assert made(9) == [6, 7, 8]
    report_consistency(brain, datetime(2026, 1, 9, 20, tzinfo=UTC), ZONE, date(2026, 1, 9))
    assert made(11) == [9, 10]
    assert made(11) == [10]
    assert made(31) == [23, 24, 25, 26, 27, 28, 29, 30]
    assert count(brain, "outgoing_messages") == 14


def test_a_call_of_just_before_midnight_that_is_found_after_it_counts_for_its_own_day(brain: Engine) -> None:  # F152
    start, end = local_day(date(2026, 1, 5), ZONE)
    for at in (start, end - timedelta(seconds=1)):
        call(brain, created_at=at)
    insert = (
        "INSERT INTO data_consistency_alerts (alert_type, entity_type, entity_id, description, detected_at)"
        " SELECT 'missing_appointment', 'call', max(id), 'x', :at FROM calls"
    )
    write(brain, insert, at=end + timedelta(seconds=1))
    rates = [report_consistency(brain, end + timedelta(hours=8 + 24 * later), ZONE).figures.rate for later in (0, 1)]
    assert rates == [50.0, 100.0]


def test_the_report_names_everything_that_people_ask_it_for(brain: Engine) -> None:  # F132
    zone, day = where_it_is_noon(brain_now(brain))
    for _ in range(3):
        appointment(brain, call(brain))
    call(brain, session_outcome="appointment_booked")
    write(brain, "UPDATE calls SET appointment_made = false WHERE id = 1")
    write(brain, "UPDATE calls SET session_outcome = 'answered' WHERE id = 4")
    call(brain, **BOOKED)
    sweep(brain, soon(brain), ConsistencyPolicy())
    breaker = Breaker(brain, "network:a|b", BreakerPolicy(failures=1), lambda: brain_now(brain))
    breaker.failed(RetriableError("down"))
    report = report_consistency(brain, brain_now(brain), zone, day)
    for line in (
        "5 calls, 3 appointments, 3 inconsistencies: 1 corrected automatically, 1 otherwise, 1 open.",
        "0 bookings failed. 2 items wait for a person.",
        "| consistency rate | 40.00 % | ≥ 99.5 % | **missed** |",
        "| auto-correction | 33.33 % | ≥ 90 % | **missed** |",
        "| false positives | 0.00 % | ≤ 1 % | met |",
        "| validation p95 | – | ≤ 100 ms | nothing to measure |",
        "| session_outcome_mismatch | critical | 2 | 1 | 1 | 0 |",
        "| missing_appointment | critical | 1 | 0 | 0 | 1 |",
        "| missing_appointment | call 5 counts as having made an appointment, but there is none | 1 |",
        "| network:a\\|b | 1 | 0 | open |",
    ):
        assert line in report.markdown, line
    kept = one(brain, "SELECT figures FROM daily_consistency_reports")
    assert kept["goals"]["consistency rate"] == {"measured": 40.0, "bound": 99.5, "met": False}
    assert {each["alert_type"]: each["found"] for each in kept["alerts"]} == {
        "session_outcome_mismatch": 2,
        "missing_appointment": 1,
    }
    assert kept["breakers"] == [{"circuit_key": "network:a|b", "opened": 1, "closed": 0, "state": "open"}]
