"""Which stretches of a dialer's history must be read again, and which of them now.

Belongs here: the decision, from what the ledger lacks and what is under way. Does not: asking the ledger (brain/gaps) or
Dagster (sensors).

Nothing is remembered between two decisions: what is missing is computed anew each time, so a restart, a deleted run or a week of
outage needs no bookkeeping.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from vici_brain.domain.windows import BUCKET, Window

MOST_BUCKETS = 2016
"""Partitions one run may have: a week."""
_FIRST_PAUSE = timedelta(minutes=5)
_LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Attempts:
    """Earlier runs for one stretch that have ended without filling it."""

    count: int
    last_ended: datetime

    @property
    def next_due(self) -> datetime:
        """Twice as long after each try; the exponent has an end too, because a stretch may fail for years."""
        return self.last_ended + min(_FIRST_PAUSE * (1 << min(self.count - 1, 16)), _LONGEST_PAUSE)


@dataclass(frozen=True, slots=True)
class Repair:
    """A stretch to read again, after what was tried ``before``."""

    window: Window
    before: Attempts | None = None

    @property
    def attempt(self) -> int:
        return self.before.count + 1 if self.before else 1

    @property
    def key(self) -> str:
        """The same for the same try at the same stretch, so that two ticks never launch it twice, and never used again.

        The count alone would be: it falls when an old run is deleted, and Dagster takes no key a second time.
        """
        last = f" after {self.before.last_ended:%Y-%m-%dT%H:%M:%S}" if self.before else ""
        return f"{origin(self.window)}#{self.attempt}{last}"


@dataclass(frozen=True, slots=True)
class GapVerdict:
    """What to launch now, and why the rest waits."""

    repairs: tuple[Repair, ...]
    reasons: tuple[str, ...]


def stretch_name(window: Window) -> str:
    return f"{window.start:%Y-%m-%dT%H:%M}..{window.end:%Y-%m-%dT%H:%M}"


def origin(window: Window) -> str:
    """What tries at a stretch are counted by: its start, because the newest stretch grows between two tries."""
    return f"{window.start:%Y-%m-%dT%H:%M}"


def contiguous(buckets: Iterable[datetime], longest: int = MOST_BUCKETS) -> list[Window]:
    """``buckets`` (starts, any order) as windows without a hole, none longer than ``longest`` buckets, oldest first."""
    windows: list[Window] = []
    for start in sorted(set(buckets)):
        last = windows[-1] if windows else None
        if last is not None and last.end == start and last.length < longest * BUCKET:
            windows[-1] = Window(last.start, start + BUCKET)
        else:
            windows.append(Window(start, start + BUCKET))
    return windows


def decide(
    holes: Sequence[Window],
    under_way: Sequence[Window],
    attempts: Callable[[Window], Attempts | None],
    *,
    now: datetime,
    at_once: int,
) -> GapVerdict:
    """The oldest of ``holes`` that no run works on, up to ``at_once`` runs in all; a stretch that failed waits ever longer.

    ``attempts`` is asked only while a run is free, so thousands of holes cost nothing.
    """
    if not holes:
        return GapVerdict((), ("every bucket that is due was read and proven",))
    repairs: list[Repair] = []
    waiting = busy = 0
    for hole in sorted(holes, key=lambda window: window.start):
        if any(hole.start < other.end and other.start < hole.end for other in under_way):
            busy += 1
            continue
        if len(repairs) + len(under_way) >= at_once:
            continue
        before = attempts(hole)
        if before is not None and now < before.next_due:
            waiting += 1
        else:
            repairs.append(Repair(hole, before))
    count = sum(int(hole.length / BUCKET) for hole in holes)
    oldest = min(hole.start for hole in holes)
    reasons = [f"{count} buckets in {len(holes)} stretches are not read or not proven, the oldest {oldest:%Y-%m-%d %H:%M} UTC"]
    if busy:
        reasons.append(f"{busy} stretches are being read")
    if waiting:
        reasons.append(f"{waiting} stretches failed before and wait for their next try")
    if left := len(holes) - len(repairs) - busy - waiting:
        reasons.append(f"{left} stretches wait for a free run ({len(under_way)} of {at_once} in use)")
    return GapVerdict(tuple(repairs), tuple(reasons))
