"""The daily report on calls and appointments: a local day in numbers, held against its goals, in words, kept and told.

Belongs here: which day, the goals, the words. Does not: counting (brain/consistency_figures), pictures (orchestration), or
sending.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from vici_brain.brain.consistency_figures import AlertCount, ConsistencyFigures, Figures, KeptReport, days_reported, keep_report
from vici_brain.brain.database import brain_errors
from vici_brain.brain.outbox import Message, tell, was_told

_LOOK_BACK = 7


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure and its bound; ``measured`` is ``None`` where the day had nothing to measure."""

    name: str
    measured: float | None
    bound: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


@dataclass(frozen=True, slots=True)
class ConsistencyReport:
    """A day's report; ``told`` if this call put the message out, which happens once, and not before the day is over."""

    day: date
    zone: str
    start: datetime
    end: datetime
    figures: Figures
    goals: tuple[Goal, ...]
    markdown: str
    told: bool = False


def goals_of(figures: Figures) -> tuple[Goal, ...]:
    """The six goals. Only what can be put right counts towards auto-correction, and only what was judged to false positives."""
    certain = [each for each in figures.alerts if each.alert_type != "recent_failures"]
    found, corrected = sum(each.found for each in certain), sum(each.corrected for each in certain)
    false = sum(each.false_positives for each in figures.alerts)
    return (
        Goal("consistency rate", figures.rate, 99.5, "%", at_least=True),
        Goal("validation p95", figures.validation_ms, 100.0, "ms"),
        Goal("breaker recovery", figures.recovery_s, 60.0, "s"),
        Goal("alert sent p95", figures.alert_s, 300.0, "s"),
        Goal("auto-correction", 100.0 * corrected / found if found else None, 90.0, "%", at_least=True),
        Goal("false positives", 100.0 * false / figures.inconsistencies if figures.inconsistencies else None, 1.0, "%"),
    )


def local_day(day: date, zone: str) -> tuple[datetime, datetime]:
    """The instants at which a day of ``zone`` begins and ends: 23 to 25 hours apart."""
    midnight = datetime.combine(day, time(), ZoneInfo(zone))
    return midnight, datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone))


def report_consistency(brain: Engine, now: datetime, zone: str, day: date | None = None) -> ConsistencyReport:
    """Reports ``day`` (default: the one before ``now`` in ``zone``) and keeps it; a day that is not over is reported so far."""
    day = day or _yesterday(now, zone)
    start, end = local_day(day, zone)
    figures = ConsistencyFigures(brain).of(start, end, now)
    goals = goals_of(figures)
    words = in_words(day, zone if now >= end else f"{zone}, so far", figures, goals)
    message = _message(day, goals, words)
    with brain_errors(), brain.begin() as connection:
        keep_report(connection, KeptReport(day, zone, start, end, figures, _as_kept(figures, goals), words), now)
        told = now >= end and not was_told(connection, message.fingerprint)
        if told:
            tell(connection, message, now)
    return ConsistencyReport(day, zone, start, end, figures, goals, words, told)


def report_what_is_due(brain: Engine, now: datetime, zone: str) -> tuple[ConsistencyReport, ...]:
    """Reports yesterday and, of the week before, the days that a stopped scheduler left out; the newest last."""
    yesterday = _yesterday(now, zone)
    first, complete = days_reported(brain, yesterday - timedelta(days=_LOOK_BACK))
    missed = (yesterday - timedelta(days=back) for back in range(_LOOK_BACK, 0, -1))
    due = [day for day in missed if first is not None and day > first and day not in complete]
    return tuple(report_consistency(brain, now, zone, day) for day in (*due, yesterday))


def _yesterday(now: datetime, zone: str) -> date:
    return now.astimezone(ZoneInfo(zone)).date() - timedelta(days=1)


def _as_kept(figures: Figures, goals: Sequence[Goal]) -> dict[str, object]:
    return {
        "goals": {goal.name: {"measured": goal.measured, "bound": goal.bound, "met": goal.met} for goal in goals},
        "alerts": [asdict(each) for each in figures.alerts],
        "top": [{"alert_type": kind, "description": said, "times": times} for kind, said, times in figures.top],
        "breakers": [asdict(each) for each in figures.breakers],
        "inconsistent_calls": figures.inconsistent_calls,
        "open_reviews": figures.open_reviews,
        "booking_errors": figures.booking_errors,
    }


def in_words(day: date, zone: str, figures: Figures, goals: Sequence[Goal]) -> str:
    """The report as Markdown."""
    corrected, by_hand = (sum(getattr(each, name) for each in figures.alerts) for name in ("corrected", "by_hand"))
    opened = sum(each.open for each in figures.alerts)
    parts = [
        f"## Calls and appointments on {day} ({zone})",
        (
            f"{figures.calls:,} calls, {figures.appointments:,} appointments, {figures.inconsistencies:,} inconsistencies: "
            f"{corrected:,} corrected automatically, {by_hand:,} otherwise, {opened:,} open. "
            f"{figures.booking_errors:,} bookings failed. {figures.open_reviews:,} items wait for a person."
        ),
        _table(("goal", "measured", "bound", ""), [_goal(goal) for goal in goals]),
    ]
    if figures.alerts:
        parts.append(
            _table(("type", "severity", "found", "corrected", "otherwise", "open"), [_count(each) for each in figures.alerts])
        )
        top = [(kind, description, f"{times:,}") for kind, description, times in figures.top]
        parts.append("### Top offenders\n\n" + _table(("type", "what", "seen"), top))
    if figures.breakers:
        rows = [(each.circuit_key, f"{each.opened:,}", f"{each.closed:,}", each.state) for each in figures.breakers]
        parts.append("### Circuit breakers\n\n" + _table(("breaker", "opened", "closed", "now"), rows))
    return "\n\n".join(parts)


def _message(day: date, goals: Sequence[Goal], words: str) -> Message:
    missed = [goal.name for goal in goals if goal.met is False]
    title = f"Calls and appointments on {day}: " + (
        f"missed {', '.join(missed)}" if missed else "every goal that was measured is met"
    )
    severity = "warning" if missed else "info"
    return Message(
        "daily_consistency_report", f"daily_consistency_report/{day}", title, words, severity, "/assets/daily_consistency_report"
    )


def _goal(goal: Goal) -> tuple[str, ...]:
    verdict = {None: "nothing to measure", True: "met", False: "**missed**"}[goal.met]
    measured = "–" if goal.measured is None else f"{goal.measured:.2f} {goal.unit}"
    return goal.name, measured, f"{'≥' if goal.at_least else '≤'} {goal.bound:g} {goal.unit}", verdict


def _count(each: AlertCount) -> tuple[str, ...]:
    return each.alert_type, each.severity, *(f"{number:,}" for number in (each.found, each.corrected, each.by_hand, each.open))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + " --- |" * len(head), *lines[1:]])
