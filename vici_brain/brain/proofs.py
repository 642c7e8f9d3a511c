"""Brain's side of a proof, and the verdicts: call_log_proofs, and the stamp on calls that are gone at the dialer.

Belongs here: sums over vici_call_logs, verdicts, vanished rows. Does not: the dialer's side (vici/proof_reader) or what makes a
bucket with irregular rows differ (domain/proof).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, text

from vici_brain.brain.database import brain_errors
from vici_brain.brain.purged_calls import vanish_purged
from vici_brain.brain.sql import load
from vici_brain.domain.proof import TOLERANCE, BucketSum, Difference, pieces
from vici_brain.domain.windows import BUCKET, Window

_KEYS = text("""
    SELECT source_key, row_crc FROM held_call_logs
    WHERE instance = :instance AND source_table = :source_table AND called_at >= :start AND called_at < :end
      AND vanished_at IS NULL
""")
# A merge locks the buckets it touches too: of a merge and a verdict on the same bucket, one always sees what the other did.
_LOCK = text("""
    SELECT FROM call_log_proofs
    WHERE instance = :instance AND source_table = ANY(CAST(:source_tables AS text[]))
      AND bucket_start >= :start AND bucket_start < :end
    ORDER BY source_table, bucket_start FOR UPDATE
""")
_TIMESTAMP_LENGTH = len("2026-01-01 00:00:00")
_NOTHING = BucketSum()


class OddSourceRow(Protocol):
    """A row at the source whose times do not agree; what placing and comparing it takes."""

    @property
    def key(self) -> str: ...
    @property
    def uniqueid(self) -> str | None: ...
    @property
    def call_date(self) -> str | None: ...
    @property
    def start_epoch(self) -> int | None: ...
    @property
    def crc(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Scope:
    """One call table of one dialer, and the zone its wall times are in."""

    instance: str
    source_table: str
    zone: str

    def over(self, window: Window) -> dict[str, object]:
        tolerance = int(TOLERANCE.total_seconds())
        names = {"instance": self.instance, "source_table": self.source_table, "zone": self.zone, "tolerance": tolerance}
        return names | {"start": window.start, "end": window.end}


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """An irregular row of the dialer: its bucket (``None`` without any usable time), and whether Brain holds it as it is."""

    key: str
    crc: int
    bucket_start: datetime | None
    is_held: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """On the buckets of one table that were not simply equal: all rows of both sides by bucket, and those that differ."""

    source_table: str
    source: Mapping[datetime, BucketSum]
    brain: Mapping[datetime, BucketSum]
    differences: Sequence[Difference]
    archived: AbstractSet[datetime] = frozenset()
    """Buckets, equal ones too, whose rows all stand in the dialer's archive."""
    archived_rows: Mapping[str, int] = field(default_factory=dict)
    """Key and CRC32 of single rows that do, of other buckets."""


@dataclass(frozen=True, slots=True)
class Disappearance:
    """What tells why calls are gone: when that was noticed, and what the dialer still shows.

    Stamps are dated by Brain's clock; how old a call had become is told by the dialer's.
    """

    gone_at: datetime
    dialer_now: datetime
    shown: Sequence[tuple[str, str | None]]
    """The wall times between which each copy of the table still has calls; ``None``: up to now."""


@dataclass(frozen=True, slots=True)
class Vanished:
    """How many calls were stamped, by reason (``rewritten``, ``deleted``, ``expired``)."""

    by_reason: Mapping[str, int] = field(default_factory=dict)
    emptied: int = 0
    """Those of the expired that were three days old at most: the dialer lost all that was as old, whatever was meant by it."""

    def __add__(self, other: "Vanished") -> "Vanished":
        return Vanished(dict(Counter(self.by_reason) + Counter(other.by_reason)), self.emptied + other.emptied)


@dataclass(slots=True)
class Apart:
    """Brain's side of the buckets of one table that are not simply equal."""

    regular: dict[datetime, BucketSum] = field(default_factory=dict)
    """Count and CRC sum of the regular rows, of every one of these buckets."""
    odd: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    """CRC32 and bucket of the irregular rows, by key."""


