"""The statements that read calls: which of them make a page, in which order, over which index.

Belongs here: SELECTs on the call tables and their archives. Does not: connections (connect), windows and retries (flows), nor
what a value means (domain/call_rows).

Every SELECT walks the index on call_date with half-open bounds, at most a page at a time in the order (call_date, key), or what
that index counted to be less than one, and never filters on an unindexed column first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Protocol

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    Table,
    and_,
    bindparam,
    cast,
    func,
    literal,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.types import NullType

from vici_brain.domain import call_lines
from vici_brain.vici import schema
from vici_brain.vici.call_columns import calls_of, values_of
from vici_brain.vici.call_tables import Bounds, CallTable, as_text, not_live, shown_date, wall_text
from vici_brain.vici.questions import Question, number, wall
from vici_brain.vici.row_text import RowText, as_bytes, as_lines

# A year no dialer has lived in: what sorts before it is a zero date.
FIRST_DATE = "1000-01-01 00:00:00"
_FIRST_EPOCH = 946_684_800


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended: the wall time as the dialer wrote it (``None`` among undated rows) and the key."""

    call_date: str | None
    key: str | int


@dataclass(frozen=True, slots=True)
class Extent:
    """Which calls make a page: those of the bounds behind ``after``, ``limit`` at most."""

    bounds: Bounds
    limit: int
    after: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """What a page is to look like, beside what it holds."""

    archive: bool = False
    lines: bool = False
    """One text that MariaDB and MySQL write in UTF-8 (domain/call_lines), with the number of its lines before it."""
    ordered: bool = True
    """By (call_date, key), so that a next page can follow; sorting costs the dialer a third of reading.

    Lines that need no order are all that the bounds hold: a limit would take a derived table, which costs a tenth.
    """


class PageQuestion(Protocol):
    """The shape of the two questions for a page of calls."""

    def __call__(self, table: CallTable, present: frozenset[str], extent: Extent, form: Form) -> Question: ...


def page_of_window(table: CallTable, present: frozenset[str], extent: Extent, form: Form) -> Question:
    """The next calls by their call_date."""
    bounds, after = extent.bounds, extent.after
    values = values_of(bounds, present, table, lines=form.lines)
    values |= {"low": wall_text(bounds.walls[0]), "high": wall_text(bounds.walls[1])}
    if after is not None:
        values |= {"low": after.call_date or values["low"], "after": after.key}
    return Question(_window_statement(table, present, form, follows=after is not None), values | {"most": extent.limit})


@cache
def _window_statement(table: CallTable, present: frozenset[str], form: Form, *, follows: bool) -> Select[*tuple[Any, ...]]:
    source = table.source(archive=form.archive)
    date, key = source.c.call_date, source.c[table.key]
    statement = calls_of(table, source, present, lines=form.lines)
    statement = statement.where(as_text(date) >= wall("low"), as_text(date) < wall("high"))
    if follows:
        statement = statement.where(or_(as_text(date) > wall("low"), key > bindparam("after", type_=key.type)))
    return _shaped(statement, table, form, date, key)


def page_of_undated(table: CallTable, present: frozenset[str], extent: Extent, form: Form) -> Question:
    """Calls whose call_date is NULL or zero, which no window of it ever holds, if their epoch is in the window or unusable too.

    Such rows stand together at the low end of the index on call_date, so asking for them costs next to nothing.
    """
    bounds, after = extent.bounds, extent.after
    spans = partial_spans(bounds)
    values = values_of(bounds, present, table, lines=form.lines) | undated_values(bounds) | {"most": extent.limit}
    if after is not None:
        values |= {"after": after.key}
    return Question(_undated_statement(table, present, form, len(spans), follows=after is not None), values)


@cache
def _undated_statement(
    table: CallTable, present: frozenset[str], form: Form, spans: int, *, follows: bool
) -> Select[*tuple[Any, ...]]:
    source = table.source(archive=form.archive)
    key = source.c[table.key]
    statement = calls_of(table, source, present, lines=form.lines).where(undated(source, spans))
    if follows:
        statement = statement.where(key > bindparam("after", type_=key.type))
    return _shaped(statement, table, form, key)


def undated(source: Table, spans: int) -> ColumnElement[bool]:
    """Rows without a real date that belong to the window by their epoch, or have none that could tell.

    NULL and zero stand at the low end of the index on call_date; a date with day or month 0 stands before its month or its year.
    """
    date, epoch = as_text(source.c.call_date), source.c.start_epoch
    partial = [and_(date >= wall(f"partial_low_{n}"), date < wall(f"partial_high_{n}")) for n in range(spans)]
    return and_(
        or_(source.c.call_date.is_(None), date < FIRST_DATE, *partial),
        or_(epoch.is_(None), epoch < _FIRST_EPOCH, and_(epoch >= number("first_epoch"), epoch < number("beyond_epoch"))),
    )


