"""One sync: read a window, match it, write it down. What a tick, a backfill and the command line all do.

Belongs here: the order of the steps, the journal row, and which window a sync without a given one covers.
Does not: reading (read_calls), matching (match_calls) or when to run (orchestration).
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event
from time import perf_counter

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from vici_brain.brain.call_indexes import made_afterwards
from vici_brain.brain.calls import CallStore, MergeCounts
from vici_brain.brain.database import brain_now, lane
from vici_brain.brain.journal import Journal, JournalEntry, SyncIdentity, peak_memory_mb
from vici_brain.brain.ledger import Ledger
from vici_brain.brain.matches import MatchStore
from vici_brain.brain.statuses import StatusStore
from vici_brain.domain.dialer_clock import LARGEST_SKEW
from vici_brain.domain.proof import TOLERANCE
from vici_brain.domain.windows import BUCKET, Window, floor_to
from vici_brain.errors import RetriableError
from vici_brain.flows.match_calls import WindowMatch, match_window
from vici_brain.flows.prove_calls import ProofResult, noted, prove_calls
from vici_brain.flows.read_calls import ReadResult, read_calls
from vici_brain.flows.syncing import Syncing, window_of
from vici_brain.vici.call_tables import CALL_TABLES, CallTable
from vici_brain.vici.dialer import DialerSession

FIRST_LOOK_BACK = timedelta(minutes=10)
BATCH = timedelta(days=7)
_MUCH = 3_000
READ_COUNTERS = ("rows_read", "rows_new", "rows_updated", "rows_unchanged", "rows_quarantined")


@dataclass(frozen=True, slots=True)
class CallSync:
    """Flat result of reading a window: what the UI shows of a materialisation, and what a sync_logs row counts."""

    window_start: datetime
    window_end: datetime
    rows_read: int
    rows_new: int
    rows_updated: int
    rows_unchanged: int
    rows_quarantined: int
    source_count: int
    target_count: int
    buckets_proven: int
    buckets_differing: int
    rows_repaired: int
    rows_vanished: int
    seconds: float
    peak_memory_mb: float
    clock_skew_seconds: float
    replica_behind_seconds: float
    slow: bool
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MatchSync:
    """Flat result of matching a window: ``examined`` orphans were looked at; the rest says how all its calls stand now."""

    window_start: datetime
    window_end: datetime
    examined: int
    matched_by_vendor_lead_code: int
    matched_by_vici_lead_link: int
    matched_by_phone: int
    ambiguous: int
    matched_total: int
    orphaned_total: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _LeaveOut:
    """Slices that need no reading: read since a batch began, and what is proven, which the proof compares again anyway."""

    read_since: datetime
    proven: bool


def read_window(sync: Syncing, identity: SyncIdentity) -> CallSync:
    """Reads ``identity.window`` into Brain as one row of sync_logs; raises what reading raises, after writing it down.

    A long window whose run is at its next try goes on where the last one stopped.
    """
    window, journal = window_of(identity), Journal(sync.brain)
    since = journal.first_try(identity) if window.length > BUCKET else None
    leave_out = None if since is None else _LeaveOut(since, proven=False)
    with journal.entry(identity, dry_run=sync.dry_run) as entry:
        return _read_into(entry, sync, window, leave_out)


def match_read_window(sync: Syncing, identity: SyncIdentity) -> MatchSync:
    """Matches the calls of ``identity.window``; within one run this adds to the row that reading it wrote."""
    with Journal(sync.brain).entry(identity, continues=True, dry_run=sync.dry_run) as entry:
        return _match_into(entry, sync, window_of(identity))


def sync_incremental(sync: Syncing, trigger: str, *, minutes: int | None = None) -> tuple[CallSync, MatchSync]:
    """Reads and matches from where the ledger stands up to now by the dialer's clock.

    Never read before: the last 10 minutes. ``minutes`` looks back exactly so far instead, for this call only; without it an
    outage of any length is covered, because the ledger and not a cache says how far a dialer was read.
    """
    instance, now = sync.dialer.instance, sync.clock()
    position = Ledger(sync.brain).position(instance, [table.name for table in CALL_TABLES])
    start = min(position, now) if position else now - FIRST_LOOK_BACK
    if minutes is not None:
        start = now - timedelta(minutes=minutes)
    # The dialer's clock ends the window, and may be a little ahead of ours.
    window = Window(floor_to(start, BUCKET), now + LARGEST_SKEW)
    with lane(sync.brain, instance, "sync"), _entry(sync, "incremental", trigger, window) as entry:
        read = _read_into(entry, sync, window)
        matched = _match_into(entry, sync, window)
    return read, matched


def fetch_history(
    sync: Syncing,
    trigger: str,
    window: Window,
    *,
    resume_since: datetime | None = None,
    reread: bool = False,
    pause: Callable[[float], None] = time.sleep,
) -> Generator[tuple[CallSync, MatchSync], None, None]:
    """Reads and matches ``window`` in batches of at most 7 days, oldest first; yields each batch as it is done.

    A batch that fails for a reason that may pass is tried twice more, after half a minute and a minute, and goes on where it
    stopped: what the ledger says was read since the batch began is left out. ``resume_since`` does the same for a later call.

    What the ledger has as proven is compared with the dialer again, and read only where it differs; ``reread`` reads it all.
    """
    filling = nullcontext() if sync.dry_run or window.length <= BATCH else made_afterwards(sync.brain)
    with lane(sync.brain, sync.dialer.instance, "history"), filling, ThreadPoolExecutor(2, thread_name_prefix="history") as pool:
        earlier: Future[tuple[CallSync, MatchSync]] | None = None
        for batch in _batches(window):
            was_read = Event()
            since = resume_since or brain_now(sync.brain)
            leave_out = _LeaveOut(since, proven=not reread)
            work = pool.submit(_fetch_batch, sync, trigger, batch, leave_out, pause=pause, was_read=was_read)
            if earlier is not None:
                yield earlier.result()
            # The next batch is read while this one is proven and matched: the dialer never has more than two readers.
            while not was_read.wait(0.02) and not work.done():
                pass
            if work.done():
                work.result()
            earlier = work
        if earlier is not None:
            yield earlier.result()


def _batches(window: Window) -> Iterator[Window]:
    """Cut on a bucket: one that two batches share would be read, but by neither as a whole."""
    start = window.start
    while start < window.end:
        end = min(floor_to(start + BATCH, BUCKET), window.end)
        yield Window(start, end)
        start = end


def _fetch_batch(
    sync: Syncing, trigger: str, batch: Window, leave_out: _LeaveOut, *, pause: Callable[[float], None], was_read: Event
) -> tuple[CallSync, MatchSync]:
    retrying = Retrying(
        retry=retry_if_exception_type(RetriableError),
        stop=stop_after_attempt(3),
        wait=wait_exponential(multiplier=30),
        sleep=pause,
        reraise=True,
    )
    for attempt in retrying:
        with attempt, _entry(sync, "history", trigger, batch) as entry:
            read = _read_into(entry, sync, batch, leave_out, was_read)
            return read, _match_into(entry, sync, batch)
    raise AssertionError("a retrying either returns or raises")


def _entry(sync: Syncing, kind: str, trigger: str, window: Window) -> AbstractContextManager[JournalEntry]:
    return Journal(sync.brain).entry(SyncIdentity(sync.dialer.instance, kind, trigger, window), dry_run=sync.dry_run)


def _read_into(
    entry: JournalEntry, sync: Syncing, window: Window, leave_out: _LeaveOut | None = None, was_read: Event | None = None
) -> CallSync:
    started, instance = perf_counter(), sync.dialer.instance
    with sync.dialer.session(sync.clock) as session:
        read = read_calls(
            sync.dialer,
            CallStore(sync.brain),
            window,
            clock=sync.clock,
            dry_run=sync.dry_run,
            on_slice=sync.on_slice,
            is_done=_left_out(Ledger(sync.brain), instance, window, leave_out),
            opened=session,
        )
        if was_read is not None:
            was_read.set()
        if not sync.dry_run:
            StatusStore(sync.brain).mirror(instance, read.statuses)
        if read.counts.new >= _MUCH:
            CallStore(sync.brain).refresh_statistics(read.counts.new)
        proof = _prove_into(sync, read, session)
    # The ledger knows whole buckets only, so both sides are counted over these.
    coverage = Ledger(sync.brain).coverage(instance, read.window.whole_buckets())
    seconds = perf_counter() - started
    result = CallSync(
        window_start=read.window.start,
        window_end=read.window.end,
        rows_read=read.counts.read,
        rows_new=read.counts.new + proof.merged.new,
        rows_updated=read.counts.updated + proof.merged.updated,
        rows_unchanged=read.counts.unchanged,
        rows_quarantined=read.counts.quarantined,
        source_count=coverage.source_count,
        target_count=coverage.brain_count,
        buckets_proven=proof.proven,
        buckets_differing=len(proof.differing),
        rows_repaired=proof.merged.new + proof.merged.updated,
        rows_vanished=sum(proof.vanished.values()),
        seconds=round(seconds, 3),
        peak_memory_mb=peak_memory_mb(),
        clock_skew_seconds=round(read.clock_skew_seconds, 3),
        replica_behind_seconds=read.behind_seconds,
        slow=seconds > sync.slow_seconds,
        notices=tuple(_notices(read)),
    )
    entry.count(**{name: getattr(result, name) for name in READ_COUNTERS}, rows_matched=read.counts.matched)
    entry.details.update(
        slow=result.slow, source_count=result.source_count, target_count=result.target_count, notices=list(result.notices)
    )
    entry.details.update(
        buckets_proven=result.buckets_proven, buckets_differing=result.buckets_differing, vanished=dict(proof.vanished)
    )
    entry.details.update(noted(proof))
    return result


def _notices(read: ReadResult) -> Iterator[str]:
    yield from read.warnings
    if read.behind_seconds:
        until = f"{read.window.end:%Y-%m-%d %H:%M:%S} UTC"
        yield f"the replica is {read.behind_seconds:.0f} s behind its dialer: it was read up to {until}"
    yield from (f"no table {name}: nothing archived to read" for name in read.missing_tables)


def _prove_into(sync: Syncing, read: ReadResult, session: DialerSession) -> ProofResult:
    """Proves what was just read, and at least what trails it, and repairs what differs; a dry run proves nothing."""
    window = read.window
    if sync.dry_run:
        return ProofResult(window, 0, (), 0, MergeCounts())
    back = Window(min(window.start, window.end - sync.trailing), window.end)
    return prove_calls(sync.dialer, sync.brain, back, clock=sync.clock, on_slice=sync.on_proof, opened=session)


def _match_into(entry: JournalEntry, sync: Syncing, window: Window) -> MatchSync:
    matched: WindowMatch = match_window(
        MatchStore(sync.brain), sync.dialer.instance, window, overlap=sync.trailing + TOLERANCE, dry_run=sync.dry_run
    )
    held = matched.counts if sync.dry_run else matched.held
    by_rule = held.by_rule
    entry.count(rows_matched=matched.counts.matched, rows_orphaned=matched.counts.examined - matched.counts.matched)
    entry.details.update(matched_by=by_rule, ambiguous=held.ambiguous)
    return MatchSync(
        window_start=window.start,
        window_end=window.end,
        examined=matched.counts.examined,
        matched_by_vendor_lead_code=by_rule.get("vendor_lead_code", 0),
        matched_by_vici_lead_link=by_rule.get("vici_lead_link", 0),
        matched_by_phone=by_rule.get("phone", 0),
        ambiguous=held.ambiguous,
        matched_total=matched.held.matched,
        orphaned_total=matched.orphaned_total,
        seconds=round(matched.seconds, 3),
    )


def _left_out(ledger: Ledger, instance: str, window: Window, leave_out: _LeaveOut | None) -> Callable[[CallTable, Window], bool]:
    if leave_out is None:
        return lambda _table, _piece: False
    due = {
        table.name: ledger.due(instance, table.name, window, leave_out.read_since, trust_proofs=leave_out.proven)
        for table in CALL_TABLES
    }

    def is_left_out(table: CallTable, piece: Window) -> bool:
        whole, starts = piece.whole_buckets(), due[table.name]
        return whole.length > timedelta() and bisect_left(starts, whole.start) == bisect_left(starts, whole.end)

    return is_left_out
