"""What a call is read with: its own columns, its lead's code and its caller ID, in the order of ``domain.call_rows.COLUMNS``.

Belongs here: the columns of a page of calls. Does not: which calls make a page (call_reader).

The lead's code and the caller ID come by scalar sub-selects over primary keys and the key on caller_code, because a join would
repeat a call whenever one of these tables holds two rows for it.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, String, Table, cast, func, null, select, type_coerce
from sqlalchemy.types import NullType

from vici_brain.domain.call_rows import COLUMNS
from vici_brain.vici import schema
from vici_brain.vici.call_tables import Bounds, CallTable, as_text, row_crc, shown_date, wall_text
from vici_brain.vici.questions import wall

_RENAMED = {"vici_lead_id": "lead_id", "agent_user": "user"}
_CALLER_IDS = (
    (schema.vicidial_log_extended, schema.vicidial_dial_cid_log),
    (schema.vicidial_log_extended_archive, schema.vicidial_dial_cid_log_archive),
)
_CID_SLACK = timedelta(minutes=10)


def calls_of(table: CallTable, source: Table, present: frozenset[str]) -> Select[*tuple[Any, ...]]:
    computed: dict[str, ColumnElement[Any]] = {
        "source_key": source.c[table.key],
        "call_date": shown_date(source.c.call_date),
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


def values_of(bounds: Bounds, present: frozenset[str], table: CallTable) -> dict[str, object]:
    """What every page binds: when the caller IDs of its calls were chosen."""
    if not table.outbound or not _known_cids(present):
        return {}
    first, beyond = bounds.walls[0] - _CID_SLACK, bounds.walls[1] + _CID_SLACK
    return {"first_cid": wall_text(first), "beyond_cid": wall_text(beyond)}


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
            as_text(cid.c.call_date) >= wall("first_cid"),
            as_text(cid.c.call_date) < wall("beyond_cid"),
        )
        .scalar_subquery()
        for extended, cid in _known_cids(present)
    ]
    return func.coalesce(*found, null()) if found else null()


def _known_cids(present: frozenset[str]) -> list[tuple[Table, Table]]:
    return [pair for pair in _CALLER_IDS if {table.name for table in pair} <= present]


def _newest(cid: Table) -> ColumnElement[Any]:
    """The caller ID of the newest row, as an aggregate: to order them, MariaDB makes and sorts a table for every call."""
    date = cast(cid.c.call_date, String(19))
    return func.substr(func.max(func.concat_ws("", date, cid.c.outbound_cid)), 20)
