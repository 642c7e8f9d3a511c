"""From the trigger that flags a call to the people who read it: once, within five minutes, and measured by what was sent."""

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from builders import NEW_YORK, NOON, ask, one
from crm import appointment, call, count, write
from pydantic import SecretStr
from sqlalchemy import Engine

sys.path.insert(0, str(Path(__file__).parents[1] / "alerts"))

from alert_sinks import WebhookSink, webhook_sink

from sensors.alerts import alerts
from vici_brain.brain.database import brain_now
from vici_brain.domain.consistency_policy import ConsistencyPolicy
from vici_brain.flows.book_appointment import roll_back
from vici_brain.flows.report_consistency import report_consistency
from vici_brain.flows.watch_consistency import sweep
from vici_brain.orchestration.resources import Connections
from vici_brain.settings import DialerSettings, Settings

MINUTE = timedelta(minutes=1)
POLICY = ConsistencyPolicy()


class Office:
    """The sensor ``alerts`` at instants that the test names, and the HTTP server that its messages go to."""

    def __init__(self, folder: Path, brain: Engine, brain_url: str, sink: WebhookSink) -> None:
        dialer = DialerSettings("vici", NEW_YORK, SecretStr(f"sqlite:///{folder}/none.db"))
        urls = (SecretStr(sink.url),)
        self.settings = Settings(folder, SecretStr(brain_url), None, (dialer,), NOON.date(), alert_urls=urls)
        self.brain, self.sink, self.start = brain, sink, brain_now(brain)

    def tick(self, minutes: float) -> None:
        """A round so many minutes after the test began."""
        connections = Connections(self.settings, lambda: self.start + minutes * MINUTE)
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_sensor_context(instance=instance, resources={"connections": connections})
            alerts([])(context)
        connections.close()

    def sweep(self, minutes: float) -> int:
        return sweep(self.brain, self.start + minutes * MINUTE, POLICY).told

    def latency(self, minutes: float) -> float | None:
        day, now = self.start.date(), self.start + minutes * MINUTE
        (goal,) = [goal for goal in report_consistency(self.brain, now, "UTC", day).goals if goal.name == "alert sent p95"]
        return goal.measured


@pytest.fixture
def office(brain: Engine, brain_url: str, tmp_path: Path) -> Iterator[Office]:
    with webhook_sink() as sink:
        yield Office(tmp_path, brain, brain_url, sink)


def detected(brain: Engine) -> datetime:
    found: datetime = one(brain, "SELECT min(detected_at) FROM data_consistency_alerts")
    return found


def test_what_a_trigger_flags_right_after_a_sweep_is_received_within_five_minutes_and_measured(
    brain: Engine, office: Office
) -> None:  # F156
    office.sweep(0)
    wrong = call(brain, session_outcome="appointment_booked")
    for minutes in (0.5, 1.5, 2.5):
        office.tick(minutes)
    (post,) = office.sink.posts
    assert post["title"] == "[critical] 1 × session_outcome_mismatch"
    assert f"call {wrong}" in post["message"]
    sent = one(brain, "SELECT sent_at FROM outgoing_messages WHERE kind = 'consistency'")
    assert office.latency(3) == pytest.approx((sent - detected(brain)).total_seconds(), abs=0.01)
    assert 60 <= (sent - detected(brain)).total_seconds() <= 300


def test_a_second_call_of_the_same_type_is_told_too_and_not_swallowed_by_the_first(brain: Engine, office: Office) -> None:
    call(brain, session_outcome="appointment_booked")
    office.tick(1.5)
    second = call(brain, session_outcome="appointment_booked")
    office.tick(2.5)
    assert len(office.sink.posts) == 2
    assert f"call {second}" in office.sink.posts[1]["message"]


def test_what_the_round_told_the_sweep_does_not_tell_again_and_the_other_way_round(brain: Engine, office: Office) -> None:
    call(brain, session_outcome="appointment_booked")
    office.tick(1.5)
    assert [office.sweep(minutes) for minutes in (15, 30)] == [0, 0]
    call(brain, session_outcome="appointment_booked")
    assert office.sweep(31) == 1
    for minutes in (32, 33):
        office.tick(minutes)
    assert len(office.sink.posts) == 2
    assert count(brain, "outgoing_messages", "kind = 'consistency'") == 2
    write(brain, "UPDATE calls SET status = 'written again'")
    assert office.sweep(45) == 2


def test_a_booking_that_settles_within_its_minute_is_no_news(brain: Engine, office: Office) -> None:
    booked = call(brain, session_outcome="appointment_booked")
    office.tick(0.9)
    appointment(brain, booked)
    office.tick(2)
    assert office.sink.posts == []
    assert office.latency(600) is None


def test_a_failed_validation_is_told_without_a_sweep(brain: Engine, office: Office) -> None:
    wrong = call(brain)
    roll_back(brain, wrong, "appointment_not_found", office.start)
    office.tick(1.5)
    (post,) = office.sink.posts
    assert "appointment_validation_failed" in post["title"]
    assert f"call {wrong} failed the validation of its appointment: appointment_not_found" in post["message"]


def test_the_daily_report_reaches_people_whole(brain: Engine, office: Office) -> None:  # F132
    made = report_consistency(brain, office.start, "UTC")
    office.tick(0)
    (post,) = office.sink.posts
    assert f"Calls and appointments on {made.day}" in post["title"]
    assert "consistency rate" in post["message"]
    assert one(brain, "SELECT sent_at IS NOT NULL FROM outgoing_messages")


def test_a_message_that_nobody_took_counts_with_its_age(brain: Engine, office: Office) -> None:
    call(brain, session_outcome="appointment_booked")
    office.sink.status = 500
    office.tick(1.5)
    age = (office.start + 20 * MINUTE - detected(brain)).total_seconds()
    assert office.latency(20) == pytest.approx(age, abs=0.01)
    office.sink.status = 200
    office.tick(21)
    assert office.latency(600) == pytest.approx(age + 60, abs=0.01)


def test_being_told_again_does_not_worsen_what_was_measured(brain: Engine, office: Office) -> None:
    call(brain, session_outcome="appointment_booked")
    office.tick(1.5)
    measured = office.latency(2)
    write(brain, "UPDATE calls SET status = 'written again'")
    assert office.sweep(15) == 1
    office.tick(16)
    assert len(office.sink.posts) == 2
    assert office.latency(20) == measured


def test_what_stays_open_past_the_reminder_is_told_again_and_says_when_it_is_over(brain: Engine, office: Office) -> None:
    call(brain, session_outcome="appointment_booked")
    for minutes in (1.5, 230, 245):
        office.tick(minutes)
    assert len(office.sink.posts) == 2
    write(brain, "UPDATE calls SET session_outcome = 'answered'")
    office.tick(246)
    assert office.sink.titles[-1] == "[info] Over: session_outcome_mismatch"
    assert ask(brain, "SELECT count(*) FROM data_consistency_alerts WHERE corrected_at IS NULL") == [(0,)]


def test_a_sweep_that_stopped_is_told_after_its_hour_and_over_with_the_next(brain: Engine, office: Office) -> None:
    office.tick(0)
    assert office.sink.posts == []
    office.sweep(0)
    for minutes in (59, 61):
        office.tick(minutes)
    (post,) = office.sink.posts
    assert "calls and appointments are unchecked since" in post["title"] + post["message"]
    write(brain, "UPDATE consistency_watermarks SET updated_at = :at", at=office.start + 62 * MINUTE)
    office.tick(63)
    assert "Over" in office.sink.titles[-1]
