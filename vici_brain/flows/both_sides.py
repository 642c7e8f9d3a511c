"""Both sides of one dialer during a proof: asking the dialer, judging against Brain, and repairing what differs.

Belongs here: the order of questions to both sides, and what is done about a difference. Does not: which windows are compared, and
when (prove_calls).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from vici_brain.brain.calls import CallStore, MergeCounts
from vici_brain.brain.database import brain_now
from vici_brain.brain.proofs import Apart, Disappearance, Judging, PlacedRow, ProofStore, Scope, Vanished, Verdict
from vici_brain.domain.proof import TOLERANCE, BucketSum, Difference, compare
from vici_brain.domain.windows import BUCKET, Window, floor_to
from vici_brain.flows.read_calls import read_slice
from vici_brain.vici.call_tables import CALL_TABLES, CallTable
from vici_brain.vici.dialer import DialerSession
from vici_brain.vici.proof_reader import OddRow, SourceSums, Sums

MOST_SAMPLES = 20
# An archive job leaves one such bucket a table; where an archive is kept by other rules, no more are asked about at a time.
_MOST_PARTLY = 50


@dataclass(frozen=True, slots=True)
class SourceSide:
    """What the dialer said of one table: its sums, its irregular rows by key, and the archived rows of some buckets."""

    table: CallTable
    sums: Sums
    odd: Mapping[str, OddRow]
    archived_rows: Mapping[datetime, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Asked:
    """The dialer's side of a window, as it was after ``at`` by Brain's clock; not yet compared."""

    window: Window
    at: datetime
    sides: Sequence[SourceSide]

    @property
    def rows(self) -> int:
        return sum(each.count for side in self.sides for each in side.sums.regular.values())


class BothSides:
    """One dialer and Brain, and what repairing has done so far.

    The dialer may be asked about the next window while this one is judged: its one connection answers one at a time.
    """

    def __init__(self, session: DialerSession, brain: Engine) -> None:
        self._session, self._source = session, SourceSums(session)
        self._brain, self._proofs, self._calls = brain, ProofStore(brain), CallStore(brain)
        self._asking = Lock()
        self.merged = MergeCounts()
        self.vanished = Vanished()

    def calls(self, window: Window) -> int:
        """About how many calls the dialer has in ``window``."""
        with self._asking:
            return self._source.calls(window)

    def ask(self, window: Window, tables: Sequence[CallTable] = CALL_TABLES) -> Asked:
        """The dialer's side of ``window``."""
        with self._asking:
            return Asked(window, brain_now(self._brain), [self._side(table, window) for table in tables])

    def _side(self, table: CallTable, window: Window) -> SourceSide:
        sums = self._source.buckets(table, window)
        odd = {row.key: row for row in self._source.odd(table, sums.odd)}
        # Where an archive job stopped, a bucket has calls of both kinds.
        partly = sorted(sums.partly)[:_MOST_PARTLY]
        only_archived = {at: self._source.rows(table, Window(at, at + BUCKET), archived_only=True) for at in partly}
        return SourceSide(table, sums, odd, only_archived)

    def judge(self, asked: Asked) -> dict[str, list[Difference]]:
        """Source first, then Brain: a row that lands in between makes a difference, never a false proof.

        Brain is added up and judged in one transaction that holds the buckets' locks. An irregular row that Brain alone shows is
        looked up at the dialer with none of them held, and all is judged anew.
        """
        scopes = [self._scope(side.table) for side in asked.sides]
        known: dict[str, dict[str, int | None]] = {side.table.name: {} for side in asked.sides}
        while True:
            with self._proofs.judging(scopes, asked.window) as judging:
                cases = [self._case(judging, side, asked.window) for side in asked.sides]
                apart = judging.compare(
                    asked.at,
                    {case.name: case.side.sums.regular for case in cases},
                    {case.name: case.touched() for case in cases},
                )
                unknown = {case.side.table: case.unknown(apart[case.name], known[case.name]) for case in cases}
                if not any(unknown.values()):
                    verdicts = [case.verdict(apart[case.name], known[case.name]) for case in cases]
                    judging.record(asked.at, verdicts)
                    return {verdict.source_table: list(verdict.differences) for verdict in verdicts}
            with self._asking:
                for table, keys in unknown.items():
                    known[table.name] |= dict.fromkeys(keys) | self._source.present(table, keys)

    def _case(self, judging: Judging, side: SourceSide, window: Window) -> "_Case":
        rows = list(side.odd.values())
        placed = {row.key: row for row in judging.place(side.table.name, rows)}
        notes: dict[datetime, tuple[str, ...]] = {}
        for row in placed.values():
            if not row.is_held:
                wall_bucket = _bucket_of(side.odd[row.key].call_date, window, self._session.dialer.zone)
                _note(notes, window, row.key, row.bucket_start, wall_bucket)
        return _Case(side, window, placed, notes)

    def repair(self, source_table: str, window: Window, differences: Sequence[Difference]) -> list[Difference]:
        """Reads the differing buckets again, stamps what is gone at the dialer, and compares once more."""
        table = _named(source_table)
        scope = self._scope(table)
        with self._asking:
            for stretch in _stretches(differences):
                # The margins, which may not have ended yet, are read for the stretch's sake and do not count as read.
                self.merged += read_slice(self._session, self._calls, table, widened(stretch), ledger=stretch).counts
                keys = list(self._proofs.rows(scope, stretch))
                present = self._source.present(table, keys)
                gone = [key for key in keys if key not in present]
                self._vanish(table, scope, gone)
        return self.judge(self.ask(window, [table]))[table.name]

    def _vanish(self, table: CallTable, scope: Scope, gone: list[str]) -> None:
        if not gone:
            return
        at = Disappearance(brain_now(self._brain), self._session.utc_now(), self._source.spans(table))
        self.vanished += self._proofs.vanish(scope, gone, at)

    def samples(self, difference: Difference) -> tuple[str, ...]:
        """Keys that make a bucket differ, each with what is wrong with it; asks both sides for the rows of that bucket."""
        table = _named(difference.source_table)
        window = Window(difference.bucket_start, difference.bucket_start + BUCKET)
        with self._asking:
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


