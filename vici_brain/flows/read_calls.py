"""Reading the calls of a window from one dialer into Brain, slice by slice.

Belongs here: the order of slices, retries, and the counts of it all. Does not: SQL of either side, nor which window is due.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import perf_counter
from typing import Self

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from vici_brain.brain.calls import CallStore, MergeCounts
from vici_brain.brain.database import brain_now
from vici_brain.domain.call_rows import clean
from vici_brain.domain.statuses import CallStatus
from vici_brain.domain.windows import OVERLAP, Window, floor_to
from vici_brain.errors import RetriableError
from vici_brain.vici.call_tables import CALL_TABLES, CallTable
from vici_brain.vici.dialer import Dialer, DialerSession, LinePage, Page

SHORTEST, LONGEST = timedelta(hours=1), timedelta(days=1)
_FEW_ROWS, _MANY_ROWS = 3_000, 20_000
_MERGERS = 2


@dataclass(frozen=True, slots=True)
class SliceDone:
    """Progress: a slice of one source table that has landed."""

    source_table: str
    window: Window
    counts: MergeCounts
    seconds: float


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What reading a window did; ``window`` ends where the dialer's clock stood if that was earlier than asked."""

    window: Window
    counts: MergeCounts
    slices: int
    seconds: float
    dialer_utc: datetime
    clock_skew_seconds: float
    behind_seconds: float
    """How far a replica was behind its dialer; what it did not show yet was not read."""
    warnings: tuple[str, ...] = ()
    missing_tables: tuple[str, ...] = ()
    statuses: tuple[CallStatus, ...] = ()


def read_calls(
    dialer: Dialer,
    calls: CallStore,
    window: Window,
    *,
    clock: Callable[[], datetime],
    overlap: timedelta = OVERLAP,
    dry_run: bool = False,
    on_slice: Callable[[SliceDone], None] = lambda _: None,
    is_done: Callable[[CallTable, Window], bool] = lambda _table, _window: False,
    opened: DialerSession | None = None,
) -> ReadResult:
    """Reads ``[start - overlap, end)`` and merges it slice by slice; whole buckets enter the ledger.

    A slice is one transaction of an hour, or of up to a day where calls are few: for long quiet stretches the cost is per commit,
    not per call. The dialer never sees a statement longer than its policy's slice_length.

    What is in the future by the dialer's clock is not read. A slice that met a deadlock or a lost connection is read again,
    whole, up to three times; slices that landed stay landed. ``is_done`` leaves slices out when a batch is resumed. ``opened``
    is a session that is open already.
    """
    started = perf_counter()
    # Beside one reader two mergers keep a small machine busy; for a tick a second connection to Brain costs more than it saves.
    mergers = _MERGERS if window.length > SHORTEST else 1
    with (
        nullcontext(opened) if opened else dialer.session(clock) as session,
        _Merging(calls, dialer, on_slice, mergers, dry_run=dry_run) as merging,
    ):
        dialer_utc = session.utc_now()
        window = Window(min(window.start, dialer_utc), min(window.end, dialer_utc))
        start, length = window.start, SHORTEST
        while start < window.end:
            piece = Window(start, min(window.end, floor_to(start, SHORTEST) + length))
            # Inbound calls first: mostly the fewer ones, they land while the others are read.
            most, due = 0, [table for table in reversed(CALL_TABLES) if not is_done(table, piece)]
            read_at = brain_now(calls.engine) if due else None
            for table in due:
                read = piece.reaching_back(overlap) if piece.start == window.start else piece
                taken = take_slice(session, calls, table, read, read_at=read_at)
                merging.add(taken)
                most = max(most, taken.rows)
            start, length = piece.end, next_length(length, most)
        statuses = tuple(session.statuses())
        merging.finish()
        return ReadResult(
            window,
            merging.total,
            merging.slices,
            perf_counter() - started,
            dialer_utc,
            session.clock.skew.total_seconds(),
            session.behind.total_seconds(),
            session.clock.warnings,
            tuple(table.archive.name for table in CALL_TABLES if table.archive.name not in session.present),
            statuses,
        )


