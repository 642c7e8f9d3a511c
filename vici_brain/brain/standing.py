"""What is wrong in a dialer's ledger now, whatever happened before: an inventory, not an event.

Belongs here: exact counts, capped samples and recovery texts. Does not: acting on them (sensors/call_gaps does).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import Engine

from vici_brain.brain.gaps import GapStore, HourCoverage
from vici_brain.domain.gaps import contiguous, stretch_name
from vici_brain.domain.windows import BUCKET, Window, floor_to

SAMPLE = 20
_READ_DUE, _PROOF_DUE = timedelta(minutes=30), timedelta(minutes=90)


@dataclass(frozen=True, slots=True)
class Standing:
    """One standing question: how many buckets offend, as which stretches, and how much of what is due is in order."""

    offending: int
    stretches: tuple[str, ...]
    due: int

    @property
    def passed(self) -> bool:
        return self.offending == 0


@dataclass(frozen=True, slots=True)
class LedgerState:
    """The ledger of one dialer at a moment."""

    unread: Standing
    unproven: Standing
    coverage: tuple[HourCoverage, ...]
    shown: Window
    """What ``coverage`` is of."""
    tables: int

    def share(self, hour: HourCoverage) -> float:
        """Share proven of what of an hour is due: a bucket that was never read is not proven either."""
        start = datetime.combine(hour.day, time(hour.hour), UTC)
        return hour.proven / self._due(max(start, self.shown.start), min(start + timedelta(hours=1), self.shown.end))

    @property
    def proven_percent(self) -> float:
        due = self._due(self.shown.start, self.shown.end)
        return 100 * sum(hour.proven for hour in self.coverage) / due if due else 0.0

    def _due(self, start: datetime, end: datetime) -> float:
        return (end - start) / BUCKET * self.tables


def ledger_state(
    engine: Engine, instance: str, source_tables: Sequence[str], first: datetime, now: datetime, *, days: int = 90
) -> LedgerState:
    """Buckets never read and buckets not proven although it is time, since ``first``; coverage by hour of the last ``days`` days.

    It waits longer than the gap sensor does: what that heals by itself in time is nobody's worry.
    """
    store = GapStore(engine)
    window = Window(first, max(first, floor_to(now - _READ_DUE, BUCKET)))
    gaps = store.gaps(instance, source_tables, window, now - _PROOF_DUE, most=None)
    due = int(window.length / BUCKET)
    unread = [gap.bucket_start for gap in gaps if gap.never_read]
    unproven = [gap.bucket_start for gap in gaps if not gap.never_read]
    midnight = floor_to(now, timedelta(days=1)) - timedelta(days=days - 1)
    shown = Window(max(window.start, midnight), window.end)
    coverage = tuple(store.coverage(instance, shown))
    return LedgerState(_standing(unread, due), _standing(unproven, due), coverage, shown, len(source_tables))


def _standing(buckets: list[datetime], due: int) -> Standing:
    return Standing(len(buckets), tuple(stretch_name(window) for window in contiguous(buckets)[:SAMPLE]), due)
