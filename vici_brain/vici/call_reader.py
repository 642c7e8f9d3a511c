"""The statements that read calls: which columns, in which order, over which index.

Belongs here: SELECTs on the call tables and their archives. Does not: connections (connect), windows and retries (flows), nor
what a value means (domain/call_rows).

Every SELECT walks the index on call_date with half-open bounds, at most a page at a time in the order (call_date, key), and never
filters on an unindexed column first. The lead's code and the caller ID come by scalar sub-selects over primary keys and
the key on caller_code, because a join would repeat a call whenever one of these tables holds two rows for it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo

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
    literal_column,
    null,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.dialects.mysql import BINARY
from sqlalchemy.types import NullType

from vici_brain.domain import call_lines
from vici_brain.domain.call_rows import COLUMNS
from vici_brain.domain.windows import Window
from vici_brain.vici import schema
from vici_brain.vici.questions import Question, number, wall

# A year no dialer has lived in: what sorts before it is a zero date.
FIRST_DATE = "1000-01-01 00:00:00"
_FIRST_EPOCH = 946_684_800
_SEPARATOR = "\x1f"
_NULL_MARK = "\\N"
# Columns of a call that ViciDial's own export scripts flip; a change in them is no change of the call.
_NOT_REPLICATED = frozenset({"processed", "xfercallid", "agent_only", "queue_position"})
_RENAMED = {"vici_lead_id": "lead_id", "agent_user": "user"}
_CALLER_IDS = (
    (schema.vicidial_log_extended, schema.vicidial_dial_cid_log),
    (schema.vicidial_log_extended_archive, schema.vicidial_dial_cid_log_archive),
)
_CID_SLACK = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class CallTable:
    """One table of calls with its archive, its key, and the tables that know its caller IDs."""

    live: Table
    archive: Table
    key: str
    outbound: bool

    @property
    def name(self) -> str:
        return self.live.name

    def source(self, *, archive: bool) -> Table:
        return self.archive if archive else self.live


CALL_TABLES = (
    CallTable(schema.vicidial_log, schema.vicidial_log_archive, "uniqueid", outbound=True),
    CallTable(schema.vicidial_closer_log, schema.vicidial_closer_log_archive, "closecallid", outbound=False),
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """A window as a dialer's rows tell time: naive wall time and UTC seconds, both half-open."""

    walls: tuple[datetime, datetime]
    epochs: tuple[int, int]

    @classmethod
    def of(cls, window: Window, zone: ZoneInfo) -> "Bounds":
        return cls(window.wall_bounds(zone), (math.floor(window.start.timestamp()), math.ceil(window.end.timestamp())))


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
    """By (call_date, key), so that a next page can follow; sorting costs the dialer a third of reading."""


class PageQuestion(Protocol):
    """The shape of the two questions for a page of calls."""

    def __call__(self, table: CallTable, present: frozenset[str], extent: Extent, form: Form) -> Question: ...


def page_of_window(table: CallTable, present: frozenset[str], extent: Extent, form: Form) -> Question:
    """The next calls by their call_date."""
    bounds, after = extent.bounds, extent.after
    values = _values(bounds, present, table) | {"low": wall_text(bounds.walls[0]), "high": wall_text(bounds.walls[1])}
    if after is not None:
        values |= {"low": after.call_date or values["low"], "after": after.key}
    return Question(_window_statement(table, present, form, follows=after is not None), values | {"most": extent.limit})


@cache
def _window_statement(table: CallTable, present: frozenset[str], form: Form, *, follows: bool) -> Select[*tuple[Any, ...]]:
    source = table.source(archive=form.archive)
    date, key = source.c.call_date, source.c[table.key]
    statement = _select(table, source, present).where(_text(date) >= wall("low"), _text(date) < wall("high"))
    if follows:
        statement = statement.where(or_(_text(date) > wall("low"), key > bindparam("after", type_=key.type)))
    return _shaped(statement, table, form, date, key)


def page_of_undated(table: CallTable, present: frozenset[str], extent: Extent, form: Form) -> Question:
    """Calls whose call_date is NULL or zero, which no window of it ever holds, if their epoch is in the window or unusable too.

    Such rows stand together at the low end of the index on call_date, so asking for them costs next to nothing.
    """
    bounds, after = extent.bounds, extent.after
    spans = partial_spans(bounds)
    values = _values(bounds, present, table) | undated_values(bounds) | {"most": extent.limit}
    if after is not None:
        values |= {"after": after.key}
    return Question(_undated_statement(table, present, form, len(spans), follows=after is not None), values)


@cache
def _undated_statement(
    table: CallTable, present: frozenset[str], form: Form, spans: int, *, follows: bool
) -> Select[*tuple[Any, ...]]:
    source = table.source(archive=form.archive)
    key = source.c[table.key]
    statement = _select(table, source, present).where(undated(source, spans))
    if follows:
        statement = statement.where(key > bindparam("after", type_=key.type))
    return _shaped(statement, table, form, key)


def undated(source: Table, spans: int) -> ColumnElement[bool]:
    """Rows without a real date that belong to the window by their epoch, or have none that could tell.

    NULL and zero stand at the low end of the index on call_date; a date with day or month 0 stands before its month or its year.
    """
    date, epoch = _text(source.c.call_date), source.c.start_epoch
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
    page = (statement.order_by(*order) if form.ordered else statement).limit(number("most"))
    return _as_lines(page) if form.lines else page


