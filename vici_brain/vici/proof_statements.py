"""The statements that let a dialer add up its own calls, and say which keys it still has.

Belongs here: aggregates and key look-ups over call tables and archives. Does not: asking them (proof_reader), or comparing
what they say (domain/proof).

Each aggregate walks the index on call_date over a few hours and sends a dozen numbers, whatever the number of calls.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache, lru_cache
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
    null,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.dialects.mysql import INTEGER
from sqlalchemy.types import NullType

from vici_brain.domain.proof import TOLERANCE, Piece
from vici_brain.domain.windows import Window
from vici_brain.vici.call_reader import FIRST_DATE, partial_spans, undated, undated_values
from vici_brain.vici.call_tables import Bounds, CallTable, not_live, row_crc, wall_text
from vici_brain.vici.questions import Question, number, wall

BUCKET_SECONDS = 300
# What is no five minutes among the buckets of a sum: rows beside the piece, and irregular ones with a date like 2026-01-00.
_BESIDE, _PARTIAL = 0, 1
# Wall times of rows that are not regular are told from epochs by their size.
_YEAR_1970 = 62_167_219_200
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - wall time


@lru_cache(maxsize=64)
def bounds_of(window: Window, zone: ZoneInfo) -> Bounds:
    """A window is asked about for each table and each copy of it, and to convert a day takes a hundred looks at the zone."""
    return Bounds.of(window, zone)


def bucket_sums(table: CallTable, piece: Piece, zone: ZoneInfo, *, archive: bool, sqlite: bool) -> Question:
    """``(bucket epoch, count, sum of CRC32)`` of the regular rows whose start_epoch is in ``piece``.

    Rows about the piece that are not regular have buckets of their own, which :func:`odd_span` tells from the others; where there
    is none, there are no such rows to be asked for.
    """
    bounds = bounds_of(piece.window, zone)
    statement = _sums_statement(table, len(partial_spans(bounds)), archive=archive, sqlite=sqlite)
    return Question(statement, _values(piece) | undated_values(bounds))


@cache
def _sums_statement(table: CallTable, spans: int, *, archive: bool, sqlite: bool) -> Select[*tuple[Any, ...]]:
    """One look at each row, and no more of it than its checksum needs: each further aggregate costs a tenth of all."""
    source = table.source(archive=archive)
    date, epoch = type_coerce(source.c.call_date, String), source.c.start_epoch
    in_piece = and_(epoch >= number("start"), epoch < number("end"))
    seconds = _wall_seconds(source, sqlite=sqlite)
    wall_bucket = func.coalesce(seconds - seconds % BUCKET_SECONDS, _PARTIAL)
    bucket = case(
        (_is_regular(source, sqlite=sqlite), case((in_piece, epoch - epoch % BUCKET_SECONDS), else_=_BESIDE)),
        # Of one kind with an epoch, which is unsigned: else the buckets would be grouped as decimals.
        (_between(date, "low", "high"), wall_bucket if sqlite else cast(wall_bucket, INTEGER(unsigned=True))),
        (undated(source, spans), null()),
        else_=_BESIDE,
    ).label("bucket")
    statement = select(bucket, func.count(), func.sum(row_crc(source))).group_by("bucket")
    return not_live(statement.where(or_(_between(date, "near_low", "near_high"), undated(source, spans))), table, archive=archive)


def near(piece: Piece) -> tuple[str, str]:
    """Between which wall times the rows with a date lie that :func:`bucket_sums` looks at."""
    values = _values(piece)
    return str(values["near_low"]), str(values["near_high"])


def odd_span(bucket: int | None, piece: Piece) -> tuple[str, str] | None:
    """Between which wall times the irregular rows of a bucket of :func:`bucket_sums` lie; ``None`` if it is one of regular rows.

    Of those without any date the first is after the last: none lies between, as :func:`odd_rows` asks for these anyway.
    """
    if bucket is not None and bucket >= _YEAR_1970:
        first = _EPOCH + timedelta(seconds=bucket - _YEAR_1970)
        return wall_text(first), wall_text(first + timedelta(seconds=BUCKET_SECONDS))
    if bucket is not None and bucket != _PARTIAL:
        return None
    values = _values(piece)
    low, high = str(values["low"]), str(values["high"])
    return (low, high) if bucket == _PARTIAL else (high, low)


def calls_between(table: CallTable, window: Window, zone: ZoneInfo) -> Question:
    """How many live calls ``window`` holds, from the index on call_date alone."""
    low, high = bounds_of(window, zone).walls
    return Question(_count_statement(table.live), {"low": wall_text(low), "high": wall_text(high)})


@cache
def _count_statement(source: Table) -> Select[*tuple[Any, ...]]:
    return select(func.count()).select_from(source).where(_between(type_coerce(source.c.call_date, String), "low", "high"))


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
    bounds = bounds_of(piece.window, zone)
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
    odd = and_(seen, func.coalesce(_is_regular(source, sqlite=sqlite), literal(0)) == 0)
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
    """Wall time and epoch agree within the tolerance; NULL where either is unusable.

    Nothing is subtracted from the epoch: BIGINT UNSIGNED minus a larger number is an error in MariaDB.
    """
    epoch = source.c.start_epoch
    return _wall_seconds(source, sqlite=sqlite).between(epoch + number("earliest"), epoch + number("latest"))


def _wall_seconds(source: Table, *, sqlite: bool) -> ColumnElement[int]:
    """Seconds from the year 0 to the wall time of a row; NULL for a date that is none, or not a whole one."""
    date = source.c.call_date
    if sqlite:
        return cast(func.strftime("%s", type_coerce(date, String)), BigInteger) + _YEAR_1970
    return func.to_seconds(date, type_=BigInteger)


def _values(piece: Piece) -> dict[str, object]:
    low, high = (bound.replace(tzinfo=None) + piece.offset for bound in (piece.window.start, piece.window.end))
    offset, tolerance = int(piece.offset.total_seconds()), int(TOLERANCE.total_seconds())
    return {
        "low": wall_text(low),
        "high": wall_text(high),
        "near_low": wall_text(low - TOLERANCE),
        "near_high": wall_text(high + TOLERANCE),
        "start": int(piece.window.start.timestamp()),
        "end": int(piece.window.end.timestamp()),
        "earliest": _YEAR_1970 + offset - tolerance,
        "latest": _YEAR_1970 + offset + tolerance,
    }
