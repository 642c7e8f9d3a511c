"""The daily report on calls and appointments: a local day in numbers, held against its goals, in words, kept and told.

Belongs here: which day, the goals, the words. Does not: counting (brain/consistency_figures), pictures (orchestration), or
sending.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from vici_brain.brain.consistency_figures import AlertCount, ConsistencyFigures, Figures, KeptReport, keep_report
from vici_brain.brain.database import brain_errors
from vici_brain.brain.outbox import Message, tell


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
    """A day's report; ``is_new`` is false when it replaced one."""

    day: date
    zone: str
    start: datetime
    end: datetime
    figures: Figures
    goals: tuple[Goal, ...]
    markdown: str
    is_new: bool = True


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
    """Reports ``day`` (default: the one before ``now`` in ``zone``); kept, and told once: a second report of a day is only
    kept.
    """
    day = day or now.astimezone(ZoneInfo(zone)).date() - timedelta(days=1)
    start, end = local_day(day, zone)
    figures = ConsistencyFigures(brain).of(start, end, now)
    goals = goals_of(figures)
    words = in_words(day, zone, figures, goals)
    shown = {
        "goals": {goal.name: {"measured": goal.measured, "bound": goal.bound, "met": goal.met} for goal in goals},
        "alerts": {f"{each.alert_type}/{each.severity}": each.found for each in figures.alerts},
        "breakers": {key: {"opened": opened, "closed": closed} for key, opened, closed in figures.breakers},
        "open_reviews": figures.open_reviews,
        "booking_errors": figures.booking_errors,
    }
    with brain_errors(), brain.begin() as connection:
        is_new = keep_report(connection, KeptReport(day, zone, start, end, figures, shown, words), now)
        if is_new:
            tell(connection, _message(day, goals, words), now)
    return ConsistencyReport(day, zone, start, end, figures, goals, words, is_new)


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
        rows = [(key, f"{opened_:,}", f"{closed:,}") for key, opened_, closed in figures.breakers]
        parts.append("### Circuit breakers\n\n" + _table(("breaker", "opened", "closed"), rows))
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
