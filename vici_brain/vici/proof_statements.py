"""The statements that let a dialer add up its own calls, and say which keys it still has.

Belongs here: aggregates and key look-ups over call tables and archives. Does not: asking them (proof_reader), or comparing
what they say (domain/proof).

Each aggregate walks the index on call_date over a few hours and sends a dozen numbers, whatever the number of calls.
"""

from collections.abc import Sequence
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

from vici_brain.domain.proof import TOLERANCE, Piece
from vici_brain.vici.call_reader import FIRST_DATE, partial_spans, undated, undated_values
from vici_brain.vici.call_tables import Bounds, CallTable, not_live, row_crc, wall_text
from vici_brain.vici.questions import Question, number, wall

BUCKET_SECONDS = 300
_BESIDE = 0


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