@dataclass(frozen=True, slots=True)
class _Case:
    """One table of a window before its judge: what the dialer said, and where its irregular rows belong."""

    side: SourceSide
    window: Window
    placed: Mapping[str, PlacedRow]
    notes: Mapping[datetime, tuple[str, ...]]
    """Keys of the dialer's irregular rows that Brain does not hold as they are, by the buckets that this spoils."""

    @property
    def name(self) -> str:
        return self.side.table.name

    def touched(self) -> set[datetime]:
        """The buckets that take more than sums to judge, because of the dialer's irregular rows."""
        return {row.bucket_start for row in self.placed.values() if row.bucket_start is not None} | set(self.notes)

    def unknown(self, brain: Apart, known: Mapping[str, int | None]) -> list[str]:
        """Brain's irregular rows of which the dialer said nothing yet."""
        return [key for key in brain.odd if key not in self.side.odd and key not in known]

    def verdict(self, brain: Apart, known: Mapping[str, int | None]) -> Verdict:
        """On the buckets that were not simply equal; ``known`` has the CRC32 of Brain's other irregular rows at the dialer."""
        nothing, notes = BucketSum(), dict(self.notes)
        regular = {start: self.side.sums.regular.get(start, nothing) for start in brain.regular}
        source_all, brain_all = dict(regular), dict(brain.regular)
        for row in self.placed.values():
            _add(source_all, self.window, row.bucket_start, row.crc)
        for key, (crc, bucket) in brain.odd.items():
            _add(brain_all, self.window, bucket, crc)
            if (self.side.odd[key].crc if key in self.side.odd else known[key]) != crc:
                _note(notes, self.window, key, bucket)
            elif key not in self.placed:
                _add(source_all, self.window, bucket, crc)
        differences = compare(self.name, self.window, regular, brain.regular, notes)
        differing = {each.bucket_start for each in differences}
        single = {key: crc for at, rows in self.side.archived_rows.items() if at not in differing for key, crc in rows.items()}
        return Verdict(self.name, source_all, brain_all, differences, self.side.sums.archived, single)


def _named(source_table: str) -> CallTable:
    return next(each for each in CALL_TABLES if each.name == source_table)


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


def _stretches(differences: Sequence[Difference]) -> list[Window]:
    """Differing buckets as few windows: near ones are one, because the margins that are read around each would overlap."""
    found: list[Window] = []
    for start in sorted({each.bucket_start for each in differences}):
        if found and start - found[-1].end <= 2 * TOLERANCE:
            found[-1] = Window(found[-1].start, start + BUCKET)
        else:
            found.append(Window(start, start + BUCKET))
    return found


def widened(window: Window) -> Window:
    """Far enough to hold every regular row of the window: its wall time may be a quarter of an hour off its epoch."""
    return Window(window.start - TOLERANCE, window.end + TOLERANCE)
