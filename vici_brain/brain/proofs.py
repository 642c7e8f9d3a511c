"""Brain's side of a proof, and the verdicts: call_log_proofs, and the stamp on calls that are gone at the dialer.

Belongs here: sums over vici_call_logs, verdicts, vanished rows. Does not: the dialer's side (vici/proof_reader) or comparing
(domain/proof).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, text

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
    WHERE instance = :instance AND source_table = :source_table AND bucket_start >= :start AND bucket_start < :end
    ORDER BY bucket_start FOR UPDATE
""")
_TIMESTAMP_LENGTH = len("2026-01-01 00:00:00")


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
    """What comparing a window found: all rows of both sides by bucket, and the buckets that differ."""

    window: Window
    compared_at: datetime
    source: Mapping[datetime, BucketSum]
    brain: Mapping[datetime, BucketSum]
    differences: Sequence[Difference]
    archived: AbstractSet[datetime] = frozenset()
    """Buckets whose rows all stand in the dialer's archive."""
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


@dataclass(frozen=True, slots=True)
class Sums:
    """Count and CRC sum of the regular rows of each bucket, and the buckets in which there are irregular ones besides."""

    regular: dict[datetime, BucketSum]
    odd: tuple[datetime, ...]


class ProofStore:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def sums(self, scope: Scope, window: Window) -> Sums:
        """What Brain's side of each bucket of ``window`` adds up to."""
        regular: dict[datetime, BucketSum] = {}
        odd = []
        with brain_errors(), self.engine.connect() as connection:
            for piece in pieces(window, ZoneInfo(scope.zone)):
                for row in connection.execute(
                    load("brain_sums"), scope.over(piece.window) | {"offset": piece.offset.total_seconds()}
                ):
                    if row.calls:
                        regular[row.bucket_start] = BucketSum(row.calls, int(row.crc_sum))
                    if row.odd:
                        odd.append(row.bucket_start)
        return Sums(regular, tuple(odd))

    def odd_rows(self, scope: Scope, buckets: Sequence[datetime]) -> dict[str, tuple[int, datetime]]:
        """CRC32 and bucket of the irregular rows of ``buckets``, by key."""
        if not buckets:
            return {}
        values = scope.over(Window(_EPOCH, _EPOCH)) | {"buckets": list(buckets)}
        with brain_errors(), self.engine.connect() as connection:
            rows = connection.execute(load("brain_odd_rows"), values)
            return {row.source_key: (row.row_crc, row.bucket_start) for row in rows}

    def place(self, scope: Scope, rows: Sequence[OddSourceRow]) -> list[PlacedRow]:
        """Which bucket each of the dialer's irregular rows belongs to, and whether Brain holds it as it is there."""
        if not rows:
            return []
        values = scope.over(Window(_EPOCH, _EPOCH)) | {
            "keys": [row.key for row in rows],
            "uniqueids": [row.uniqueid for row in rows],
            "call_dates": [_usable(row.call_date) for row in rows],
            "start_epochs": [row.start_epoch for row in rows],
            "crcs": [row.crc for row in rows],
        }
        with brain_errors(), self.engine.connect() as connection:
            found = connection.execute(load("placed_odd_rows"), values)
            return [PlacedRow(row.source_key, row.crc, row.bucket_start, row.is_held) for row in found]

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

    def record(self, scope: Scope, verdict: Verdict) -> None:
        """Writes the verdict on every whole bucket of its window."""
        whole = verdict.window.whole_buckets()
        if not whole.length:
            return
        differing = {each.bucket_start for each in verdict.differences}
        source, brain, nothing = verdict.source, verdict.brain, BucketSum()
        buckets = sorted(start for start in {*source, *brain, *differing} if whole.start <= start < whole.end)
        values = scope.over(whole) | {
            "compared_at": verdict.compared_at,
            "last": whole.end - BUCKET,
            "buckets": buckets,
            "states": ["differs" if start in differing else "proven" for start in buckets],
            "source_counts": [source.get(start, nothing).count for start in buckets],
            "source_sums": [source.get(start, nothing).crc_sum for start in buckets],
            "brain_counts": [brain.get(start, nothing).count for start in buckets],
            "brain_sums": [brain.get(start, nothing).crc_sum for start in buckets],
        }
        with brain_errors(), self.engine.begin() as connection:
            connection.execute(_LOCK, values)
            connection.execute(load("record_proofs"), values)
            if alike := sorted(verdict.archived - differing):
                connection.execute(load("note_archived"), scope.over(verdict.window) | {"buckets": alike})
            if single := verdict.archived_rows:
                rows = {"keys": list(single), "crcs": list(single.values())}
                connection.execute(load("note_archived_calls"), scope.over(verdict.window) | rows)


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _usable(call_date: str | None) -> str | None:
    try:
        return datetime.fromisoformat(call_date[:_TIMESTAMP_LENGTH]).isoformat(" ") if call_date else None
    except ValueError:
        return None
