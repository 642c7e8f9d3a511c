"""What is told, held back and over, as a pure decision."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vici_brain.domain.alert_policy import AlertPolicy
from vici_brain.domain.alert_text import compose
from vici_brain.domain.throttle import SEVERITIES, Announcement, Decision, Event, Matter, Told, decide

NOW = datetime(2025, 6, 10, 16, tzinfo=UTC)
POLICY = AlertPolicy()
NIGHT = AlertPolicy(quiet_from=time(22), quiet_until=time(7))
AT_NIGHT = NOW.replace(hour=23)


def matter(severity: str = "warning", fingerprint: str = "stale/vici", **changes: str) -> Matter:
    return Matter(
        fingerprint, changes.get("kind", "stale"), severity, changes.get("title", "vici: no call was read"), "why", "/assets"
    )


def told(minutes: float | None, *, severity: str = "warning", is_open: bool = True, held: int = 0) -> dict[str, Told]:
    at = None if minutes is None else NOW - timedelta(minutes=minutes)
    return {"stale/vici": Told(matter(severity), NOW - timedelta(hours=9), at, held, is_open)}


def at(
    *matters: Matter,
    before: dict[str, Told] | None = None,
    events: tuple[Event, ...] = (),
    unknown: tuple[str, ...] = (),
    policy: AlertPolicy = POLICY,
    now: datetime = NOW,
) -> Decision:
    return decide(matters, events, before or {}, unknown, policy=policy, now=now)


def hows(decision: Decision) -> list[str]:
    return [each.how for each in decision.send]


# F148
def test_what_is_new_is_told_at_once_and_then_held_back_until_its_reminder() -> None:
    assert hows(at(matter())) == ["new"]
    assert at(matter(), before=told(1)) == Decision(hold=(matter(),))
    assert hows(at(matter(), before=told(239))) == []
    (reminder,) = at(matter(), before=told(240, held=47)).send
    assert (reminder.how, reminder.held_back) == ("still", 47)


def test_what_was_never_delivered_is_told_again_as_new() -> None:
    assert hows(at(matter(), before=told(None, held=3))) == ["new"]


def test_what_gets_worse_is_told_at_once_and_what_gets_better_is_not() -> None:
    assert hows(at(matter("critical"), before=told(1))) == ["worse"]
    assert hows(at(matter("info"), before=told(1))) == []


def test_what_is_over_is_told_once_unless_nobody_heard_of_it_or_nobody_looked() -> None:
    assert hows(at(before=told(60))) == ["over"]
    assert at(before=told(None)) == Decision(close=(matter(),))
    assert at(before=told(60), unknown=("stale",)) == Decision()
    assert at(before=told(60, is_open=False)) == Decision()


def test_a_matter_that_flaps_is_told_once_a_window() -> None:
    assert hows(at(matter(), before=told(4, is_open=False))) == []
    assert hows(at(matter(), before=told(5, is_open=False))) == ["new"]


def test_events_of_one_fingerprint_go_out_together_once_a_window() -> None:
    run = matter("critical", "stale/vici", title="the run failed")
    events = tuple(Event(number, run, NOW) for number in (3, 1, 2))
    (told_now,) = at(events=events).send
    assert (told_now.how, told_now.numbers, told_now.held_back) == ("event", (1, 2, 3), 2)
    held = at(events=events, before=told(4, is_open=False))
    assert (held.send, held.waiting) == ((), 3)


def test_quiet_hours_hold_everything_but_what_is_critical() -> None:
    report = Event(1, matter("info", "report"), AT_NIGHT)
    quiet = at(matter(), events=(report,), policy=NIGHT, now=AT_NIGHT)
    assert (quiet.send, len(quiet.hold), quiet.waiting) == ((), 1, 1)
    assert hows(at(matter("critical"), policy=NIGHT, now=AT_NIGHT)) == ["new"]
    assert hows(at(before=told(600), policy=NIGHT, now=AT_NIGHT)) == []
    assert sorted(hows(at(matter(), events=(report,), policy=NIGHT, now=NOW))) == ["event", "new"]


@pytest.mark.parametrize(
    ("hour", "zone", "quiet"),
    [
        (22, "UTC", True),
        (6, "UTC", True),
        (7, "UTC", False),
        (21, "UTC", False),
        (3, "America/New_York", True),
        (14, "Asia/Tokyo", True),
    ],
)
def test_quiet_hours_go_past_midnight_by_the_clock_of_their_zone(hour: int, zone: str, quiet: bool) -> None:
    policy = AlertPolicy(quiet_from=time(22), quiet_until=time(7), time_zone=zone)
    assert policy.is_quiet(NOW.replace(hour=hour)) == quiet


def test_quiet_hours_within_a_day_and_none_at_all() -> None:
    noon = AlertPolicy(quiet_from=time(12), quiet_until=time(13))
    assert noon.is_quiet(NOW.replace(hour=12))
    assert not noon.is_quiet(NOW.replace(hour=13))
    assert not AlertPolicy(quiet_from=time(12)).is_quiet(NOW)
    with pytest.raises(ValidationError):
        AlertPolicy(throttle_minutes=-1)


severities = st.sampled_from(SEVERITIES)
matters = st.lists(st.builds(lambda name, severity: matter(severity, name), st.sampled_from("abcd"), severities), max_size=6)


@given(matters, matters, st.booleans(), st.integers(0, 600))
def test_every_matter_is_either_told_or_held_never_both_and_never_lost(
    seen: list[Matter], before: list[Matter], quiet: bool, minutes: int
) -> None:
    known = {each.fingerprint: Told(each, NOW, NOW - timedelta(minutes=minutes), 0, minutes % 2 == 0) for each in before}
    decision = decide(seen, (), known, (), policy=NIGHT if quiet else POLICY, now=AT_NIGHT)
    told_now = [each.matter.fingerprint for each in decision.send if each.how != "over"]
    held = [each.fingerprint for each in decision.hold]
    assert sorted(told_now + held) == sorted({each.fingerprint for each in seen})
    over = {each.matter.fingerprint for each in decision.send if each.how == "over"}
    assert over.isdisjoint(told_now + held)
    if quiet:
        assert {each.matter.severity for each in decision.send} <= {"critical"}


def test_one_message_has_the_worst_first_with_links_and_counts_what_does_not_fit() -> None:
    decision = at(
        *(matter("warning", f"w{number}", title=f"trouble {number}") for number in range(14)),
        matter("critical", "z", title="worst"),
    )
    text = compose(decision.send, AlertPolicy(ui_url="https://dagster.example/", most_in_one=3))
    assert text.title == "[critical] worst, and 14 more"
    assert text.body.startswith("**worst**\n\nwhy\n\nhttps://dagster.example/assets")
    assert "and 12 more: " in text.body
    assert text.body.count("https://dagster.example") == 3


def test_a_message_says_how_many_were_held_back_and_holds_no_password() -> None:
    text = compose([Announcement(Matter("a", "a", "info", "t", "mysql://u:hunter2@h/db"), "still", 7)], POLICY)
    assert "seen 7 more times since last told" in text.body
    assert "hunter2" not in text.body
    assert compose([Announcement(matter("critical"), "over")], POLICY).severity == "info"