class Judging:
    """One transaction over the locked buckets of a window: Brain's side is added up and judged at once, or nothing is."""

    def __init__(self, connection: Connection, scopes: Mapping[str, Scope], window: Window) -> None:
        self._connection, self._scopes, self._window = connection, scopes, window

    def place(self, source_table: str, rows: Sequence[OddSourceRow]) -> list[PlacedRow]:
        """Which bucket each of the dialer's irregular rows belongs to, and whether Brain holds it as it is there."""
        if not rows:
            return []
        values = self._scopes[source_table].over(self._window) | {
            "keys": [row.key for row in rows],
            "uniqueids": [row.uniqueid for row in rows],
            "call_dates": [_usable(row.call_date) for row in rows],
            "start_epochs": [row.start_epoch for row in rows],
            "crcs": [row.crc for row in rows],
        }
        found = self._connection.execute(load("placed_odd_rows"), values)
        return [PlacedRow(row.source_key, row.crc, row.bucket_start, row.is_held) for row in found]

    def compare(
        self, compared_at: datetime, source: Mapping[str, Mapping[datetime, BucketSum]], odd: Mapping[str, Collection[datetime]]
    ) -> dict[str, Apart]:
        """Proves the buckets in which both sides add up to the same; the others, and those of ``odd``, by source table.

        Brain is asked after the dialer, and under the locks: a row that came in between makes a difference, never a false proof.
        """
        apart = {name: Apart() for name in self._scopes}
        zone = next(iter(self._scopes.values())).zone
        for piece in pieces(self._window, ZoneInfo(zone)):
            values = self._over(piece.window) | _given(list(self._scopes), piece.window, source, odd)
            values |= {"offset": int(piece.offset.total_seconds()), "last": piece.window.end - BUCKET, "compared_at": compared_at}
            for row in self._connection.execute(load("judge_proofs"), values):
                found = apart[row.source_table]
                found.regular[row.bucket_start] = BucketSum(row.calls, int(row.crc_sum))
                found.odd |= {
                    key: (crc, row.bucket_start) for key, crc in zip(row.odd_keys or (), row.odd_crcs or (), strict=True)
                }
        return apart

    def record(self, compared_at: datetime, verdicts: Iterable[Verdict]) -> None:
        """Writes the verdicts on what :meth:`compare` left open, and ends the transaction."""
        for verdict in verdicts:
            scope = self._scopes[verdict.source_table].over(self._window)
            differing = {each.bucket_start for each in verdict.differences}
            if verdict.brain:
                values = _judged(verdict, differing) | {"compared_at": compared_at}
                self._connection.execute(load("record_proofs"), scope | values)
            if alike := sorted(verdict.archived - differing):
                self._connection.execute(load("note_archived"), scope | {"buckets": alike})
            if single := verdict.archived_rows:
                rows = {"keys": list(single), "crcs": list(single.values())}
                self._connection.execute(load("note_archived_calls"), scope | rows)
        self._connection.commit()

    def lock(self) -> None:
        self._connection.execute(_LOCK, self._over(self._window))

    def _over(self, window: Window) -> dict[str, object]:
        scope = next(iter(self._scopes.values()))
        return scope.over(window) | {"source_tables": list(self._scopes)}


def _given(
    tables: Sequence[str],
    window: Window,
    source: Mapping[str, Mapping[datetime, BucketSum]],
    odd: Mapping[str, Collection[datetime]],
) -> dict[str, str]:
    """The dialer's figures as array literals: the driver would take each of the thousands of numbers for a parameter to adapt."""
    numbers, epochs, counts, sums, has_odd = [], [], [], [], []
    for number, table in enumerate(tables, start=1):
        for start in {*source[table], *odd[table]}:
            if window.start <= start < window.end:
                held = source[table].get(start, _NOTHING)
                numbers.append(number)
                epochs.append(int(start.timestamp()))
                counts.append(held.count)
                sums.append(held.crc_sum)
                has_odd.append(int(start in odd[table]))
    columns = {"numbers": numbers, "epochs": epochs, "counts": counts, "sums": sums, "has_odd": has_odd}
    return {name: f"{{{','.join(map(str, column))}}}" for name, column in columns.items()}


def _judged(verdict: Verdict, differing: AbstractSet[datetime]) -> dict[str, object]:
    buckets = sorted(verdict.brain)
    return {
        "buckets": buckets,
        "states": ["differs" if start in differing else "proven" for start in buckets],
        "source_counts": [verdict.source.get(start, _NOTHING).count for start in buckets],
        "source_sums": [verdict.source.get(start, _NOTHING).crc_sum for start in buckets],
        "brain_counts": [verdict.brain[start].count for start in buckets],
        "brain_sums": [verdict.brain[start].crc_sum for start in buckets],
    }


class ProofStore:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def judging(self, scopes: Sequence[Scope], window: Window) -> Iterator[Judging]:
        """Locks the buckets of ``window`` (whole ones) for ``scopes``, of one dialer; without a record nothing was judged."""
        with brain_errors(), self.engine.connect() as connection:
            judging = Judging(connection, {scope.source_table: scope for scope in scopes}, window)
            judging.lock()
            yield judging

    def rows(self, scope: Scope, window: Window) -> dict[str, int]:
        """CRC32 of the calls of ``window`` that are not known to have vanished, by key."""
        with brain_errors(), self.engine.connect() as connection:
            return {row.source_key: row.row_crc for row in connection.execute(_KEYS, scope.over(window))}

    def vanish(self, scope: Scope, keys: Sequence[str], seen: Disappearance) -> Vanished:
        """Stamps calls that are gone at the dialer."""
        values = {"instance": scope.instance, "source_table": scope.source_table, "keys": list(keys), "gone_at": seen.gone_at}
        values["dialer_now"] = seen.dialer_now
        values["shown_from"] = [first for first, _ in seen.shown]
        values["shown_until"] = [last or "infinity" for _, last in seen.shown]
        with brain_errors(), self.engine.begin() as connection:
            stamped = connection.execute(load("vanish_calls"), values).all()
            purged = vanish_purged(connection, values)
        reasons = Counter(row.reason for row in stamped) + Counter(expired=purged)
        return Vanished(dict(reasons), sum(row.is_emptied for row in stamped))


def _usable(call_date: str | None) -> str | None:
    try:
        return datetime.fromisoformat(call_date[:_TIMESTAMP_LENGTH]).isoformat(" ") if call_date else None
    except ValueError:
        return None
