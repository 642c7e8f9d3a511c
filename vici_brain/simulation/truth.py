"""What a perfect copy of the dialer's calls would hold: the answer that tests compare a copy with.

Belongs here: one true row a call, live before archive. Does not: reading the database; truth comes from the plan.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from vici_brain.simulation.changes import archive_clock, gone_at
from vici_brain.simulation.rows import KEYS, TableRows
from vici_brain.simulation.writer import columns_of


@dataclass(frozen=True, slots=True)
class TruthRow:
    """A call that can be found on the dialer now; ``called_at`` is its true moment, whatever its dates say."""

    source_table: str
    source_key: str
    lead_id: int
    called_at: datetime
    status: str
    is_live: bool
    has_date: bool


def truth_rows(source: TableRows, start: int, end: int, clock: int, *, archiving: bool) -> Iterator[TruthRow]:
    """Calls of one table that began in [start, end), as the dialer shows them at ``clock``."""
    rows = source.rows.take((source.rows.start >= start) & (source.rows.start < end))
    live = (rows.born <= clock) & (clock < gone_at(rows, archiving=archiving))
    shown = np.flatnonzero(live | ((rows.archive_at <= clock) & archiving))
    rows, live = rows.take(shown), live[shown]
    rendered = source.render(rows, np.where(live, clock, archive_clock(rows, clock)))
    columns = columns_of(source.table)
    key, lead, status = (columns.index(name) for name in (KEYS[source.table][0], "lead_id", "status"))
    plans = zip(rendered, rows.start.tolist(), live.tolist(), rows.zero_date.tolist(), strict=True)
    for row, began, is_live, undated in plans:
        called_at = datetime.fromtimestamp(began, UTC)
        yield TruthRow(source.table, str(row[key]), row[lead], called_at, row[status], is_live, not undated)
