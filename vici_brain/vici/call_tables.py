"""The tables of calls as reading and proving see them: names, keys, times, and a row's checksum.

Belongs here: what both kinds of statements are made of. Does not: a statement (call_reader, proof_statements), nor how a table is
made (schema).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, String, Table, cast, func, literal, select, type_coerce

from vici_brain.domain.windows import EDGE_SLACK, Window
from vici_brain.vici import schema
from vici_brain.vici.row_text import RowText

_SEPARATOR = "\x1f"
_NULL_MARK = "\\N"
# Columns of a call that ViciDial's own export scripts flip; a change in them is no change of the call.
_NOT_REPLICATED = frozenset({"processed", "xfercallid", "agent_only", "queue_position"})


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

    def parts(self, longest: timedelta) -> "list[Bounds]":
        """Wall times cut so that none is in two parts; a part is no longer than ``longest`` and the slack that bounds have."""
        low, beyond = self.walls
        cuts = [low]
        while beyond - cuts[-1] > longest + 2 * EDGE_SLACK:
            cuts.append(cuts[-1] + longest)
        return [Bounds(walls, self.epochs) for walls in pairwise([*cuts, beyond])]


@cache
def row_crc(source: Table) -> ColumnElement[int]:
    """CRC32 of the replicated columns, by the dialer's database: equal sums on both sides prove equal contents."""
    parts = [column for name, column in sorted(source.c.items()) if name not in _NOT_REPLICATED]
    return func.crc32(RowText(_SEPARATOR, _NULL_MARK, *parts))


def not_live(statement: Select[*tuple[Any, ...]], table: CallTable, *, archive: bool) -> Select[Any]:
    """An archive copy may be stale: it counts only where the live table has no such key (looked up in its primary key)."""
    if not archive:
        return statement
    live = table.live.alias("live")
    twin = select(literal(1)).where(live.c[table.key] == table.archive.c[table.key]).correlate(table.archive)
    return statement.where(~twin.exists())


def as_text(column: ColumnElement[Any]) -> ColumnElement[str]:
    """The column compared with text as it stands: no driver conversion, and the index on it stays usable."""
    return type_coerce(column, String)


def shown_date(column: ColumnElement[Any]) -> ColumnElement[str]:
    """Text as the database prints it: drivers differ on zero and partial dates, text does not."""
    return cast(column, String)


def wall_text(moment: datetime) -> str:
    """A naive moment as the dialer writes it."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def required_columns(tables: Sequence[CallTable] = CALL_TABLES) -> dict[str, frozenset[str]]:
    """Columns without which calls cannot be read, by table; not every dialer has the archives."""
    copies = [copy for table in tables for copy in (table.live, table.archive)]
    needed = {copy.name: frozenset(copy.c.keys()) - _NOT_REPLICATED for copy in copies}
    needed["vicidial_list"] = frozenset({"lead_id", "vendor_lead_code"})
    return needed
