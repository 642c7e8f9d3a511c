"""Proving that Brain holds exactly what the dialer holds, bucket by bucket, and repairing the buckets where it does not.

Belongs here: cutting a window into slices, and what a proof found. Does not: comparing and repairing one of them (both_sides), or
when to prove (orchestration).

One rule catches late rows, late dispositions, rewritten keys and deletes alike: count and checksum of a bucket differ. The bucket
is then read again, rows that the dialer no longer has are stamped, and it is compared once more.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import perf_counter

from sqlalchemy import Engine

from vici_brain.brain.call_indexes import make_missing
from vici_brain.brain.calls import MergeCounts
from vici_brain.brain.database import lane
from vici_brain.brain.journal import Journal, SyncIdentity
from vici_brain.brain.matches import MatchStore
from vici_brain.domain.proof import Difference
from vici_brain.domain.windows import BUCKET, Window, floor_to
from vici_brain.flows.both_sides import MOST_SAMPLES, Asked, BothSides, widened
from vici_brain.flows.match_calls import match_window
from vici_brain.flows.read_calls import SHORTEST, next_length
from vici_brain.flows.syncing import SliceProven, Syncing, window_of
from vici_brain.vici.dialer import Dialer, DialerSession

# One statement adds up a whole slice: after a quiet weekend the next one must not be a whole busy Monday.
_UNCOUNTED, _LONGEST = timedelta(hours=6), timedelta(days=1)
_MOST_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class ProofResult:
    """What proving a window found: buckets are counted per source table."""

    window: Window
    buckets: int
    differing: tuple[Difference, ...]
    repaired: int
    merged: MergeCounts
    vanished: Mapping[str, int] = field(default_factory=dict)
    emptied: int = 0
    seconds: float = 0.0

    @property
    def proven(self) -> int:
        return self.buckets - len(self.differing)


def prove_calls(
    dialer: Dialer,
    brain: Engine,
    window: Window,
    *,
    clock: Callable[[], datetime],
    repair: bool = True,
    on_slice: Callable[[SliceProven], None] = lambda _: None,
    opened: DialerSession | None = None,
) -> ProofResult:
    """Compares every closed bucket of ``window`` with the dialer and writes the verdicts to call_log_proofs.

    With ``repair`` a bucket that differs is read again and compared once more; what still differs then is returned. ``opened`` is
    a session that is open already.
    """
    started = perf_counter()
    with nullcontext(opened) if opened else dialer.session(clock) as session:
        end = floor_to(min(window.end, session.utc_now()), BUCKET)
        window = Window(min(floor_to(window.start, BUCKET), end), end)
        sides = BothSides(session, brain)
        left: list[Difference] = []
        buckets = repaired = 0
        with closing(_ahead(_slices(sides, window))) as slices:
            for asked in slices:
                count = asked.window.length // BUCKET
                for table, first in sides.judge(asked).items():
                    after = sides.repair(table, asked.window, first) if repair and first else first
                    left += [replace(each, samples=sides.samples(each)) for each in after[:MOST_SAMPLES]] + after[MOST_SAMPLES:]
                    repaired += len(first) - len(after)
                    buckets += count
                    on_slice(SliceProven(table, asked.window, count, len(after)))
    vanished, seconds = sides.vanished, perf_counter() - started
    return ProofResult(window, buckets, tuple(left), repaired, sides.merged, vanished.by_reason, vanished.emptied, seconds)


def _slices(sides: BothSides, window: Window) -> Iterator[Asked]:
    """The dialer's side of ``window``, in slices of about as many rows each; what a tick proves is one of them."""
    start, length = window.start, SHORTEST
    while start < window.end:
        ends = start + length if window.length <= SHORTEST else floor_to(start, SHORTEST) + length
        piece = Window(start, min(window.end, ends))
        if piece.length > _UNCOUNTED and sides.calls(piece) > _MOST_ROWS:
            piece = Window(start, floor_to(start, SHORTEST) + _UNCOUNTED)
        asked = sides.ask(piece)
        yield asked
        start, length = piece.end, min(_LONGEST, next_length(length, asked.rows))


def _ahead(slices: Iterator[Asked]) -> Generator[Asked, None, None]:
    """``slices``, each next one asked for while the one before is judged; one ahead, so that no answer grows old."""
    with ThreadPoolExecutor(1, thread_name_prefix="ask") as pool:
        asked = next(slices, None)
        while asked is not None:
            coming = pool.submit(next, slices, None)
            yield asked
            asked = coming.result()


def reconcile(sync: Syncing, identity: SyncIdentity, *, repair: bool) -> ProofResult:
    """Proves (and repairs) ``identity.window`` as one row of sync_logs, and matches what repairing brought.

    Raises BusyError when another reconciliation of the same dialer and kind is running anywhere.
    """
    instance, window = sync.dialer.instance, window_of(identity)
    make_missing(sync.brain)
    with lane(sync.brain, instance, identity.kind), Journal(sync.brain).entry(identity) as entry:
        result = prove_calls(sync.dialer, sync.brain, window, clock=sync.clock, repair=repair, on_slice=sync.on_proof)
        if result.merged.new or result.merged.updated:
            matched = match_window(MatchStore(sync.brain), instance, widened(result.window))
            entry.count(rows_matched=matched.counts.matched)
        entry.count(
            rows_read=result.merged.read,
            rows_new=result.merged.new,
            rows_updated=result.merged.updated,
            rows_unchanged=result.merged.unchanged,
            rows_quarantined=result.merged.quarantined,
        )
        entry.details.update(
            buckets=result.buckets, proven=result.proven, repaired=result.repaired, vanished=result.vanished, repair=repair
        )
        entry.details.update(noted(result))
    return result


def noted(result: ProofResult) -> dict[str, int]:
    """What brain/troubles looks for in sync_logs: calls that the dialer lost all at once."""
    return {"emptied": result.emptied} if result.emptied else {}