def read_slice(
    session: DialerSession,
    calls: CallStore,
    table: CallTable,
    window: Window,
    *,
    ledger: Window | None = None,
    dry_run: bool = False,
) -> SliceDone:
    """Reads and merges one slice of one table; see :func:`take_slice` and :func:`land_slice`."""
    return land_slice(calls, session.dialer, take_slice(session, calls, table, window, ledger=ledger), dry_run=dry_run)


@dataclass(frozen=True, slots=True)
class Taken:
    """A slice as the dialer gave it, not yet in Brain; ``read_at`` is Brain's clock from before it was read."""

    table: CallTable
    window: Window
    ledger: Window
    read_at: datetime
    pages: tuple[Page | LinePage, ...]
    seconds: float

    @property
    def rows(self) -> int:
        return sum(page.count for page in self.pages)


_again = retry(
    retry=retry_if_exception_type(RetriableError),
    stop=stop_after_attempt(3),
    wait=wait_random_exponential(multiplier=0.5, max=5),
    reraise=True,
)


@_again
def take_slice(
    session: DialerSession,
    calls: CallStore,
    table: CallTable,
    window: Window,
    *,
    ledger: Window | None = None,
    read_at: datetime | None = None,
) -> Taken:
    """Reads one slice of one table, whole, up to three times if the dialer fails meanwhile.

    The whole buckets of ``ledger`` (default: of the window) will count as read, at ``read_at`` (default: now) by Brain's clock.
    """
    started, read_at = perf_counter(), read_at or brain_now(calls.engine)
    pages = tuple(session.pages(table, window))
    return Taken(table, window, (ledger or window).whole_buckets(), read_at, pages, perf_counter() - started)


@_again
def land_slice(calls: CallStore, dialer: Dialer, taken: Taken, *, dry_run: bool = False) -> SliceDone:
    """Merges what was taken in one transaction, up to three times if Brain fails meanwhile."""
    started, names = perf_counter(), (dialer.instance, taken.table.name, dialer.zone.key)
    with calls.landing(*names, dry_run=dry_run, read_at=taken.read_at) as landing:
        for page in taken.pages:
            if isinstance(page, LinePage):
                landing.stage_lines(page.text, page.count, source_copy=page.source_copy)
            else:
                landing.stage(clean(page.rows), source_copy=page.source_copy)
        counts = landing.merge(taken.ledger)
    return SliceDone(taken.table.name, taken.window, counts, taken.seconds + perf_counter() - started)


class _Merging:
    """Merges slices beside the reading of the next ones, ``mergers`` at a time.

    The dialer has one reader all the while. What waits in between is a few slices at most.
    """

    def __init__(
        self, calls: CallStore, dialer: Dialer, on_slice: Callable[[SliceDone], None], mergers: int, *, dry_run: bool
    ) -> None:
        self._land = partial(land_slice, calls, dialer, dry_run=dry_run)
        self._on_slice, self._mergers = on_slice, mergers
        self._pool = ThreadPoolExecutor(mergers, thread_name_prefix="merge")
        self._waiting: deque[Future[SliceDone]] = deque()
        self.total, self.slices = MergeCounts(), 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def add(self, taken: Taken) -> None:
        """Hands a slice over; waits while too many wait. Raises what merging an earlier one raised."""
        self._waiting.append(self._pool.submit(self._land, taken))
        while len(self._waiting) > self._mergers + 1:
            self._count(self._waiting.popleft().result())

    def finish(self) -> None:
        while self._waiting:
            self._count(self._waiting.popleft().result())

    def _count(self, done: SliceDone) -> None:
        self.total, self.slices = self.total + done.counts, self.slices + 1
        self._on_slice(done)


def next_length(length: timedelta, rows: int) -> timedelta:
    """Twice as long after a nearly empty slice, half after a full one: what a slice costs is its rows and its one commit."""
    if rows < _FEW_ROWS:
        return min(length * 2, LONGEST)
    return max(length / 2, SHORTEST) if rows > _MANY_ROWS else length
