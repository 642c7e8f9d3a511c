"""The verdict on a dialer's clock and zone, from what a connect observed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from vici_brain.domain.dialer_clock import ClockSignals, judge

NEW_YORK = ZoneInfo("America/New_York")
SUMMER = datetime(2025, 7, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
FINE = ClockSignals(SUMMER, SUMMER, -4 * HOUR, None, -5 * HOUR)


def call(wall: str, instant: str) -> tuple[datetime, int]:
    return datetime.fromisoformat(wall), int(datetime.fromisoformat(f"{instant}+00:00").timestamp())


ACCEPTED = {
    "all in order": FINE,
    "a clock 30 s ahead": replace(FINE, dialer_utc=SUMMER + timedelta(seconds=30)),
    "a clock 30 s behind": replace(FINE, dialer_utc=SUMMER - timedelta(seconds=30)),
    "a dialer that says nothing of its zone": replace(FINE, database_offset=None, standard_offset=None),
    "a database in UTC whose calls are in the zone": replace(
        FINE, database_offset=0 * HOUR, newest_call=call("2025-07-01 07:58:00", "2025-07-01 11:58")
    ),
    "a newest call of the winter": replace(FINE, newest_call=call("2025-01-15 10:00:00", "2025-01-15 15:00")),
    "a call dated some minutes after its epoch": replace(FINE, newest_call=call("2025-07-01 08:03:00", "2025-07-01 11:58")),
    "a database a few seconds beside its offset": replace(FINE, database_offset=-4 * HOUR + timedelta(seconds=3)),
    "the second pass of the fall-back hour": replace(FINE, newest_call=call("2025-11-02 01:30:00", "2025-11-02 06:30")),
    "the first pass of the fall-back hour": replace(FINE, newest_call=call("2025-11-02 01:30:00", "2025-11-02 05:30")),
}
REFUSED = {
    "a clock 31 s ahead": (replace(FINE, dialer_utc=SUMMER + timedelta(seconds=31)), "clock is +0:00:31 h away"),
    "a clock 31 s behind": (replace(FINE, dialer_utc=SUMMER - timedelta(seconds=31)), "clock is -0:00:31 h away"),
    "a database of another zone": (replace(FINE, database_offset=-7 * HOUR), "its database lives -7:00:00 h from UTC"),
    "calls of another zone": (
        replace(FINE, newest_call=call("2025-07-01 05:00:00", "2025-07-01 12:00")),
        "its calls are written -7:00:00 h from UTC, but the configured time zone America/New_York is -4:00:00 h",
    ),
    "calls of another zone in a database of the right one": (
        replace(FINE, database_offset=-4 * HOUR, newest_call=call("2025-07-01 12:00:00", "2025-07-01 12:00")),
        "its calls are written",
    ),
    "a zone without daylight saving": (
        replace(FINE, newest_call=call("2025-07-01 07:00:00", "2025-07-01 12:00")),
        "set the time zone of the dialer's own machines",
    ),
}


@pytest.mark.parametrize("signals", ACCEPTED.values(), ids=list(ACCEPTED))
def test_a_dialer_is_trusted_with(signals: ClockSignals) -> None:
    verdict = judge(signals, NEW_YORK)
    assert verdict.problems == ()
    assert verdict.warnings == ()


@pytest.mark.parametrize(("signals", "problem"), REFUSED.values(), ids=list(REFUSED))
def test_a_dialer_is_refused_for(signals: ClockSignals, problem: str) -> None:
    (said,) = judge(signals, NEW_YORK).problems
    assert problem in said


def test_a_wrong_clock_and_a_wrong_zone_are_two_problems() -> None:
    signals = replace(FINE, dialer_utc=SUMMER + HOUR, database_offset=2 * HOUR)
    assert len(judge(signals, NEW_YORK).problems) == 2


@pytest.mark.parametrize(("hours", "warned"), [(-5, False), (-4, False), (-6, True), (0, True)])
def test_what_an_administrator_typed_into_servers_only_warns(hours: int, warned: bool) -> None:
    verdict = judge(replace(FINE, standard_offset=hours * HOUR), NEW_YORK)
    assert verdict.problems == ()
    assert bool(verdict.warnings) is warned


def test_a_zone_of_half_hours_is_judged_to_the_quarter() -> None:
    kolkata = ZoneInfo("Asia/Kolkata")
    signals = ClockSignals(SUMMER, SUMMER, timedelta(hours=5, minutes=30), None, timedelta(hours=5.5))
    assert judge(signals, kolkata).problems == ()
    assert judge(replace(signals, database_offset=5 * HOUR), kolkata).problems
