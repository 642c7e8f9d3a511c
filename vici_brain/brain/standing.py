"""What is wrong in a dialer's ledger now, whatever happened before: an inventory, not an event.

Belongs here: exact counts, capped samples and recovery texts. Does not: acting on them (sensors/call_gaps does).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

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


def ledger_state(
    engine: Engine, instance: str, source_tables: Sequence[str], first: datetime, now: datetime, *, days: int = 90
) -> LedgerState:
    """Buckets never read and buckets not proven although it is time, since ``first``; coverage by hour of the last ``days``.

    It waits longer than the gap sensor does: what that heals by itself in time is nobody's worry.
    """
    store = GapStore(engine)
    window = Window(first, max(first, floor_to(now - _READ_DUE, BUCKET)))
    gaps = store.gaps(instance, source_tables, window, now - _PROOF_DUE)
    due = int(window.length / BUCKET)
    unread = [gap.bucket_start for gap in gaps if gap.never_read]
    unproven = [gap.bucket_start for gap in gaps if not gap.never_read]
    shown = store.coverage(instance, Window(now - timedelta(days=days), now))
    return LedgerState(_standing(unread, due), _standing(unproven, due), tuple(shown))


def _standing(buckets: list[datetime], due: int) -> Standing:
    return Standing(len(buckets), tuple(stretch_name(window) for window in contiguous(buckets)[:SAMPLE]), due)
