"""What every sync of one dialer works with.

Belongs here: the bundle of stores, clock and progress that flows take. Does not: any step of a sync.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from vici_brain.brain.journal import SyncIdentity
from vici_brain.domain.windows import Window
from vici_brain.flows.read_calls import SliceDone
from vici_brain.vici.dialer import Dialer

TRAILING = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class SliceProven:
    """Progress: one slice of one source table, proven as far as it could be."""

    source_table: str
    window: Window
    buckets: int
    differing: int


@dataclass(frozen=True, slots=True)
class Syncing:
    """Everything a sync of one dialer works with; the clock is ours and is compared with the dialer's."""

    dialer: Dialer
    brain: Engine
    clock: Callable[[], datetime]
    slow_seconds: float = 60.0
    dry_run: bool = False
    on_slice: Callable[[SliceDone], None] = lambda _: None
    on_proof: Callable[[SliceProven], None] = lambda _: None
    trailing: timedelta = TRAILING
    """How far back every tick proves again: the rows that show up late, and most dispositions, come within half an hour."""


def window_of(identity: SyncIdentity) -> Window:
    """The window of ``identity``; a sync of calls without one is a mistake of the caller."""
    if identity.window is None:
        raise ValueError("a sync of calls needs a window")
    return identity.window
