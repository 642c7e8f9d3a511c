"""What a table has to suffer between two moments, or all it holds at one, computed from plans alone.

Belongs here: comparing a plan with itself at two moments, for live tables and their archives. Does not: SQL (writer).
"""

from dataclasses import dataclass, field
from itertools import compress

import numpy as np

from vici_brain.simulation.calls import CallRows
from vici_brain.simulation.draws import NEVER, Flags, Ints
from vici_brain.simulation.rows import Row, TableRows


@dataclass(frozen=True, slots=True)
class Change:
    """Rows to insert, rows to replace (as they were, as they become), rows to delete."""

    table: str
    inserts: list[Row] = field(default_factory=list)
    updates: list[tuple[Row, Row]] = field(default_factory=list)
    deletes: list[Row] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.inserts or self.updates or self.deletes)


def _within(moment: Ints, since: int, until: int) -> Flags:
    return (moment > since) & (moment <= until)


def _any_within(moments: tuple[Ints, ...], since: int | Ints, until: int) -> Flags:
    hits = [(moment > since) & (moment <= until) for moment in moments]
    any_hit: Flags = np.logical_or.reduce(hits)
    return any_hit


def gone_at(rows: CallRows, *, archiving: bool) -> Ints:
    return np.minimum(rows.deleted_at, rows.purge_at) if archiving else rows.deleted_at


def archive_clock(rows: CallRows, until: int) -> Ints:
    """As of when an archive copy speaks: the night it was made, unless an administrator edited it after the purge."""
    edited = (rows.edit_at >= rows.purge_at) & (rows.edit_at <= until)
    return np.where(edited, rows.edit_at, rows.archive_at)


def snapshot(source: TableRows, until: int, *, archiving: bool) -> tuple[list[Row], list[Row]]:
    """Live and archived rows at one moment. Copies that are not stale are rendered once for both tables."""
    rows = source.rows
    live = (rows.born <= until) & (until < gone_at(rows, archiving=archiving))
    archived = (rows.archive_at <= until) & archiving
    shown = np.flatnonzero(live | archived)
    rows, live, archived = rows.take(shown), live[shown], archived[shown]
    rendered = source.render(rows, np.full(shown.size, until, dtype=np.int64))
    copies = list(rendered)
    stale = np.flatnonzero(archived & _any_within(rows.moments, rows.archive_at, until))
    if stale.size:
        outdated = rows.take(stale)
        for place, row in zip(stale.tolist(), source.render(outdated, archive_clock(outdated, until)), strict=True):
            copies[place] = row
    return list(compress(rendered, live.tolist())), list(compress(copies, archived.tolist()))


def live_change(source: TableRows, since: int, until: int, *, archiving: bool) -> Change:
    rows, gone = source.rows, gone_at(source.rows, archiving=archiving)
    before = (rows.born <= since) & (since < gone)
    after = (rows.born <= until) & (until < gone)
    changed = before & after & _any_within(rows.moments, since, until)

    def at(which: Flags, moment: int) -> list[Row]:
        if not which.any():
            return []
        chosen = rows.take(which)
        return source.render(chosen, np.full(len(chosen), moment, dtype=np.int64))

    pairs = [pair for pair in zip(at(changed, since), at(changed, until), strict=True) if pair[0] != pair[1]]
    return Change(source.table, at(after & ~before, until), pairs, at(before & ~after, since))


def archive_change(source: TableRows, since: int, until: int) -> Change:
    rows, table = source.rows, f"{source.table}_archive"
    new = _within(rows.archive_at, since, until)
    edited = (rows.archive_at <= since) & (rows.edit_at >= rows.purge_at) & _within(rows.edit_at, since, until)
    edited &= rows.purge_at < NEVER

    def at(which: Flags, moment: int) -> list[Row]:
        if not which.any():
            return []
        chosen = rows.take(which)
        return source.render(chosen, archive_clock(chosen, moment))

    return Change(table, at(new, until), list(zip(at(edited, since), at(edited, until), strict=True)))
