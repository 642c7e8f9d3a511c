"""Years of a call centre as counts per five minutes, and the watch over them as the sensor keeps it.

The simulated dialer's own day plans are the source: weekday and lunch profile, holidays, campaigns, in-groups, clock changes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, cached_property
from zoneinfo import ZoneInfo

import numpy as np

from vici_brain.domain.silence import Change, HourSeen, Signals, Verdict, change, judge, same_hours
from vici_brain.domain.windows import BUCKET
from vici_brain.simulation.calendar import Calendar
from vici_brain.simulation.draws import Ints
from vici_brain.simulation.people import People
from vici_brain.simulation.plan import Planner
from vici_brain.simulation.profile import DialerProfile

STEP = 300


@dataclass(frozen=True)
class Year:
    """Calls per five minutes from ``start`` on, by campaign, summed up so that any window is one subtraction."""

    start: datetime
    zone: ZoneInfo
    sums: dict[str, Ints]

    @classmethod
    def of(cls, start: datetime, zone: str, counts: dict[str, Ints]) -> "Year":
        return cls(start, ZoneInfo(zone), {name: np.concatenate([[0], np.cumsum(each)]) for name, each in counts.items()})

    @property
    def counts(self) -> dict[str, Ints]:
        return {name: np.diff(sums) for name, sums in self.sums.items()}

    def without(self, start: datetime, minutes: int, campaign: str | None = None) -> "Year":
        """The same year with an outage: whole buckets are emptied, those at its edges in proportion."""
        first, last = (start - self.start).total_seconds() / STEP, (start - self.start).total_seconds() / STEP + minutes / 5
        counts = self.counts
        for name, each in counts.items():
            if campaign in (None, name):
                for bucket in range(int(first), int(np.ceil(last))):
                    lost = min(bucket + 1, last) - max(bucket, first)
                    each[bucket] = round(int(each[bucket]) * (1 - lost))
        return Year.of(self.start, self.zone.key, counts)

    def scaled(self, factor: Callable[[float], float]) -> "Year":
        """The same year grown or shrunk: each bucket thinned by chance to ``factor(years since the start)``."""
        rng = np.random.default_rng(7)
        size = len(next(iter(self.counts.values())))
        share = np.array([factor(bucket * STEP / 31_557_600) for bucket in range(size)])
        return Year.of(self.start, self.zone.key, {name: rng.binomial(each, share) for name, each in self.counts.items()})

    @cached_property
    def _sums(self) -> list[tuple[str, "memoryview[int]"]]:
        """Looked into millions of times, where a number of numpy's costs several of Python's."""
        return [(name, sums.data) for name, sums in self.sums.items()]

    @cached_property
    def _of_all(self) -> "memoryview[int]":
        return sum(self.sums.values(), np.zeros(1, dtype=np.int64)).data

    def seen(self, start: datetime, end: datetime, day: tuple[datetime, datetime]) -> HourSeen:
        first, last, day_first, day_last = (self._index(each) for each in (start, end, *day))
        by_campaign = {name: calls for name, sums in self._sums if (calls := sums[last] - sums[first])}
        return HourSeen(by_campaign, start >= self.start, self._of_all[day_last] - self._of_all[day_first])

    def signals(self, end: datetime) -> Signals:
        hours = [self.seen(hour.start, hour.end, (day.start, day.end)) for hour, day in same_hours(end, self.zone)]
        return Signals(end, hours[0], hours[1:], None)

    def _index(self, at: datetime) -> int:
        return min(len(self._of_all) - 1, max(0, (at - self.start) // BUCKET))


@dataclass
class Watch:
    """What a year of verdicts raised and resolved, oldest first."""

    raised: list[tuple[datetime, str]]
    resolved: list[tuple[datetime, str]]
    kinds: dict[str, int]


def watch(year: Year, since: datetime, until: datetime, every: int = 5) -> Watch:
    """Judges the hour before every ``every`` minutes of ``[since, until)`` and keeps the open silences."""
    seen, opened = Watch([], [], {}), dict[str, datetime]()
    for at, verdict in verdicts(year, since, until, every):
        done: Change = change(opened, verdict, at)
        seen.kinds[verdict.kind] = seen.kinds.get(verdict.kind, 0) + 1
        for name in done.raised:
            seen.raised.append((at, name))
            opened[name] = at
        for name in done.resolved:
            seen.resolved.append((at, name))
            del opened[name]
    return seen


def verdicts(year: Year, since: datetime, until: datetime, every: int = 5) -> Iterator[tuple[datetime, Verdict]]:
    at = since
    while at < until:
        yield at, judge(year.signals(at))
        at += timedelta(minutes=every)


@cache
def simulated(calls_per_day: int = 1500, zone: str = "America/New_York", seed: int = 1, days: int = 425) -> Year:
    """A simulated dialer's calls from 4 November 2024 on: eight weeks to learn from, and a year with its holidays."""
    profile = DialerProfile(first_day=date(2024, 11, 4), calls_per_day=calls_per_day, time_zone=zone, seed=seed)
    profile = replace(profile, leads=max(profile.leads, calls_per_day * 10))
    calendar = Calendar(profile)
    planner = Planner(profile, calendar, People(profile, calendar))
    start = datetime(2024, 11, 4, tzinfo=UTC)
    size = days * 86_400 // STEP
    counts: dict[str, Ints] = {name: np.zeros(size, dtype=np.int64) for name in (*profile.campaigns, *profile.inbound_groups)}
    for number in range(days):
        plan = planner.plan(profile.first_day + timedelta(days=number))
        for rows, names in ((plan.log, profile.campaigns), (plan.closer, profile.inbound_groups)):
            buckets = (rows.start - int(start.timestamp())) // STEP
            for index, name in enumerate(names):
                mine = buckets[(rows.campaign == index) & (buckets >= 0) & (buckets < size)]
                counts[name] += np.bincount(mine, minlength=size)
    return Year.of(start, zone, counts)
