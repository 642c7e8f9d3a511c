"""Reading the calls of a window from one dialer into Brain, slice by slice.

Belongs here: the order of slices, retries, and the counts of it all. Does not: SQL of either side, nor which window is due.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from vici_brain.brain.calls import CallStore, MergeCounts
from vici_brain.domain.call_rows import clean
from vici_brain.domain.statuses import CallStatus
from vici_brain.domain.windows import OVERLAP, Window, floor_to
from vici_brain.errors import RetriableError
from vici_brain.vici.call_reader import CALL_TABLES, CallTable
from vici_brain.vici.dialer import Dialer, DialerSession

SHORTEST, LONGEST = timedelta(hours=1), timedelta(days=1)
_FEW_ROWS, _MANY_ROWS = 3_000, 20_000


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
) -> ReadResult:
    """Reads ``[start - overlap, end)`` and merges it slice by slice; whole buckets enter the ledger.

    A slice is one transaction of an hour, or of up to a day where calls are few: for long quiet stretches the cost is per commit,
    not per call. The dialer never sees a statement longer than its policy's slice_length.

    What is in the future by the dialer's clock is not read. A slice that met a deadlock or a lost connection is read again,
    whole, up to three times; slices that landed stay landed. ``is_done`` leaves slices out when a batch is resumed.
    """
    started = perf_counter()
    total, slices = MergeCounts(), 0
    with dialer.session(clock) as session:
        dialer_utc = session.utc_now()
        window = Window(min(window.start, dialer_utc), min(window.end, dialer_utc))
        start, length = window.start, SHORTEST
        while start < window.end:
            piece = Window(start, min(window.end, floor_to(start, SHORTEST) + length))
            most = 0
            for table in CALL_TABLES:
                if is_done(table, piece):
                    continue
                read = piece.reaching_back(overlap) if piece.start == window.start else piece
                done = read_slice(session, calls, table, read, dry_run=dry_run)
                total, slices, most = total + done.counts, slices + 1, max(most, done.counts.read)
                on_slice(done)
            start, length = piece.end, next_length(length, most)
        return ReadResult(
            window,
            total,
            slices,
            perf_counter() - started,
            dialer_utc,
            session.clock.skew.total_seconds(),
            session.clock.warnings,
            tuple(table.archive.name for table in CALL_TABLES if table.archive.name not in session.present),
            tuple(session.statuses()),
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
    """Reads and merges one slice of one table in one transaction, up to three times if a side fails meanwhile.

    The whole buckets of ``ledger`` (default: of the window) then count as read.
    """
    started = perf_counter()
    counts = MergeCounts()
    retrying = Retrying(
        retry=retry_if_exception_type(RetriableError),
        stop=stop_after_attempt(3),
        wait=wait_random_exponential(multiplier=0.5, max=5),
        reraise=True,
    )
    for attempt in retrying:
        with attempt, calls.landing(session.dialer.instance, table.name, session.dialer.zone.key, dry_run=dry_run) as landing:
            for page in session.pages(table, window):
                landing.stage(clean(page.rows), source_copy=page.source_copy)
            counts = landing.merge((ledger or window).whole_buckets())
    return SliceDone(table.name, window, counts, perf_counter() - started)


def next_length(length: timedelta, rows: int) -> timedelta:
    """Twice as long after a nearly empty slice, half after a full one: what a slice costs is its rows and its one commit."""
    if rows < _FEW_ROWS:
        return min(length * 2, LONGEST)
    return max(length / 2, SHORTEST) if rows > _MANY_ROWS else length
