"""A day of calls in numbers: tallies, rates, and what is odd about them.

Belongs here: adding up and judging. Does not: counting calls (brain/daily_calls), wording a page (domain/call_report_page).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from math import sqrt
from statistics import median
from typing import Any

from vici_brain.domain.report_policy import ReportPolicy
from vici_brain.domain.windows import Window

DIMENSIONS = ("campaign", "status", "hour", "rule")
# Below four standard errors a rate that moved is the luck of the day.
_STANDARD_ERRORS = 4.0


@dataclass(frozen=True, slots=True)
class Tally:
    """Calls of one kind; ``answered``, ``contacts`` and ``sales`` by the dialer's flags of their status."""

    calls: int = 0
    matched: int = 0
    answered: int = 0
    contacts: int = 0
    sales: int = 0
    dropped: int = 0
    seconds: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def orphaned(self) -> int:
        return self.calls - self.matched

    @property
    def matched_rate(self) -> float | None:
        return share(self.matched, self.calls)

    @property
    def answer_rate(self) -> float | None:
        return share(self.answered, self.calls)

    @property
    def contact_rate(self) -> float | None:
        return share(self.contacts, self.calls)

    @property
    def sale_rate(self) -> float | None:
        """Of contacts: a sale without one is rare, and of all calls the figure would follow the dialing mode."""
        return share(self.sales, self.contacts)

    @property
    def drop_rate(self) -> float | None:
        """Of answered calls and drops, as regulators count it."""
        return share(self.dropped, max(self.answered, self.dropped))


def share(part: float, whole: float) -> float | None:
    """Percent; ``None`` of nothing, which is not zero."""
    return 100 * part / whole if whole else None


@dataclass(frozen=True, slots=True)
class DayCalls:
    """One day of one dialer, or of all."""

    total: Tally = field(default_factory=Tally)
    by: Mapping[str, Mapping[str, Tally]] = field(default_factory=dict)
    """Of each of :data:`DIMENSIONS`, by name."""

    def __add__(self, other: "DayCalls") -> "DayCalls":
        by = {
            dimension: {
                name: self.of(dimension).get(name, Tally()) + other.of(dimension).get(name, Tally())
                for name in (*self.of(dimension), *(set(other.of(dimension)) - set(self.of(dimension))))
            }
            for dimension in DIMENSIONS
        }
        return DayCalls(self.total + other.total, by)

    def of(self, dimension: str) -> Mapping[str, Tally]:
        return self.by.get(dimension, {})

    def hour(self, hour: int) -> Tally:
        return self.of("hour").get(str(hour), Tally())


@dataclass(frozen=True, slots=True)
class SlowSync:
    kind: str
    started_at: datetime
    seconds: float
    rows_read: int


@dataclass(frozen=True, slots=True)
class Care:
    """How a day was kept: proofs, gaps and waits. ``due_buckets`` are those of the day that are over."""

    due_buckets: int = 0
    read_buckets: int = 0
    proven_buckets: int = 0
    differing_buckets: int = 0
    syncs: int = 0
    failed_syncs: int = 0
    gaps_healed: int = 0
    calls_healed: int = 0
    buckets_repaired: int = 0
    match_p50: float | None = None
    match_p95: float | None = None
    match_max: float | None = None
    slowest: tuple[SlowSync, ...] = ()

    @property
    def proven_percent(self) -> float:
        return share(self.proven_buckets, self.due_buckets) or 0.0

    @property
    def is_proven(self) -> bool:
        return 0 < self.due_buckets <= self.proven_buckets

    def __add__(self, other: "Care") -> "Care":
        """Of two dialers: counts add up; of the waits, which cannot be added, the longer one stands."""
        counts: dict[str, Any] = {name: getattr(self, name) + getattr(other, name) for name in _COUNTS}
        slowest = sorted((*self.slowest, *other.slowest), key=lambda each: -each.seconds)[:5]
        return replace(
            Care(**counts),
            match_p50=_longer(self.match_p50, other.match_p50),
            match_p95=_longer(self.match_p95, other.match_p95),
            match_max=_longer(self.match_max, other.match_max),
            slowest=tuple(slowest),
        )


_COUNTS = (
    *("due_buckets", "read_buckets", "proven_buckets", "differing_buckets", "syncs", "failed_syncs", "gaps_healed"),
    *("calls_healed", "buckets_repaired"),
)


