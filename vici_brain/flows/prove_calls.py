"""Proving that Brain holds exactly what the dialer holds, bucket by bucket, and repairing the buckets where it does not.

Belongs here: the order of questions to both sides, and what is done about a difference. Does not: when to prove (orchestration).

One rule catches late rows, late dispositions, rewritten keys and deletes alike: count and checksum of a bucket differ. The bucket
is then read again, rows that the dialer no longer has are stamped, and it is compared once more.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import perf_counter
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from vici_brain.brain.call_indexes import make_missing
from vici_brain.brain.calls import CallStore, MergeCounts
from vici_brain.brain.database import brain_now, lane
from vici_brain.brain.journal import Journal, SyncIdentity
from vici_brain.brain.matches import MatchStore
from vici_brain.brain.proofs import Disappearance, ProofStore, Scope, Vanished, Verdict
from vici_brain.domain.proof import TOLERANCE, BucketSum, Difference, compare
from vici_brain.domain.windows import BUCKET, Window, floor_to
from vici_brain.flows.match_calls import match_window
from vici_brain.flows.read_calls import SHORTEST, next_length, read_slice
from vici_brain.flows.syncing import SliceProven, Syncing, window_of
from vici_brain.vici.call_tables import CALL_TABLES, CallTable
from vici_brain.vici.dialer import Dialer, DialerSession
from vici_brain.vici.proof_reader import SourceSums

MOST_SAMPLES = 20
# One statement adds up a whole slice: after a quiet weekend the next one must not be a whole busy Monday.
_UNCOUNTED, _LONGEST = timedelta(hours=6), timedelta(days=1)
_MOST_ROWS = 20_000
# An archive job leaves one such bucket a table; where an archive is kept by other rules, no more are asked about at a time.
_MOST_PARTLY = 50


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
) -> ProofResult:
    """Compares every closed bucket of ``window`` with the dialer and writes the verdicts to call_log_proofs.

    With ``repair`` a bucket that differs is read again and compared once more; what still differs then is returned.
    """
    started = perf_counter()
    with dialer.session(clock) as session:
        end = floor_to(min(window.end, session.utc_now()), BUCKET)
        window = Window(min(floor_to(window.start, BUCKET), end), end)
        work = _Work(session, brain)
        left: list[Difference] = []
        buckets = repaired = 0
        start, length = window.start, SHORTEST
        while start < window.end:
            piece = work.bounded(Window(start, min(window.end, floor_to(start, SHORTEST) + length)))
            rows = work.rows
            for table in CALL_TABLES:
                first = work.compare(table, piece)
                after = work.repair(table, piece, first) if repair and first else first
                left += [replace(each, samples=work.samples(each)) for each in after[:MOST_SAMPLES]] + after[MOST_SAMPLES:]
                repaired += len(first) - len(after)
                count = sum(1 for _ in piece.buckets())
                buckets += count
                on_slice(SliceProven(table.name, piece, count, len(after)))
            start, length = piece.end, min(_LONGEST, next_length(length, work.rows - rows))
    vanished, seconds = work.vanished, perf_counter() - started
    return ProofResult(window, buckets, tuple(left), repaired, work.merged, vanished.by_reason, vanished.emptied, seconds)


def reconcile(sync: Syncing, identity: SyncIdentity, *, repair: bool) -> ProofResult:
    """Proves (and repairs) ``identity.window`` as one row of sync_logs, and matches what repairing brought.

    Raises BusyError when another reconciliation of the same dialer and kind is running anywhere.
    """
    instance, window = sync.dialer.instance, window_of(identity)
    make_missing(sync.brain)
    with lane(sync.brain, instance, identity.kind), Journal(sync.brain).entry(identity) as entry:
        result = prove_calls(sync.dialer, sync.brain, window, clock=sync.clock, repair=repair, on_slice=sync.on_proof)
        if result.merged.new or result.merged.updated:
            matched = match_window(MatchStore(sync.brain), instance, _widened(result.window))
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


class _Work:
    """Both sides of one dialer during one proof, and what repairing has done so far."""

    def __init__(self, session: DialerSession, brain: Engine) -> None:
        self._session, self._source = session, SourceSums(session)
        self._brain, self._proofs, self._calls = brain, ProofStore(brain), CallStore(brain)
        self.merged = MergeCounts()
        self.vanished = Vanished()
        self.rows = 0
        """How many rows the dialer has added up so far."""

    def bounded(self, piece: Window) -> Window:
        """``piece``, or its first hours where the dialer says that it holds more than one statement should add up."""
        if piece.length <= _UNCOUNTED or self._source.calls(piece) <= _MOST_ROWS:
            return piece
        return Window(piece.start, floor_to(piece.start, SHORTEST) + _UNCOUNTED)

    def compare(self, table: CallTable, window: Window) -> list[Difference]:
        """Source first, then Brain: a row that lands in between makes a difference, never a false proof."""
        scope = self._scope(table)
        compared_at = brain_now(self._brain)
        source = self._source.buckets(table, window)
        strays = self._source.odd(table, source.odd)
        brain = self._proofs.sums(scope, window)
        self.rows += sum(each.count for each in source.regular.values())
        source_all, brain_all = dict(source.regular), dict(brain.regular)
        odd: dict[datetime, tuple[str, ...]] = {}
        placed = {row.key: row for row in self._proofs.place(scope, strays)}
        dates = {row.key: row.call_date for row in strays}
        for row in placed.values():
            _add(source_all, window, row.bucket_start, row.crc)
            if not row.is_held:
                _note(odd, window, row.key, row.bucket_start, _bucket_of(dates[row.key], window, self._session.dialer.zone))
        held = self._proofs.odd_rows(scope, brain.odd)
        present = self._source.present(table, list(held))
        for key, (crc, bucket) in held.items():
            _add(brain_all, window, bucket, crc)
            if present.get(key) != crc:
                _note(odd, window, key, bucket)
            elif key not in placed:
                _add(source_all, window, bucket, crc)
        differences = compare(table.name, window, source.regular, brain.regular, odd)
        single = self._archived_of(table, sorted(source.partly - {each.bucket_start for each in differences})[:_MOST_PARTLY])
        verdict = Verdict(window, compared_at, source_all, brain_all, differences, source.archived, single)
        self._proofs.record(scope, verdict)
        return differences

    def _archived_of(self, table: CallTable, buckets: list[datetime]) -> dict[str, int]:
        """The calls of ``buckets`` that only the archive has: where an archive job stopped, a bucket has both kinds."""
        found: dict[str, int] = {}
        for start in buckets:
            found |= self._source.rows(table, Window(start, start + BUCKET), archived_only=True)
        return found

    def repair(self, table: CallTable, window: Window, differences: list[Difference]) -> list[Difference]:
        """Reads the differing buckets again, stamps what is gone at the dialer, and compares once more."""
        scope = self._scope(table)
        for stretch in _stretches(differences):
            # The margins, which may not have ended yet, are read for the stretch's sake and do not count as read.
            self.merged += read_slice(self._session, self._calls, table, _widened(stretch), ledger=stretch).counts
            keys = list(self._proofs.rows(scope, stretch))
            present = self._source.present(table, keys)
            gone = [key for key in keys if key not in present]
            self._vanish(table, scope, gone)
        return self.compare(table, window)

    def _vanish(self, table: CallTable, scope: Scope, gone: list[str]) -> None:
        if not gone:
            return
        at = Disappearance(brain_now(self._brain), self._session.utc_now(), self._source.spans(table))
        self.vanished += self._proofs.vanish(scope, gone, at)

    def samples(self, difference: Difference) -> tuple[str, ...]:
        """Keys that make a bucket differ, each with what is wrong with it; asks both sides for the rows of that bucket."""
        table = next(each for each in CALL_TABLES if each.name == difference.source_table)
        window = Window(difference.bucket_start, difference.bucket_start + BUCKET)
        source, brain = self._source.rows(table, window), self._proofs.rows(self._scope(table), window)
        present = self._source.present(table, [key for key in brain if key not in source])
        found = [f"{key}: missing in Brain" for key in source if key not in brain]
        found += [f"{key}: other content in Brain" for key, crc in source.items() if brain.get(key, crc) != crc]
        found += [f"{key}: gone at the dialer" for key in brain if key not in source and key not in present]
        found += [f"{key}: irregular times, and the two sides differ" for key in difference.odd_keys]
        return tuple(sorted(found)[:MOST_SAMPLES])

    def _scope(self, table: CallTable) -> Scope:
        dialer = self._session.dialer
        return Scope(dialer.instance, table.name, dialer.zone.key)


def _add(sums: dict[datetime, BucketSum], window: Window, bucket: datetime | None, crc: int) -> None:
    if bucket is not None and window.start <= bucket < window.end:
        held = sums.get(bucket, BucketSum())
        sums[bucket] = BucketSum(held.count + 1, held.crc_sum + crc)


def _note(odd: dict[datetime, tuple[str, ...]], window: Window, key: str, *buckets: datetime | None) -> None:
    """A row counts against the bucket it belongs to and against the one of its wall time, where re-reading finds it.

    One that has neither here counts against the first bucket: it was found here, and any window reads it again.
    """
    starts = {each for each in buckets if each is not None and window.start <= each < window.end} or {window.start}
    for start in starts:
        odd[start] = (*odd.get(start, ()), key)


def _bucket_of(call_date: str | None, window: Window, zone: ZoneInfo) -> datetime | None:
    """The bucket of ``window`` that holds a wall time, which in the hour that clocks are put back may be of either pass."""
    try:
        wall = datetime.fromisoformat((call_date or "")[: len("2026-01-01 00:00:00")])
    except ValueError:
        return None
    starts = [floor_to(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC), BUCKET) for fold in (0, 1)]
    return next((start for start in starts if window.start <= start < window.end), None)


def _stretches(differences: list[Difference]) -> list[Window]:
    """Differing buckets as few windows: near ones are one, because the margins that are read around each would overlap."""
    found: list[Window] = []
    for start in sorted({each.bucket_start for each in differences}):
        if found and start - found[-1].end <= 2 * TOLERANCE:
            found[-1] = Window(found[-1].start, start + BUCKET)
        else:
            found.append(Window(start, start + BUCKET))
    return found


def _widened(window: Window) -> Window:
    """Far enough to hold every regular row of the window: its wall time may be a quarter of an hour off its epoch."""
    return Window(window.start - TOLERANCE, window.end + TOLERANCE)
