"""Loads a dialer's past in bulk: every call up to a moment, in the state that it has then.

Belongs here: batches, and the second thread that lets the database load one batch while the next is planned (two cores).
Does not: what a batch holds (changes, lead_rows).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

import numpy as np

from vici_brain.simulation.changes import snapshot
from vici_brain.simulation.lead_rows import LEAD_COLUMNS, LeadBook, LeadStates, Touches
from vici_brain.simulation.people import People
from vici_brain.simulation.plan import Planner
from vici_brain.simulation.rows import Row, RowBook
from vici_brain.simulation.writer import Writer, columns_of

_BATCH_ROWS = 40_000
_LEAD_BLOCK = 20_000


class BulkLoader:
    """Collects rows by table and hands full batches to a background thread, once that has done with the one before.

    SQLite gets them in the caller's thread: it runs inside this process, and a database in memory belongs to one thread.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._waiting: dict[str, list[Row]] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="bulk-load")
        self._running: Future[None] | None = None
        self.loaded: dict[str, int] = {}

    def add(self, table: str, rows: list[Row], columns: Sequence[str] | None = None) -> None:
        batch = self._waiting.setdefault(table, [])
        batch += rows
        self.loaded[table] = self.loaded.get(table, 0) + len(rows)
        if len(batch) >= _BATCH_ROWS:
            self._send(table, columns)

    def _send(self, table: str, columns: Sequence[str] | None) -> None:
        rows = self._waiting.pop(table, [])
        self._wait()
        job = partial(self._writer.bulk, table, columns or columns_of(table), rows)
        if rows and self._writer.is_sqlite:
            job()
        elif rows:
            self._running = self._pool.submit(job)

    def _wait(self) -> None:
        if self._running is not None:
            self._running.result()
            self._running = None

    def flush(self, columns: Sequence[str] | None = None) -> None:
        for table in list(self._waiting):
            self._send(table, columns)
        self._wait()

    def close(self) -> None:
        self._pool.shutdown(wait=True)


@dataclass(frozen=True, slots=True)
class DaySource:
    """Where a day's rows come from."""

    planner: Planner
    book: RowBook
    people: People


def load_calls(
    loader: BulkLoader,
    source: DaySource,
    *,
    days: Sequence[date],
    until: int,
    present: frozenset[str],
    states: LeadStates,
    progress: Callable[[int], None] | None,
) -> set[str]:
    """All call tables and their archives; ``states`` learns what the calls did to the leads. Gives the numbers on DNC."""
    calls, forbidden = 0, set[str]()
    for day in days:
        plan = source.planner.plan(day)
        for shown in source.book.tables(plan):
            archive = f"{shown.table}_archive"
            live, archived = snapshot(shown, until, archiving=archive in present)
            for table, rows in ((shown.table, live), (archive, archived)):
                if table in present:
                    loader.add(table, rows)
        touches = Touches.of(plan.log, -1, until)
        states.apply(touches, source.people.gone_at(touches.lead))
        forbidden.update(str(phone) for phone in source.people.phone(touches.dnc_leads()).tolist())
        calls += len(plan.log) + len(plan.closer)
        if progress is not None:
            progress(calls)
    loader.flush()
    return forbidden


def load_leads(
    loader: BulkLoader, leads: LeadBook, people: People, *, until: int, present: frozenset[str], states: LeadStates
) -> None:
    """Leads that are still there, and those that were archived, as they were when they left."""
    known = people.known_at(until)
    for start in range(1, known + 1, _LEAD_BLOCK):
        ids = np.arange(start, min(start + _LEAD_BLOCK, known + 1), dtype=np.int64)
        archived_at, gone_at = people.archived_at(ids), people.gone_at(ids)
        stays, moved_out = gone_at > until, (archived_at <= until) & (archived_at == gone_at)
        now = np.full(ids.size, until, dtype=np.int64)
        loader.add("vicidial_list", leads.rows(ids[stays], states, now[stays]), LEAD_COLUMNS)
        if "vicidial_list_archive" in present:
            rows = leads.rows(ids[moved_out], states, archived_at[moved_out])
            loader.add("vicidial_list_archive", rows, LEAD_COLUMNS)
    loader.flush(LEAD_COLUMNS)


def days_between(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
