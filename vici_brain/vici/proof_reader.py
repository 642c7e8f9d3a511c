"""The statements that let a dialer add up its own calls, and say which keys it still has.

Belongs here: aggregates and key look-ups over call tables and archives, and asking them. Does not: comparing them (domain/proof).

Each aggregate walks the index on call_date over an hour at most and sends a dozen numbers, whatever the number of calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    Table,
    and_,
    cast,
    func,
    literal,
    not_,
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
    row_crc,
    undated,
    wall_text,
)
from vici_brain.vici.dialer import DialerSession

BUCKET_SECONDS = 300
_MOST_KEYS = 500


@dataclass(frozen=True, slots=True)
class OddRow:
    """A row at the source whose times do not agree, as much of it as placing and comparing it takes."""

    key: str
    uniqueid: str | None
    call_date: str | None
    start_epoch: int | None
    crc: int


class SourceSums:
    """One dialer adding up its own calls, over one session."""

    def __init__(self, session: DialerSession) -> None:
        self._session = session

    def buckets(self, table: CallTable, window: Window) -> tuple[dict[datetime, BucketSum], set[datetime], set[datetime]]:
        """Count and CRC sum of the regular rows of each five-minute bucket of ``window``; live rows, then archived ones.

        Beside them the buckets whose rows all stand in the archive, and those of which some do.
        """
        sums: dict[datetime, BucketSum] = {}
        copies: tuple[set[datetime], set[datetime]] = (set(), set())
        for piece in pieces(window, self._session.dialer.zone):
            for archive in self._copies(table):
                for epoch, count, crc_sum in self._session.fetch(
                    bucket_sums(table, piece, archive=archive, sqlite=self._session.is_sqlite)
                ):
                    start = datetime.fromtimestamp(int(str(epoch)), UTC)
                    held = sums.get(start, BucketSum())
                    sums[start] = BucketSum(held.count + int(str(count)), held.crc_sum + int(str(crc_sum)))
                    copies[archive].add(start)
        live, archived = copies
        return sums, archived - live, archived & live

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

    def odd(self, table: CallTable, window: Window) -> list[OddRow]:
        """The irregular rows about ``window``; normally none, on a healthy dialer a handful."""
        zone = self._session.dialer.zone
        found: dict[str, OddRow] = {}
        for piece in pieces(window, zone):
            bounds = Bounds.of(piece.window, zone)
            for archive in self._copies(table):
                for key, uniqueid, call_date, epoch, crc in self._session.fetch(
                    odd_rows(table, piece, bounds, archive=archive, sqlite=self._session.is_sqlite)
                ):
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


def bucket_sums(table: CallTable, piece: Piece, *, archive: bool, sqlite: bool) -> Select[*tuple[Any, ...]]:
    """``(bucket epoch, count, sum of CRC32)`` of the regular rows whose start_epoch is in ``piece``."""
    source = table.archive if archive else table.live
    bucket = source.c.start_epoch - source.c.start_epoch % BUCKET_SECONDS
    statement = select(bucket, func.count(), func.sum(row_crc(source))).group_by(bucket)
    return not_live(_regular(statement, source, piece, sqlite=sqlite), table, archive=archive)


def regular_rows(table: CallTable, piece: Piece, *, archive: bool, sqlite: bool) -> Select[*tuple[Any, ...]]:
    """``(key, CRC32)`` of the rows that :func:`bucket_sums` adds up; for the few buckets that differ."""
    source = table.archive if archive else table.live
    statement = select(type_coerce(source.c[table.key], NullType()), row_crc(source))
    return not_live(_regular(statement, source, piece, sqlite=sqlite), table, archive=archive)


def odd_rows(table: CallTable, piece: Piece, bounds: Bounds, *, archive: bool, sqlite: bool) -> Select[*tuple[Any, ...]]:
    """``(key, uniqueid, call_date, start_epoch, CRC32)`` of the rows about ``piece`` that are not regular, undated ones too."""
    source = table.archive if archive else table.live
    low, high = _walls(piece)
    date = type_coerce(source.c.call_date, String)
    in_window = and_(date >= wall_text(low), date < wall_text(high), not_(_is_regular(source, piece, sqlite=sqlite)))
    shown = (source.c[table.key], source.c.uniqueid, cast(source.c.call_date, String), source.c.start_epoch, row_crc(source))
    columns = [type_coerce(column, NullType()) for column in shown]
    return not_live(select(*columns).where(or_(in_window, undated(source, bounds))), table, archive=archive)


def keys_present(table: CallTable, keys: Sequence[str | int], *, archive: bool) -> Select[*tuple[Any, ...]]:
    """``(key, CRC32)`` of those of ``keys`` that the dialer has, by primary key."""
    source = table.archive if archive else table.live
    return select(source.c[table.key], row_crc(source)).where(source.c[table.key].in_(keys))


def first_and_last(table: CallTable, *, archive: bool) -> Select[*tuple[Any, ...]]:
    """The wall times of the oldest and of the newest row that has one: both ends of the index on call_date."""
    date = type_coerce((table.archive if archive else table.live).c.call_date, String)
    ends = [select(cast(end(date), String)).where(date >= FIRST_DATE).scalar_subquery() for end in (func.min, func.max)]
    return select(*ends)


def _regular(statement: Select[*tuple[Any, ...]], source: Table, piece: Piece, *, sqlite: bool) -> Select[*tuple[Any, ...]]:
    low, high = _walls(piece)
    return statement.where(
        type_coerce(source.c.call_date, String) >= wall_text(low - TOLERANCE),
        type_coerce(source.c.call_date, String) < wall_text(high + TOLERANCE),
        source.c.start_epoch >= int(piece.window.start.timestamp()),
        source.c.start_epoch < int(piece.window.end.timestamp()),
        _is_regular(source, piece, sqlite=sqlite),
    )


def _is_regular(source: Table, piece: Piece, *, sqlite: bool) -> ColumnElement[bool]:
    """Wall time and epoch agree within the tolerance; false, never NULL, where either is unusable."""
    date = source.c.call_date
    seconds: ColumnElement[Any] = (
        cast(func.strftime("%s", type_coerce(date, String)), BigInteger)
        if sqlite
        else func.timestampdiff(text("SECOND"), literal("1970-01-01 00:00:00"), date)
    )
    # BIGINT UNSIGNED minus a larger number is an error in MariaDB, so the epoch is made signed first.
    difference = seconds - cast(source.c.start_epoch, BigInteger) - int(piece.offset.total_seconds())
    limit = int(TOLERANCE.total_seconds())
    return func.coalesce(and_(difference >= -limit, difference <= limit), literal(0)) == 1


def _walls(piece: Piece) -> tuple[datetime, datetime]:
    return tuple((bound.replace(tzinfo=None) + piece.offset) for bound in (piece.window.start, piece.window.end))  # type: ignore[return-value]
