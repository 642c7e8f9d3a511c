"""F024: what an hour means beside the same hour of eight past weeks, and what a verdict does to the open silences."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from vici_brain.domain.silence import DIALER, WEEKS, HourSeen, Signals, Verdict, change, judge, same_hours

NOW = datetime(2025, 6, 10, 16, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def hour(calls: int, *, day: int = 1_000, read: bool = True, **campaigns: int) -> HourSeen:
    """An hour of a dialer whose days usually have a thousand calls; what is not of a named campaign is of SOLAR."""
    named = {name: count for name, count in campaigns.items() if count}
    rest = {"SOLAR": calls - sum(named.values())} if calls > sum(named.values()) else {}
    return HourSeen(rest | named, read, day)


def verdict(last: HourSeen, *past: HourSeen) -> Verdict:
    return judge(Signals(NOW, last, past or (hour(100),) * WEEKS, NOW - timedelta(hours=1)))


def weeks(*calls: int) -> tuple[HourSeen, ...]:
    """Newest first."""
    return tuple(hour(count) for count in calls)


@pytest.mark.parametrize(
    ("what", "last", "past", "kind"),
    [
        ("an hour as usual", hour(95), (), "normal"),
        ("no call in a busy hour", hour(0), (), "dialer_silent"),
        ("a trickle in a busy hour", hour(10), (), "dialer_silent"),
        ("little, but no silence", hour(11), (), "normal"),
        ("no call at night", hour(0), weeks(*(0,) * 8), "closed_hours"),
        ("no call where few are usual", hour(0), weeks(*(11,) * 8), "closed_hours"),
        ("no call, and the ledger has not read it", hour(0, read=False), (), "unknown_not_read"),
        ("calls, but the ledger has not read all of it", hour(100, read=False), (), "unknown_not_read"),
        ("a dialer in its second week", hour(0), weeks(100, 100), "not_enough_history"),
        ("eight weeks of which two were read", hour(0), (*weeks(100, 100), *(hour(0, read=False),) * 6), "not_enough_history"),
        (
            "two holidays among the weeks",
            hour(0),
            (*weeks(100, 100), *(hour(0, day=20),) * 2, *weeks(*(100,) * 4)),
            "dialer_silent",
        ),
        ("three holidays and an outage", hour(0), (*weeks(0, 100, 100), *(hour(0, day=0),) * 3, *weeks(90, 90)), "dialer_silent"),
        ("a closed month", hour(0), (*(hour(0, day=20),) * 4, *weeks(100, 100, 100, 100)), "dialer_silent"),
        ("two outages of that hour", hour(0), weeks(0, 0, 100, 100, 100, 100, 100, 100), "dialer_silent"),
        ("a dialer that was wound down", hour(0), weeks(5, 12, 25, 40, 55, 70, 85, 100), "declining"),
        ("a dialer that is being wound down", hour(50), weeks(55, 60, 66, 72, 79, 85, 92, 100), "declining"),
        ("chance is no decline", hour(90), weeks(91, 105, 88, 110, 97, 104, 99, 108), "normal"),
        ("a dialer that grows", hour(160), weeks(150, 140, 130, 120, 110, 100, 90, 80), "normal"),
        ("a grown dialer that stopped", hour(0), weeks(150, 140, 130, 120, 110, 100, 90, 80), "dialer_silent"),
        ("a dialer that was dead for a month", hour(0), (*(hour(0, day=0),) * 5, *weeks(100, 100, 100)), "declining"),
    ],
)
def test_an_hour_is_judged_by_its_past(what: str, last: HourSeen, past: Sequence[HourSeen], kind: str) -> None:
    found = verdict(last, *past)
    assert found.kind == kind, what
    assert found.reasons


def test_one_campaign_without_calls_is_told_apart_from_a_silent_dialer() -> None:
    past = (hour(100, WIND=30, SALES=3),) * WEEKS
    found = verdict(hour(70), *past)
    assert (found.kind, found.silent) == ("campaign_silent", ("WIND",))
    assert verdict(hour(0), *past).silent == (DIALER,)


@pytest.mark.parametrize(
    ("what", "last", "past"),
    [
        ("it ended a week ago", hour(70), (hour(70), *(hour(100, WIND=30),) * 7)),
        ("it runs in every other week", hour(70), (hour(100, WIND=30), hour(70)) * 4),
        ("it never had many calls", hour(70), (hour(81, WIND=11),) * 8),
        ("the others hardly work either", hour(20), (hour(100, WIND=30),) * 8),
        ("it was wound down", hour(70), tuple(hour(70 + count, WIND=count) for count in (4, 9, 13, 18, 22, 26, 30, 35))),
    ],
)
def test_a_campaign_without_calls_is_no_silence_when(what: str, last: HourSeen, past: Sequence[HourSeen]) -> None:
    assert verdict(last, *past).silent == (), what


def test_a_silence_is_raised_once_and_stays_open_until_calls_come_again() -> None:
    silent, unread, night = verdict(hour(0)), verdict(hour(0, read=False)), verdict(hour(0), *weeks(*(0,) * 8))
    assert change({}, silent, NOW).raised == (DIALER,)
    opened = {DIALER: NOW}
    for later in (silent, unread, night, verdict(hour(20))):
        assert change(opened, later, NOW + DAY) == change({}, verdict(hour(100)), NOW)
    again = change(opened, verdict(hour(25)), NOW + DAY)
    assert again.raised == ()
    assert again.resolved[DIALER].startswith("calls came again: 25 calls in the last hour")


def test_calls_after_closing_time_end_a_silence_too() -> None:
    evening = weeks(*(4,) * 8)
    assert change({DIALER: NOW}, verdict(hour(3), *evening), NOW).resolved.keys() == {DIALER}
    assert not change({DIALER: NOW}, verdict(hour(2), *evening), NOW).resolved


def test_a_campaign_that_ended_is_closed_after_a_week_and_one_that_is_silent_still_is_not() -> None:
    opened = {"WIND": NOW - 8 * DAY}
    assert "ended" in change(opened, verdict(hour(70)), NOW).resolved["WIND"]
    assert not change({"WIND": NOW - 7 * DAY}, verdict(hour(70)), NOW).resolved
    still = verdict(hour(70), *(hour(100, WIND=30),) * WEEKS)
    assert change(opened, still, NOW) == change(opened, replace(still, back=frozenset()), NOW)
    assert not change(opened, still, NOW).resolved


@pytest.mark.parametrize(("zone", "end"), [("America/New_York", "2025-03-09"), ("Europe/Berlin", "2025-10-26")])
def test_the_same_hour_of_past_weeks_is_the_same_on_the_dialers_clock_across_clock_changes(zone: str, end: str) -> None:
    zoned = ZoneInfo(zone)
    after = datetime.fromisoformat(end).replace(hour=11, tzinfo=zoned) + 2 * DAY
    hours = list(same_hours(after.astimezone(UTC), zoned))
    assert len(hours) == WEEKS + 1
    assert {each.start.astimezone(zoned).time().isoformat() for each, _ in hours} == {"10:00:00"}
    assert {each.length for each, _ in hours} == {timedelta(hours=1)}
    assert len({each.start.time() for each, _ in hours}) == 2
    assert {day.start.astimezone(zoned).time().isoformat() for _, day in hours} == {"00:00:00"}
    assert all(day.start <= each.start < day.end for each, day in hours)


@pytest.mark.parametrize("end", ["2025-03-09T07:30+00:00", "2025-11-02T06:30+00:00", "2025-11-02T07:30+00:00"])
def test_hours_that_a_clock_change_skips_or_repeats_have_a_past_too(end: str) -> None:
    hours = [each for each, _ in same_hours(datetime.fromisoformat(end), ZoneInfo("America/New_York"))]
    assert hours[0].end == datetime.fromisoformat(end)
    assert all(
        timedelta(days=6, hours=22) <= newer.start - older.start <= timedelta(days=7, hours=2) for newer, older in pairwise(hours)
    )
