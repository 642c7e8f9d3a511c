"""The statements that tell a call's caller ID: uniqueid and lead → caller_code → the newest caller ID of that code.

Belongs here: SELECTs on the extended logs and the logs of dial orders. Does not: putting their answers together (caller_ids), nor
what else a call is read with (call_columns).

Codes recur after years, so only dial orders of the calls' own time are asked for. Every statement walks the index on call_date or
looks up keys.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, String, Table, bindparam, cast, func, null, select, type_coerce
from sqlalchemy.types import NullType

from vici_brain.domain import call_lines
from vici_brain.vici import schema
from vici_brain.vici.call_tables import Bounds, CallTable, as_text, wall_text
from vici_brain.vici.questions import Question, wall
from vici_brain.vici.row_text import RowText, as_lines

Pair = tuple[Table, Table]
"""An extended log and the log of dial orders that its codes are looked up in."""
_PAIRS: tuple[Pair, ...] = (
    (schema.vicidial_log_extended, schema.vicidial_dial_cid_log),
    (schema.vicidial_log_extended_archive, schema.vicidial_dial_cid_log_archive),
)
_SLACK = timedelta(minutes=10)
VALUES = 3
"""How many values a line of :func:`lines_between` has."""


def known_pairs(present: frozenset[str]) -> tuple[Pair, ...]:
    """The pairs that a dialer has; the first one that knows a call's caller ID decides."""
    return tuple(pair for pair in _PAIRS if {table.name for table in pair} <= present)


def time_of(bounds: Bounds) -> tuple[datetime, datetime]:
    """When the caller IDs of the calls of ``bounds`` were chosen."""
    return bounds.walls[0] - _SLACK, bounds.walls[1] + _SLACK


def time_values(bounds: Bounds) -> dict[str, object]:
    """What :func:`caller_id` binds."""
    first, beyond = map(wall_text, time_of(bounds))
    return {"first_cid": first, "beyond_cid": beyond}


def caller_id(source: Table, present: frozenset[str]) -> ColumnElement[Any]:
    """As scalar sub-selects, because a join would repeat a call that has two dial orders; costs a dialer more than the call."""
    found = [
        select(_newest(cid))
        .select_from(extended.join(cid, cid.c.caller_code == extended.c.caller_code))
        .where(
            extended.c.uniqueid == source.c.uniqueid, extended.c.lead_id == source.c.lead_id, *_between(cid.c.call_date, "_cid")
        )
        .scalar_subquery()
        for extended, cid in known_pairs(present)
    ]
    return func.coalesce(*found, null()) if found else null()


def _newest(cid: Table) -> ColumnElement[Any]:
    """The caller ID of the newest row, as an aggregate: to order them, MariaDB makes and sorts a table for every call."""
    date = cast(cid.c.call_date, String(19))
    return func.substr(func.max(func.concat_ws("", date, cid.c.outbound_cid)), 20)


def _between(date: ColumnElement[Any], suffix: str = "") -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return as_text(date) >= wall(f"first{suffix}"), as_text(date) < wall(f"beyond{suffix}")


def of_keys(table: CallTable, present: frozenset[str], bounds: Bounds, keys: Sequence[str], *, archive: bool) -> Question:
    """``(key, caller ID)`` of those of ``keys`` that the dialer still has."""
    return Question(_keys_statement(table, present, archive=archive), time_values(bounds) | {"keys": list(keys)})


@cache
def _keys_statement(table: CallTable, present: frozenset[str], *, archive: bool) -> Select[*tuple[Any, ...]]:
    source = table.source(archive=archive)
    key = source.c[table.key]
    columns = [type_coerce(column, NullType()) for column in (key, caller_id(source, present))]
    return select(*columns).where(key.in_(bindparam("keys", expanding=True)))


def how_many(pairs: tuple[Pair, ...], span: tuple[datetime, datetime]) -> Question:
    """One row: for each pair how many extended rows and dial orders the span has, and whether the extended log has any row."""
    return Question(_numbers_statement(pairs), _span_values(span))


@cache
def _numbers_statement(pairs: tuple[Pair, ...]) -> Select[*tuple[Any, ...]]:
    asked: list[ColumnElement[Any]] = []
    for pair in pairs:
        asked += [select(func.count()).select_from(table).where(*_between(table.c.call_date)).scalar_subquery() for table in pair]
        # The end of an index costs nothing; the number of all rows would be counted row by row in InnoDB.
        asked.append(select(func.min(pair[0].c.uniqueid)).scalar_subquery().is_not(None))
    return select(*(type_coerce(each, NullType()) for each in asked))


def lines_between(table: Table, span: tuple[datetime, datetime]) -> Question:
    """``(how many, they as lines)``: uniqueid, lead and code of an extended log; date, caller ID and code of dial orders.

    What is NULL comes as an empty text, as which it is no lead's and the caller ID of :func:`caller_id` too.
    """
    return Question(_lines_statement(table), _span_values(span))


@cache
def _lines_statement(table: Table) -> Select[*tuple[Any, ...]]:
    names = ("uniqueid", "lead_id") if "uniqueid" in table.c else ("call_date", "outbound_cid")
    line = RowText(call_lines.SEPARATOR, "", *(table.c[name] for name in (*names, "caller_code")))
    return select(func.count(), as_lines(line)).where(*_between(table.c.call_date))


def _span_values(span: tuple[datetime, datetime]) -> dict[str, object]:
    first, beyond = map(wall_text, span)
    return {"first": first, "beyond": beyond}