def _as_lines(statement: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """``(how many rows, they as lines in the same order)``."""
    values = [func.coalesce(cast(column, String), call_lines.NULL_MARK) for column in statement.selected_columns]
    line = func.convert(func.concat_ws(call_lines.SEPARATOR, *values).op("USING")(literal_column("utf8mb4")))
    page = statement.with_only_columns(cast(line, BINARY).label("line"), maintain_column_froms=True).subquery("page")
    text = func.group_concat(page.c.line.op("SEPARATOR")(literal_column(f"0x{call_lines.END.encode().hex()}")))
    return select(func.count(), type_coerce(text, NullType()))


def calls_per_hour(table: CallTable, bounds: Bounds, *, archive: bool) -> Question:
    """``(hour as the dialer writes it, how many calls)`` of the bounds, from the index on call_date alone."""
    low, high = map(wall_text, bounds.walls)
    return Question(_hours_statement(table.source(archive=archive)), {"low": low, "high": high})


@cache
def _hours_statement(source: Table) -> Select[*tuple[Any, ...]]:
    hour = func.substr(cast(source.c.call_date, String), 1, len("2026-01-01 00"))
    date = _text(source.c.call_date)
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
        select(_shown_date(table.c.call_date), type_coerce(table.c.start_epoch, NullType()))
        .where(_text(table.c.call_date) >= wall("since"))
        .order_by(table.c.call_date.desc())
        .limit(25)
    )


def _select(table: CallTable, source: Table, present: frozenset[str]) -> Select[*tuple[Any, ...]]:
    computed: dict[str, ColumnElement[Any]] = {
        "source_key": source.c[table.key],
        "call_date": _shown_date(source.c.call_date),
        "row_crc": row_crc(source),
        "vendor_lead_code": _vendor_lead_code(source, present),
        "outbound_cid": _outbound_cid(source, present) if table.outbound else null(),
    }
    columns = [
        type_coerce(computed[name] if name in computed else _column(source, name), NullType()).label(name) for name in COLUMNS
    ]
    return select(*columns)


def _column(source: Table, name: str) -> ColumnElement[Any]:
    column = source.c.get(_RENAMED.get(name, name))
    return null() if column is None else column


@cache
def row_crc(source: Table) -> ColumnElement[int]:
    """CRC32 of the replicated columns, by the dialer's database: equal sums on both sides prove equal contents."""
    parts: list[ColumnElement[str]] = [
        func.coalesce(cast(column, String), _NULL_MARK)
        for name, column in sorted(source.c.items())
        if name not in _NOT_REPLICATED
    ]
    return func.crc32(func.concat_ws(literal(_SEPARATOR), *parts))


def _vendor_lead_code(source: Table, present: frozenset[str]) -> ColumnElement[Any]:
    leads = [schema.vicidial_list, schema.vicidial_list_archive]
    found = [
        select(lead.c.vendor_lead_code).where(lead.c.lead_id == source.c.lead_id).scalar_subquery()
        for lead in leads
        if lead.name in present
    ]
    return func.coalesce(*found, null()) if found else null()


def _outbound_cid(source: Table, present: frozenset[str]) -> ColumnElement[Any]:
    """Uniqueid (+ lead) → caller_code → caller ID. Codes recur after years, so only those of the window's time are asked."""
    found = [
        select(_newest(cid))
        .select_from(extended.join(cid, cid.c.caller_code == extended.c.caller_code))
        .where(
            extended.c.uniqueid == source.c.uniqueid,
            extended.c.lead_id == source.c.lead_id,
            _text(cid.c.call_date) >= wall("first_cid"),
            _text(cid.c.call_date) < wall("beyond_cid"),
        )
        .scalar_subquery()
        for extended, cid in _known_cids(present)
    ]
    return func.coalesce(*found, null()) if found else null()


def _known_cids(present: frozenset[str]) -> list[tuple[Table, Table]]:
    return [pair for pair in _CALLER_IDS if {table.name for table in pair} <= present]


def _values(bounds: Bounds, present: frozenset[str], table: CallTable) -> dict[str, object]:
    """What every page binds: when the caller IDs of its calls were chosen."""
    if not table.outbound or not _known_cids(present):
        return {}
    first, beyond = bounds.walls[0] - _CID_SLACK, bounds.walls[1] + _CID_SLACK
    return {"first_cid": wall_text(first), "beyond_cid": wall_text(beyond)}


def _newest(cid: Table) -> ColumnElement[Any]:
    """The caller ID of the newest row, as an aggregate: to order them, MariaDB makes and sorts a table for every call."""
    date = cast(cid.c.call_date, String(19))
    return func.substr(func.max(func.concat_ws("", date, cid.c.outbound_cid)), 20)


def not_live(statement: Select[*tuple[Any, ...]], table: CallTable, *, archive: bool) -> Select[Any]:
    """An archive copy may be stale: it counts only where the live table has no such key (looked up in its primary key)."""
    if not archive:
        return statement
    live = table.live.alias("live")
    twin = select(literal(1)).where(live.c[table.key] == table.archive.c[table.key]).correlate(table.archive)
    return statement.where(~twin.exists())


def _text(column: ColumnElement[Any]) -> ColumnElement[str]:
    """The column compared with text as it stands: no driver conversion, and the index on it stays usable."""
    return type_coerce(column, String)


def _shown_date(column: ColumnElement[Any]) -> ColumnElement[str]:
    """Text as the database prints it: drivers differ on zero and partial dates, text does not."""
    return cast(column, String)


def wall_text(moment: datetime) -> str:
    """A naive moment as the dialer writes it."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def required_columns(tables: Sequence[CallTable] = CALL_TABLES) -> dict[str, frozenset[str]]:
    """Columns without which calls cannot be read, by table."""
    needed = {table.name: frozenset(table.live.c.keys()) - _NOT_REPLICATED for table in tables}
    needed["vicidial_list"] = frozenset({"lead_id", "vendor_lead_code"})
    return needed
