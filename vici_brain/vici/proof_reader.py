"""One dialer asked for the sums of its calls, for its irregular rows, and for the keys it still has.

Belongs here: asking, copy by copy and piece by piece, and what comes of it. Does not: the statements (proof_statements), nor
comparing (domain/proof).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vici_brain.domain.proof import BucketSum, Piece, is_regular, pieces
from vici_brain.domain.windows import Window
from vici_brain.vici.call_tables import CALL_TABLES, CallTable
from vici_brain.vici.dialer import DialerSession
from vici_brain.vici.proof_statements import (
    bounds_of,
    bucket_sums,
    calls_between,
    first_and_last,
    keys_present,
    near,
    odd_rows,
    odd_span,
    regular_rows,
)

_MOST_KEYS = 500
# For a tick's proof: a statement costs a process more to compile than the dialer to answer.
_SHORT = timedelta(hours=1)
_NOTHING = BucketSum()


@dataclass(frozen=True, slots=True)
class OddRow:
    """A row at the source whose times do not agree, as much of it as placing and comparing it takes."""

    key: str
    uniqueid: str | None
    call_date: str | None
    start_epoch: int | None
    crc: int


@dataclass(frozen=True, slots=True)
class OddSpan:
    """A part of a window and a copy of a table in which there are irregular rows, between two wall times or undated."""

    piece: Piece
    archive: bool
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Sums:
    """What a dialer's buckets add up to; those of which all rows, or some, stand in the archive; where irregular rows are."""

    regular: dict[datetime, BucketSum]
    archived: frozenset[datetime]
    partly: frozenset[datetime]
    odd: tuple[OddSpan, ...]


class SourceSums:
    """One dialer adding up its own calls, over one session."""

    def __init__(self, session: DialerSession) -> None:
        self._session = session

    def buckets(self, table: CallTable, window: Window) -> Sums:
        """Count and CRC sum of the regular rows of each five-minute bucket of ``window``; live rows, then archived ones."""
        sums: dict[datetime, BucketSum] = {}
        copies: tuple[set[datetime], set[datetime]] = (set(), set())
        odd: list[OddSpan] = []
        zone = self._session.dialer.zone
        for piece in pieces(window, zone):
            for archive in self._copies(table):
                if piece.window.length <= _SHORT and not self._has_any(table, piece, archive=archive):
                    continue
                asked = bucket_sums(table, piece, zone, archive=archive, sqlite=self._session.is_sqlite)
                spans = []
                for said, count, crc_sum in self._session.fetch(asked):
                    bucket = None if said is None else int(str(said))
                    if span := odd_span(bucket, piece):
                        spans.append(span)
                    elif bucket:
                        start = datetime.fromtimestamp(bucket, UTC)
                        held = sums.get(start, _NOTHING)
                        sums[start] = BucketSum(held.count + int(str(count)), held.crc_sum + int(str(crc_sum)))
                        copies[archive].add(start)
                if spans:
                    odd.append(OddSpan(piece, archive, min(first for first, _ in spans), max(last for _, last in spans)))
        live, archived = copies
        return Sums(sums, frozenset(archived - live), frozenset(archived & live), tuple(odd))

    def _has_any(self, table: CallTable, piece: Piece, *, archive: bool) -> bool:
        """Whether a copy has a row to add up; asked with a statement that reading has asked before, and compiled."""
        held = self._session.held(table, near(piece), bounds_of(piece.window, self._session.dialer.zone), archive=archive)
        return bool(held.calls or held.undated)

    def calls(self, window: Window) -> int:
        """About how many calls the live tables have in ``window``, from the indexes on call_date alone."""
        zone = self._session.dialer.zone
        return sum(int(str(self._session.fetch(calls_between(table, window, zone))[0][0])) for table in CALL_TABLES)

    def rows(self, table: CallTable, window: Window, *, archived_only: bool = False) -> dict[str, int]:
        """CRC32 of every regular row of ``window``, by key; ask only about the few buckets in which single rows matter."""
        found: dict[str, int] = {}
        for piece in pieces(window, self._session.dialer.zone):
            for archive in (True,) if archived_only else self._copies(table):
                statement = regular_rows(table, piece, archive=archive, sqlite=self._session.is_sqlite)
                for key, crc in self._session.fetch(statement):
                    found.setdefault(str(key), int(str(crc)))
        return found

    def odd(self, table: CallTable, spans: Sequence[OddSpan]) -> list[OddRow]:
        """The irregular rows of ``spans``; normally there is none, on a healthy dialer a handful."""
        zone = self._session.dialer.zone
        found: dict[str, OddRow] = {}
        for span in spans:
            ends = (span.first, span.last)
            asked = odd_rows(table, span.piece, zone, ends, archive=span.archive, sqlite=self._session.is_sqlite)
            for key, uniqueid, call_date, epoch, crc in self._session.fetch(asked):
                row = OddRow(
                    str(key),
                    None if uniqueid is None else str(uniqueid),
                    None if call_date is None else str(call_date),
                    None if epoch is None else int(str(epoch)),
                    int(str(crc)),
                )
                found.setdefault(row.key, row)
        # A wall time that occurs twice shows the regular calls of the other hour too.
        return [row for row in found.values() if not is_regular(row.call_date, row.start_epoch, zone)]

    def present(self, table: CallTable, keys: Sequence[str]) -> dict[str, int]:
        """Those of ``keys`` that the dialer has, live or archived, with the CRC32 of their rows; live wins."""
        found: dict[str, int] = {}
        whole = table.key != "uniqueid"
        for at in range(0, len(keys), _MOST_KEYS):
            some: list[str | int] = [int(key) if whole else key for key in keys[at : at + _MOST_KEYS]]
            for archive in self._copies(table):
                for key, crc in self._session.fetch(keys_present(table, some, archive=archive)):
                    found.setdefault(str(key), int(str(crc)))
        return found

    def spans(self, table: CallTable) -> list[tuple[str, str | None]]:
        """The wall times that the live rows and the archived ones reach from and up to; the live ones up to now (``None``)."""
        found: list[tuple[str, str | None]] = []
        for archive in self._copies(table):
            ((first, last),) = self._session.fetch(first_and_last(table, archive=archive))
            if first is not None:
                found.append((str(first), str(last) if archive else None))
        return found

    def _copies(self, table: CallTable) -> tuple[bool, ...]:
        return (False, True) if table.archive.name in self._session.present else (False,)
