"""The statements that let a dialer add up its own calls, and say which keys it still has.

Belongs here: aggregates and key look-ups over call tables and archives, and asking them. Does not: comparing them (domain/proof).

Each aggregate walks the index on call_date over an hour at most and sends a dozen numbers, whatever the number of calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    Table,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    text,
    type_coerce,
)
from sqlalchemy.types import NullType

from vici_brain.domain.proof import TOLERANCE, BucketSum, Piece, is_regular, pieces
from vici_brain.domain.windows import Window
from vici_brain.vici.call_reader import (
    CALL_TABLES,
    FIRST_DATE,
    Bounds,
    CallTable,
    calls_per_hour,
    not_live,
    partial_spans,
    row_crc,
    undated,
    undated_values,
    wall_text,
)
from vici_brain.vici.dialer import DialerSession
from vici_brain.vici.questions import Question, number, wall

BUCKET_SECONDS = 300
_BESIDE = 0
_MOST_KEYS = 500


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
                asked = bucket_sums(table, piece, zone, archive=archive, sqlite=self._session.is_sqlite)
                for epoch, count, crc_sum, first, last in self._session.fetch(asked):
                    if epoch is None:
                        odd.append(OddSpan(piece, archive, str(first), str(last)))
                    elif bucket := int(str(epoch)):
                        start = datetime.fromtimestamp(bucket, UTC)
                        held = sums.get(start, BucketSum())
                        sums[start] = BucketSum(held.count + int(str(count)), held.crc_sum + int(str(crc_sum)))
                        copies[archive].add(start)
        live, archived = copies
        return Sums(sums, frozenset(archived - live), frozenset(archived & live), tuple(odd))

    def calls(self, window: Window) -> int:
        """About how many calls the live tables have in ``window``, from the indexes on call_date alone."""
        bounds = Bounds.of(window, self._session.dialer.zone)
        hours = [self._session.fetch(calls_per_hour(table, bounds, archive=False)) for table in CALL_TABLES]
        return sum(int(str(calls)) for found in hours for _, calls in found)

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


def bucket_sums(table: CallTable, piece: Piece, zone: ZoneInfo, *, archive: bool, sqlite: bool) -> Question:
    """``(bucket epoch, count, sum of CRC32, first and last call_date)`` of the regular rows whose start_epoch is in ``piece``.

    The bucket NULL stands for the rows about the piece that are not regular: where it is missing, there are none to be asked for.
    Rows beside the piece come as bucket 0.
    """
    bounds = Bounds.of(piece.window, zone)
    statement = _sums_statement(table, len(partial_spans(bounds)), archive=archive, sqlite=sqlite)
    return Question(statement, _values(piece) | undated_values(bounds))


@cache
def _sums_statement(table: CallTable, spans: int, *, archive: bool, sqlite: bool) -> Select[*tuple[Any, ...]]:
    """One look at each row: whether it is regular costs as much as its checksum."""
    source = table.source(archive=archive)
    date, epoch = type_coerce(source.c.call_date, String), source.c.start_epoch
    in_piece = and_(epoch >= number("start"), epoch < number("end"))
    bucket = case(
        (_is_regular(source, sqlite=sqlite), case((in_piece, epoch - epoch % BUCKET_SECONDS), else_=_BESIDE)),
        (or_(_between(date, "low", "high"), undated(source, spans)), null()),
        else_=_BESIDE,
    ).label("bucket")
    shown = [cast(edge(source.c.call_date), String) for edge in (func.min, func.max)]
    statement = select(bucket, func.count(), func.sum(row_crc(source)), *shown).group_by("bucket")
    return not_live(statement.where(or_(_between(date, "near_low", "near_high"), undated(source, spans))), table, archive=archive)


def regular_rows(table: CallTable, piece: Piece, *, archive: bool, sqlite: bool) -> Question:
    """``(key, CRC32)`` of the rows that :func:`bucket_sums` adds up; for the few buckets that differ."""
    return Question(_rows_statement(table, archive=archive, sqlite=sqlite), _values(piece))


@cache
def _rows_statement(table: CallTable, *, archive: bool, sqlite: bool) -> Select[*tuple[Any, ...]]:
    source = table.source(archive=archive)
    date, epoch = type_coerce(source.c.call_date, String), source.c.start_epoch
    statement = select(type_coerce(source.c[table.key], NullType()), row_crc(source)).where(
        # A regular row's wall time may lie a quarter of an hour beside its epoch.
        _between(date, "near_low", "near_high"),
        epoch >= number("start"),
        epoch < number("end"),
        _is_regular(source, sqlite=sqlite),
    )
    return not_live(statement, table, archive=archive)


def odd_rows(
    table: CallTable, piece: Piece, zone: ZoneInfo, span: tuple[str, str] | None = None, *, archive: bool, sqlite: bool
) -> Question:
    """``(key, uniqueid, call_date, start_epoch, CRC32)`` of the rows about ``piece`` that are not regular, undated ones too.

    ``span`` is the first and the last call_date of those with a date, where that is known.
    """
    bounds = Bounds.of(piece.window, zone)
    values = _values(piece) | undated_values(bounds)
    low, high = span or (values["low"], values["high"])
    statement = _odd_statement(table, len(partial_spans(bounds)), archive=archive, sqlite=sqlite)
    return Question(statement, values | {"first": low, "last": high})


@cache
def _odd_statement(table: CallTable, spans: int, *, archive: bool, sqlite: bool) -> Select[*tuple[Any, ...]]:
    source = table.source(archive=archive)
    shown = (source.c[table.key], source.c.uniqueid, cast(source.c.call_date, String), source.c.start_epoch, row_crc(source))
    columns = [type_coerce(column, NullType()) for column in shown]
    date = type_coerce(source.c.call_date, String)
    seen = and_(_between(date, "low", "high"), date >= wall("first"), date <= wall("last"))
    odd = and_(seen, not_(_is_regular(source, sqlite=sqlite)))
    return not_live(select(*columns).where(or_(odd, undated(source, spans))), table, archive=archive)


def keys_present(table: CallTable, keys: Sequence[str | int], *, archive: bool) -> Question:
    """``(key, CRC32)`` of those of ``keys`` that the dialer has, by primary key."""
    return Question(_keys_statement(table, archive=archive), {"keys": list(keys)})


@cache
def _keys_statement(table: CallTable, *, archive: bool) -> Select[*tuple[Any, ...]]:
    source = table.source(archive=archive)
    key = source.c[table.key]
    return select(key, row_crc(source)).where(key.in_(bindparam("keys", expanding=True)))


def first_and_last(table: CallTable, *, archive: bool) -> Question:
    """The wall times of the oldest and of the newest row that has one: both ends of the index on call_date."""
    return Question(_ends_statement(table, archive=archive), {})


@cache
def _ends_statement(table: CallTable, *, archive: bool) -> Select[*tuple[Any, ...]]:
    date = type_coerce(table.source(archive=archive).c.call_date, String)
    ends = [select(cast(end(date), String)).where(date >= FIRST_DATE).scalar_subquery() for end in (func.min, func.max)]
    return select(*ends)


def _between(date: ColumnElement[str], low: str, high: str) -> ColumnElement[bool]:
    return and_(date >= wall(low), date < wall(high))


def _is_regular(source: Table, *, sqlite: bool) -> ColumnElement[bool]:
    """Wall time and epoch agree within the tolerance; false, never NULL, where either is unusable."""
    date = source.c.call_date
    seconds: ColumnElement[Any] = (
        cast(func.strftime("%s", type_coerce(date, String)), BigInteger)
        if sqlite
        else func.timestampdiff(text("SECOND"), literal("1970-01-01 00:00:00"), date)
    )
    # BIGINT UNSIGNED minus a larger number is an error in MariaDB, so the epoch is made signed first.
    difference = seconds - cast(source.c.start_epoch, BigInteger) - number("offset")
    return func.coalesce(func.abs(difference) <= int(TOLERANCE.total_seconds()), literal(0)) == 1


def _values(piece: Piece) -> dict[str, object]:
    low, high = (bound.replace(tzinfo=None) + piece.offset for bound in (piece.window.start, piece.window.end))
    return {
        "low": wall_text(low),
        "high": wall_text(high),
        "near_low": wall_text(low - TOLERANCE),
        "near_high": wall_text(high + TOLERANCE),
        "start": int(piece.window.start.timestamp()),
        "end": int(piece.window.end.timestamp()),
        "offset": int(piece.offset.total_seconds()),
    }