def _longer(one: float | None, other: float | None) -> float | None:
    known = [each for each in (one, other) if each is not None]
    return max(known) if known else None


@dataclass(frozen=True, slots=True)
class InstanceDay:
    """The report of one dialer (blank: all together): the day, the day before, and the same weekdays before it, newest first."""

    instance: str
    day: date
    zone: str
    window: Window
    calls: DayCalls
    care: Care
    day_before: DayCalls
    weekdays: tuple[DayCalls, ...] = ()
    anomalies: tuple[str, ...] = ()

    @property
    def is_final(self) -> bool:
        return self.care.is_proven


def anomalies(calls: DayCalls, care: Care, weekdays: Sequence[DayCalls], policy: ReportPolicy) -> tuple[str, ...]:
    """What is odd about a day, each in one sentence; days without any call are no evidence of what is usual."""
    usual = [day for day in weekdays if day.total.calls]
    found = [*_kept(care), *_drops(calls, policy)]
    if usual:
        found += [*_volume(calls, usual, policy), *_rates(calls, usual, policy), *_silent_hours(calls, usual, policy)]
        found += _gone(calls, usual, policy)
    return tuple(found)


def _kept(care: Care) -> Iterator[str]:
    if not care.is_proven:
        open_buckets = care.due_buckets - care.proven_buckets
        yield f"not proven: {open_buckets:,} of {care.due_buckets:,} five-minute buckets are not proven equal to the dialer"
    if care.failed_syncs:
        yield f"{care.failed_syncs:,} of {care.syncs:,} syncs failed"


def _drops(calls: DayCalls, policy: ReportPolicy) -> Iterator[str]:
    rate = calls.total.drop_rate
    if rate is not None and rate > policy.most_drop_percent and calls.total.answered >= policy.least_calls:
        yield f"{rate:.1f} % of answered calls were dropped; more than {policy.most_drop_percent:g} % is too many"


def _volume(calls: DayCalls, usual: Sequence[DayCalls], policy: ReportPolicy) -> Iterator[str]:
    expected, seen = median(day.total.calls for day in usual), calls.total.calls
    if max(expected, seen) >= policy.least_calls and abs(seen - expected) > expected * policy.volume_change_percent / 100:
        yield f"{seen:,} calls, where {expected:,.0f} are usual on this weekday"


def _rates(calls: DayCalls, usual: Sequence[DayCalls], policy: ReportPolicy) -> Iterator[str]:
    before = sum((day.total for day in usual), Tally())
    if min(before.calls, calls.total.calls) < policy.least_calls:
        return
    for name, part in (("answered", "answered"), ("contacts", "contacts"), ("matched with a lead", "matched")):
        now, then = getattr(calls.total, part) / calls.total.calls, getattr(before, part) / before.calls
        pooled = (getattr(calls.total, part) + getattr(before, part)) / (calls.total.calls + before.calls)
        error = sqrt(pooled * (1 - pooled) * (1 / calls.total.calls + 1 / before.calls))
        if abs(now - then) * 100 > policy.rate_change_points and abs(now - then) > _STANDARD_ERRORS * error:
            yield f"{100 * now:.1f} % of calls {name}, where {100 * then:.1f} % are usual on this weekday"


def _silent_hours(calls: DayCalls, usual: Sequence[DayCalls], policy: ReportPolicy) -> Iterator[str]:
    silent = [
        hour
        for hour in range(24)
        if not calls.hour(hour).calls and median(day.hour(hour).calls for day in usual) >= policy.least_calls
    ]
    if silent:
        yield f"no call in the hours {', '.join(f'{hour:02}' for hour in silent)}, which are usually busy"


def _gone(calls: DayCalls, usual: Sequence[DayCalls], policy: ReportPolicy) -> Iterator[str]:
    """Campaigns, statuses: one that vanished or appeared is a change at the dialer that somebody made."""
    for dimension, plural in (("campaign", "campaigns"), ("status", "statuses")):
        names = set().union(*(day.of(dimension) for day in usual))
        least = {
            name for name in names if median(day.of(dimension).get(name, Tally()).calls for day in usual) >= policy.least_calls
        }
        if gone := sorted(least - set(calls.of(dimension))):
            yield f"{plural} without a call that usually have many: {', '.join(gone)}"
        fresh = sorted(
            name for name, tally in calls.of(dimension).items() if tally.calls >= policy.least_calls and name not in names
        )
        if fresh:
            yield f"{plural} that are new: {', '.join(fresh)}"
