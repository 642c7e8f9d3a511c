"""F024 over a year: how often a dialer is called silent that is not, and how soon one that is."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from years import Year, simulated, verdicts, watch

from vici_brain.domain.silence import DIALER, judge
from vici_brain.domain.windows import BUCKET, floor_to
from vici_brain.simulation.calendar import is_holiday

FIRST, LAST = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC)
DIALERS = [(1500, "America/New_York", 1), (400, "America/New_York", 3), (1500, "Europe/Berlin", 2), (3000, "Asia/Kolkata", 4)]


@pytest.mark.parametrize(("calls_per_day", "zone", "seed"), DIALERS[:3])
def test_a_simulated_year_has_at_most_one_false_alarm_a_week(calls_per_day: int, zone: str, seed: int) -> None:
    year = simulated(calls_per_day, zone, seed)
    seen = watch(year, FIRST, LAST, every=15)
    a_week = Counter(at.isocalendar()[:2] for at, _ in seen.raised)
    assert max(a_week.values()) == 1
    # Each holiday is silent indeed and without a precedent: one alarm, which ends when calls come again. Else next to nothing.
    ordinary = [(at, name) for at, name in seen.raised if not is_holiday(at.astimezone(year.zone).date())]
    assert len(seen.raised) - len(ordinary) == 6
    assert len(ordinary) <= 3
    assert len(seen.resolved) == len(seen.raised)
    assert seen.kinds["normal"] > 5_000


@pytest.mark.parametrize(("calls_per_day", "zone", "seed"), DIALERS)
def test_an_outage_of_an_hour_in_busy_hours_is_always_found_within_the_next_hour(
    calls_per_day: int, zone: str, seed: int
) -> None:
    year, rng = simulated(calls_per_day, zone, seed), np.random.default_rng(5)
    delays: list[timedelta] = []
    while len(delays) < 40:
        day = datetime(2025, 1, 6, tzinfo=year.zone) + timedelta(days=int(rng.integers(0, 350)))
        start = (day + timedelta(hours=10, minutes=int(rng.integers(0, 420)))).astimezone(UTC)
        usual = judge(year.signals(floor_to(start, BUCKET) + timedelta(hours=1))).expected
        if day.weekday() > 4 or is_holiday(day.date()) or usual < 20:
            continue
        found = watch(year.without(start, 60), start, start + timedelta(hours=2))
        assert [name for _, name in found.raised[:1]] == [DIALER], start
        delays.append(found.raised[0][0] - start)
    # The sensor comes by every quarter of an hour, so a quarter more at worst.
    assert max(delays) <= timedelta(minutes=65)


@pytest.mark.parametrize(("first", "last"), [(0.3, 0.9), (1.0, 0.2)], ids=["growth", "decline"])
def test_a_year_of_slow_change_never_calls_the_dialer_silent_but_on_holidays(first: float, last: float) -> None:
    year = simulated(1500, "America/New_York", 1)
    changing = year.scaled(lambda years: min(1.0, first + (last - first) * years))
    seen = watch(changing, FIRST, LAST, every=15)
    ordinary = [(at, name) for at, name in seen.raised if not is_holiday(at.astimezone(year.zone).date())]
    assert [at for at, name in ordinary if name == DIALER] == []
    assert len(ordinary) <= 3


def test_a_dialer_that_is_wound_down_within_two_months_is_declining_and_never_silent() -> None:
    year = simulated(1500, "America/New_York", 1)
    ending = year.scaled(lambda t: float(np.clip(1 - (t - 0.3) * 5.5, 0.0, 1.0)))
    start = year.start + timedelta(days=110)
    noons = [start.replace(hour=16) + timedelta(days=day) for day in range(90)]
    kinds = Counter(verdict.kind for noon in noons for _, verdict in verdicts(ending, noon, noon + timedelta(minutes=5)))
    assert kinds["dialer_silent"] == 0
    assert kinds["declining"] > 20


def test_one_silent_campaign_is_found_and_the_dialer_is_not_blamed() -> None:
    year = simulated(1500, "America/New_York", 1)
    start = datetime(2025, 6, 10, 15, 0, tzinfo=UTC)
    seen = watch(year.without(start, 180, "AUTODIAL"), start - timedelta(hours=2), start + timedelta(hours=6))
    assert {name for _, name in seen.raised} == {"AUTODIAL"}
    assert {name for _, name in seen.resolved} == {"AUTODIAL"}
    assert "dialer_silent" not in seen.kinds


@pytest.mark.parametrize("day", ["2025-03-10", "2025-11-03"])
def test_the_weeks_around_a_clock_change_have_no_alarm(day: str) -> None:
    year: Year = simulated(1500, "America/New_York", 1)
    start = datetime.fromisoformat(day).replace(tzinfo=year.zone).astimezone(UTC) - timedelta(days=2)
    assert watch(year, start, start + timedelta(days=14)).raised == []
