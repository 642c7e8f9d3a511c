"""What a call is read with: its own columns, its lead's code and its caller ID, in the order of ``domain.call_rows.COLUMNS``.

Belongs here: the columns of a page of calls. Does not: which calls make a page (call_reader), nor how a caller ID is found
(caller_id_statements).

The lead's code comes by a scalar sub-select over the primary key, because a join would repeat a call if that table held two rows
for it. So does the caller ID of a page that is read value by value; a page of lines is given its caller IDs afterwards
(caller_ids), for a fifth of what it costs the dialer.
"""

from typing import Any

from sqlalchemy import ColumnElement, Select, Table, func, null, select, type_coerce
from sqlalchemy.types import NullType

from vici_brain.domain.call_rows import COLUMNS
from vici_brain.vici import schema
from vici_brain.vici.call_tables import Bounds, CallTable, row_crc, shown_date
from vici_brain.vici.caller_id_statements import caller_id, known_pairs, time_values

_RENAMED = {"vici_lead_id": "lead_id", "agent_user": "user"}


def lacks_caller_ids(table: CallTable, present: frozenset[str], *, lines: bool) -> bool:
    """Whether a page comes without its last column."""
    return lines and table.outbound and bool(known_pairs(present))


def calls_of(table: CallTable, source: Table, present: frozenset[str], *, lines: bool) -> Select[*tuple[Any, ...]]:
    names = COLUMNS[:-1] if lacks_caller_ids(table, present, lines=lines) else COLUMNS
    computed: dict[str, ColumnElement[Any]] = {
        "source_key": source.c[table.key],
        "call_date": shown_date(source.c.call_date),
        "row_crc": row_crc(source),
        "vendor_lead_code": _vendor_lead_code(source, present),
        "outbound_cid": caller_id(source, present) if table.outbound else null(),
    }
    columns = [computed[name] if name in computed else _column(source, name) for name in names]
    if lines:
        return select(*columns)
    return select(*(type_coerce(column, NullType()).label(name) for name, column in zip(names, columns, strict=True)))


def _column(source: Table, name: str) -> ColumnElement[Any]:
    column = source.c.get(_RENAMED.get(name, name))
    return null() if column is None else column


def values_of(bounds: Bounds, present: frozenset[str], table: CallTable, *, lines: bool) -> dict[str, object]:
    """What :func:`calls_of` binds."""
    return time_values(bounds) if not lines and table.outbound and known_pairs(present) else {}


def _vendor_lead_code(source: Table, present: frozenset[str]) -> ColumnElement[Any]:
    leads = [schema.vicidial_list, schema.vicidial_list_archive]
    found = [
        select(lead.c.vendor_lead_code).where(lead.c.lead_id == source.c.lead_id).scalar_subquery()
        for lead in leads
        if lead.name in present
    ]
    return func.coalesce(*found, null()) if found else null()