def undated_values(bounds: Bounds) -> dict[str, object]:
    """The values of :func:`undated`."""
    lows = {f"partial_low_{n}": low for n, (low, _) in enumerate(partial_spans(bounds))}
    highs = {f"partial_high_{n}": high for n, (_, high) in enumerate(partial_spans(bounds))}
    return {**lows, **highs, "first_epoch": bounds.epochs[0], "beyond_epoch": bounds.epochs[1]}


def partial_spans(bounds: Bounds) -> list[tuple[str, str]]:
    """Where dates with day or month 0 of the months of ``bounds`` stand in the index."""
    months = {(moment.year, moment.month) for moment in bounds.walls}
    spans = [(f"{year}-{month:02}-00", f"{year}-{month:02}-01") for year, month in months]
    spans += [(f"{year}-00-00", f"{year}-01-01") for year in {year for year, _ in months}]
    return [(f"{low} 00:00:00", f"{high} 00:00:00") for low, high in sorted(spans)]


def _shaped(
    statement: Select[*tuple[Any, ...]], table: CallTable, form: Form, *order: ColumnElement[Any]
) -> Select[*tuple[Any, ...]]:
    statement = not_live(statement, table, archive=form.archive)
    if not form.lines:
        return (statement.order_by(*order) if form.ordered else statement).limit(number("most"))
    line = RowText(call_lines.SEPARATOR, call_lines.NULL_MARK, *statement.selected_columns)
    if not form.ordered:
        return statement.with_only_columns(func.count(), as_lines(line), maintain_column_froms=True)
    # Bytes already here: else the outer SELECT would convert every line once more.
    ordered = statement.with_only_columns(as_bytes(line).label("line"), maintain_column_froms=True).order_by(*order)
    page = ordered.limit(number("most")).subquery("page")
    return select(func.count(), as_lines(page.c.line))


def held_in(table: CallTable, walls: tuple[str, str], bounds: Bounds, *, archive: bool) -> Question:
    """One row: how many calls stand between two wall times, by the index on call_date; and whether :func:`undated` has any."""
    low, high = walls
    statement = _held_statement(table.source(archive=archive), len(partial_spans(bounds)))
    return Question(statement, undated_values(bounds) | {"low": low, "high": high})


@cache
def _held_statement(source: Table, spans: int) -> Select[*tuple[Any, ...]]:
    date = as_text(source.c.call_date)
    dated = select(func.count()).select_from(source).where(date >= wall("low"), date < wall("high")).scalar_subquery()
    dateless = select(literal(1)).select_from(source).where(undated(source, spans)).exists()
    return select(dated, type_coerce(dateless, NullType()))


def calls_per_hour(table: CallTable, bounds: Bounds, *, archive: bool) -> Question:
    """``(hour as the dialer writes it, how many calls)`` of the bounds, from the index on call_date alone."""
    low, high = map(wall_text, bounds.walls)
    return Question(_hours_statement(table.source(archive=archive)), {"low": low, "high": high})


@cache
def _hours_statement(source: Table) -> Select[*tuple[Any, ...]]:
    hour = func.substr(cast(source.c.call_date, String), 1, len("2026-01-01 00"))
    date = as_text(source.c.call_date)
    return select(hour, func.count()).where(date >= wall("low"), date < wall("high")).group_by(hour).order_by(hour)


def cut(bounds: Bounds, per_hour: Sequence[tuple[str, int]], most: int) -> list[tuple[Bounds, int]]:
    """``bounds`` in parts of whole hours with at most ``most`` calls each, where an hour alone has no more; with their numbers.

    Raises ValueError for an hour of a date that does not exist.
    """
    marks, held = [bounds.walls[0]], [0]
    for hour, calls in per_hour:
        start = datetime.strptime(hour, "%Y-%m-%d %H")  # noqa: DTZ007 - wall time
        if held[-1] and held[-1] + calls > most:
            marks.append(start)
            held.append(0)
        held[-1] += calls
    ends = [*marks[1:], bounds.walls[1]]
    return [(Bounds((low, high), bounds.epochs), calls) for low, high, calls in zip(marks, ends, held, strict=True)]


def newest_calls(since: datetime) -> Question:
    """The newest outbound calls' ``(call_date, start_epoch)``, evidence of the zone that the dialer writes in."""
    return Question(_newest_statement(), {"since": wall_text(since)})


@cache
def _newest_statement() -> Select[*tuple[Any, ...]]:
    table = schema.vicidial_log
    return (
        select(shown_date(table.c.call_date), type_coerce(table.c.start_epoch, NullType()))
        .where(as_text(table.c.call_date) >= wall("since"))
        .order_by(table.c.call_date.desc())
        .limit(25)
    )
