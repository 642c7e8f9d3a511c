"""Whether a dialer is silent when its own past says that it should be busy.

Belongs here: the verdict on an hour from counts, and what a verdict changes about the open silences. Does not: counting
(brain/activity) or keeping alerts (brain/alerts).

The past is the same hour of the week, on the dialer's own clock, of eight weeks. Days that were quiet as a whole (holidays) are
left out; of the rest the median is taken, and lowered to what a slow decline leads to. An hour is silent when it has at most a
tenth of that: a dialer whose dialling died still gets a few inbound calls, so zero would see nothing. A holiday itself, unlike
anything in eight weeks, does raise one alarm, which stays open until calls come again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import sqrt
from statistics import median
from typing import Literal
from zoneinfo import ZoneInfo

from vici_brain.domain.windows import Window

Kind = Literal[
    "dialer_silent", "campaign_silent", "declining", "closed_hours", "not_enough_history", "unknown_not_read", "normal"
]
HOUR = timedelta(hours=1)
WEEKS = 8
ENOUGH_WEEKS = 3
# Where 12 calls are usual, chance alone leaves one or none in an hour out of twelve thousand; with fewer, silence says nothing.
BUSY_FROM = 12.0
QUIET_SHARE = 0.1
WORKING_SHARE = 0.5
BACK_SHARE, BACK_FROM = 0.25, 3
HOLIDAY_SHARE = 0.25
DECLINE_SHARE = 0.4
CAMPAIGN_ENDED_AFTER = timedelta(days=8)
DIALER = ""
"""The name under which the whole dialer stands among the silent campaigns."""


@dataclass(frozen=True, slots=True)
class HourSeen:
    """Sixty minutes of one dialer: calls by campaign, whether the ledger has read all of it, and the calls of its local day."""

    by_campaign: Mapping[str, int]
    is_read: bool
    day_calls: int = 0

    @property
    def calls(self) -> int:
        return sum(self.by_campaign.values())


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known at ``now``: the hour before it, the same hour of each past week (newest first), and the newest call."""

    now: datetime
    last: HourSeen
    past: Sequence[HourSeen]
    newest_call: datetime | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an hour; ``expected`` is the usual number of calls, ``back`` who has calls again worth the name."""

    kind: Kind
    calls: int
    expected: float
    reasons: tuple[str, ...]
    silent: tuple[str, ...] = ()
    back: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Change:
    """What a verdict does to the open silences: names (``DIALER`` or a campaign) to raise, and to resolve with the reason."""

    raised: tuple[str, ...] = ()
    resolved: Mapping[str, str] = field(default_factory=dict)


def same_hours(end: datetime, zone: ZoneInfo) -> Iterator[tuple[Window, Window]]:
    """The hour before ``end`` and the same wall hour of each past week, each with its local day; clock changes shift it."""
    wall = (end - HOUR).astimezone(zone).replace(tzinfo=None)
    for week in range(WEEKS + 1):
        then = wall - timedelta(weeks=week)
        start = (end - HOUR) if week == 0 else then.replace(tzinfo=zone).astimezone(UTC)
        midnight = then.replace(hour=0, minute=0, second=0, microsecond=0)
        day = Window(midnight.replace(tzinfo=zone), (midnight + timedelta(days=1)).replace(tzinfo=zone))
        yield Window(start, start + HOUR), day


def judge(signals: Signals) -> Verdict:
    """What the last hour means, beside the same hour of past weeks."""
    last = signals.last
    if not last.is_read:
        reason = "the last hour was not read whole, so it may have had any number of calls"
        return Verdict("unknown_not_read", last.calls, 0.0, (reason,))
    kept = _workdays([(week, hour) for week, hour in enumerate(signals.past, start=1) if hour.is_read])
    if len(kept) < ENOUGH_WEEKS:
        reason = f"{len(kept)} of the past {len(signals.past)} weeks can be compared with; {ENOUGH_WEEKS} are needed"
        return Verdict("not_enough_history", last.calls, 0.0, (reason,), back=_back(last, {}))
    return _compared(signals, kept)


def _compared(signals: Signals, kept: list[tuple[int, HourSeen]]) -> Verdict:
    """The verdict on an hour that was read, beside weeks that can be compared with."""
    last = signals.last
    counts = {week: hour.calls for week, hour in kept}
    trend = min(_median(counts), _trend(counts))
    usual = {name: _median({week: hour.by_campaign.get(name, 0) for week, hour in kept}) for name in last.by_campaign}
    back = _back(last, usual | {DIALER: trend})
    usually = f"{last.calls} calls in the last hour; {trend:.0f} are usual, from {len(kept)} of {len(signals.past)} weeks"
    if trend < BUSY_FROM:
        kind: Kind = "declining" if _declines(counts) else "closed_hours"
        return Verdict(kind, last.calls, trend, (usually, f"fewer than {BUSY_FROM:.0f}: silence says nothing here"), back=back)
    if last.calls <= trend * QUIET_SHARE:
        since = f"newest call {signals.newest_call:%Y-%m-%d %H:%M} UTC" if signals.newest_call else "no call was ever read"
        return Verdict("dialer_silent", last.calls, trend, (usually, since), (DIALER,), back)
    silent = _silent_campaigns(last, kept)
    if silent:
        reasons = tuple(f"{name}: {last.by_campaign.get(name, 0)} calls, {often:.0f} are usual" for name, often in silent.items())
        return Verdict("campaign_silent", last.calls, trend, (usually, *reasons), tuple(silent), back)
    if _declines(counts):
        return Verdict("declining", last.calls, trend, (usually, f"{_start(counts):.0f} were usual at first"), back=back)
    return Verdict("normal", last.calls, trend, (usually,), back=back)


def change(opened: Mapping[str, datetime], verdict: Verdict, now: datetime) -> Change:
    """Raises what is silent and not open yet; resolves what has calls again, and campaigns that have ended.

    One open alert a silence: closed hours and hours that were not read neither raise nor resolve, so a weekend in between does
    not make it two. While the whole dialer is silent, its campaigns are not judged apart.
    """
    resolved = {name: f"calls came again: {verdict.reasons[0]}" for name in opened if name in verdict.back}
    for name, since in opened.items():
        if name != DIALER and name not in resolved and name not in verdict.silent and now - since >= CAMPAIGN_ENDED_AFTER:
            resolved[name] = "the campaign has had no calls for a week: it seems to have ended"
    raised = tuple(name for name in verdict.silent if name not in opened)
    return Change(raised, {name: note for name, note in resolved.items() if name not in verdict.silent})


def _workdays(weeks: list[tuple[int, HourSeen]]) -> list[tuple[int, HourSeen]]:
    """Without the days that were quiet as a whole."""
    if not weeks:
        return []
    usual = median(hour.day_calls for _, hour in weeks)
    return [(week, hour) for week, hour in weeks if hour.day_calls > usual * HOLIDAY_SHARE or not usual]


def _median(counts: Mapping[int, int]) -> float:
    return float(median(counts.values()))


def _trend(counts: Mapping[int, int]) -> float:
    """Where the median of all slopes between two weeks (Theil and Sen) leads to now; two odd weeks of eight do not move it."""
    weeks = sorted(counts)
    slopes = [(counts[near] - counts[far]) / (far - near) for i, near in enumerate(weeks) for far in weeks[i + 1 :]]
    slope = median(slopes)
    return max(0.0, float(median(counts[week] + slope * week for week in weeks)))


def _start(counts: Mapping[int, int]) -> float:
    return float(median(counts[week] for week in sorted(counts)[-3:]))


def _declines(counts: Mapping[int, int]) -> bool:
    """Whether weeks slid down, by a share that matters and by more than chance."""
    start = _start(counts)
    return start >= BUSY_FROM and start - _trend(counts) >= max(DECLINE_SHARE * start, 4 * sqrt(start))


def _silent_campaigns(last: HourSeen, kept: list[tuple[int, HourSeen]]) -> dict[str, float]:
    """Campaigns without calls that were there every week until the last, while the others work; with their usual calls."""
    found: dict[str, float] = {}
    for name in sorted({name for _, hour in kept for name in hour.by_campaign}):
        counts = {week: hour.by_campaign.get(name, 0) for week, hour in kept}
        often, calls = _median(counts), last.by_campaign.get(name, 0)
        if often < BUSY_FROM or calls > often * QUIET_SHARE:
            continue
        often = min(often, _trend(counts))
        others = float(median(hour.calls - hour.by_campaign.get(name, 0) for _, hour in kept))
        works = last.calls - calls >= max(1.0, others * WORKING_SHARE)
        quiet = [week for week, count in counts.items() if count <= often * QUIET_SHARE]
        steady = min(counts) not in quiet and len(quiet) <= len(kept) / 4
        if often >= BUSY_FROM and calls <= often * QUIET_SHARE and works and steady:
            found[name] = often
    return found


def _back(last: HourSeen, usual: Mapping[str, float]) -> frozenset[str]:
    """The dialer and the campaigns that have, again or still, a quarter of their usual calls, and three at least."""
    counts = {**last.by_campaign, DIALER: last.calls}
    return frozenset(name for name, calls in counts.items() if calls >= max(BACK_FROM, usual.get(name, 0.0) * BACK_SHARE))
