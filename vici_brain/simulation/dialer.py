"""The simulated dialer: makes its tables, fills them with history, and keeps them moving as time goes by.

Belongs here: the clock, and which days matter to a span of time. Does not: what happens on a day (plan and below).
The clock lies in the dialer's own database; everything else follows from the profile, so a restart loses nothing.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain

import numpy as np
import sqlalchemy as sa

from vici_brain.errors import ConfigurationError
from vici_brain.simulation.calendar import Calendar, utc_text
from vici_brain.simulation.catalog import catalog_rows
from vici_brain.simulation.changes import Change, archive_change, live_change
from vici_brain.simulation.draws import Ints
from vici_brain.simulation.history import BulkLoader, DaySource, days_between, load_calls, load_leads
from vici_brain.simulation.lead_rows import LEAD_COLUMNS, TOUCH_COLUMNS, LeadBook, LeadStates, Touches
from vici_brain.simulation.people import BrainLead, People
from vici_brain.simulation.plan import DayPlan, Planner
from vici_brain.simulation.profile import DialerProfile
from vici_brain.simulation.rows import CALL_TABLES, RowBook, TableRows
from vici_brain.simulation.truth import TruthRow, truth_rows
from vici_brain.simulation.writer import Writer
from vici_brain.vici import schema

simulation_clock = sa.Table(
    "simulation_clock",
    sa.MetaData(),
    sa.Column("instance", sa.String(30), primary_key=True),
    sa.Column("epoch", sa.BigInteger(), nullable=False),
)
_LONGEST_EDIT = timedelta(days=32)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a bulk load wrote, by table."""

    until: datetime
    days: int
    rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class AdvanceReport:
    """What happened on the dialer in (since, until]; a row that came and changed meanwhile counts once, as inserted."""

    since: datetime
    until: datetime
    inserted: int
    updated: int
    deleted: int


class SimulatedDialer:
    """One dialer database that behaves as its profile says."""

    def __init__(self, engine: sa.Engine, profile: DialerProfile) -> None:
        self._engine, self.profile = engine, profile
        self._calendar = Calendar(profile)
        self._people = People(profile, self._calendar)
        self._planner = Planner(profile, self._calendar, self._people)
        self._book = RowBook(profile, self._calendar, self._people.lists)
        self._leads = LeadBook(profile, self._calendar, self._people)
        self._writer = Writer(engine)
        self._tables: frozenset[str] | None = None

    # -- clock

    @property
    def opens_at(self) -> datetime:
        """Local midnight of the first day: no call is older."""
        return datetime.fromtimestamp(self._calendar.at(self.profile.first_day), UTC)

    def clock(self) -> datetime:
        """The moment up to which everything has happened."""
        with self._writer.transaction() as connection:
            return self._read_clock(connection)

    def _read_clock(self, connection: sa.Connection) -> datetime:
        query = sa.select(simulation_clock.c.epoch).where(simulation_clock.c.instance == self.profile.instance)
        epoch = connection.scalar(query)
        if epoch is None:
            raise ConfigurationError(f"The simulated dialer {self.profile.instance} was never created here; call create().")
        return datetime.fromtimestamp(epoch, UTC)

    def _set_clock(self, connection: sa.Connection, epoch: int) -> None:
        self._writer.replace(connection, "simulation_clock", ("instance", "epoch"), [(self.profile.instance, epoch)])

    def _present(self) -> frozenset[str]:
        """Tables that exist: a dialer may lack archives, and then nothing is archived."""
        if self._tables is None:
            self._tables = frozenset(sa.inspect(self._engine).get_table_names())
        return self._tables

    # -- set-up

    def create(self, *, mysql_engine: str = "MyISAM", skip: Collection[str] = ()) -> None:
        """Tables, catalog, and the leads that the dialer opens with."""
        if self._writer.is_sqlite:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        schema.create_tables(self._engine, mysql_engine=mysql_engine, skip=skip)
        start = int(self.opens_at.timestamp())
        gmt = self._calendar.offset(self._calendar.at(date(self.profile.first_day.year, 1, 2))) / 3600
        with self._writer.transaction() as connection:
            simulation_clock.metadata.create_all(connection)
            for table, rows in catalog_rows(self.profile, self._people.lists, gmt, utc_text(start)).items():
                if table not in skip:
                    self._writer.replace(connection, table, tuple(rows[0]), [tuple(row.values()) for row in rows])
            self._set_clock(connection, start)
        self._tables = None
        self._load_leads(start, LeadStates(self._people.known_at(start)))

    def _load_leads(self, until: int, states: LeadStates) -> dict[str, int]:
        present, tables = self._present(), ("vicidial_list", "vicidial_list_archive")
        loader = BulkLoader(self._writer)
        with self._writer.transaction() as connection:
            for table in present.intersection(tables):
                connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 -- one of two names
        try:
            with self._writer.keys_delayed(present.intersection(tables)):
                load_leads(loader, self._leads, self._people, until=until, present=present, states=states)
        finally:
            loader.close()
        return loader.loaded

    def load_history(self, until: datetime, *, progress: Callable[[int], None] | None = None) -> LoadReport:
        """Everything up to ``until``, into the tables that ``create`` made."""
        if self.clock() != self.opens_at:
            raise ConfigurationError("History can only be loaded into a dialer that was just created; use advance().")
        end, present = int(until.timestamp()), self._present()
        days = days_between(self.profile.first_day, self._calendar.day_of(end))
        states, loader = LeadStates(max(1, self._people.known_at(end))), BulkLoader(self._writer)
        tables = present.intersection(chain(CALL_TABLES, (f"{table}_archive" for table in CALL_TABLES)))
        try:
            with self._writer.keys_delayed(sorted(tables)):
                forbidden = load_calls(
                    loader,
                    DaySource(self._planner, self._book, self._people),
                    days=days,
                    until=end,
                    present=present,
                    states=states,
                    progress=progress,
                )
        finally:
            loader.close()
        rows = loader.loaded | self._load_leads(end, states)
        with self._writer.transaction() as connection:
            self._forbid(connection, forbidden)
            self._set_clock(connection, end)
        return LoadReport(datetime.fromtimestamp(end, UTC), len(days), rows)

    def _forbid(self, connection: sa.Connection, phones: Collection[str]) -> None:
        if "vicidial_dnc" in self._present():
            self._writer.replace(connection, "vicidial_dnc", ("phone_number",), [(phone,) for phone in sorted(phones)])

    # -- time goes by

    def advance(self, until: datetime) -> AdvanceReport:
        """Apply everything that is due since the clock; going back is refused, standing still does nothing."""
        end, counts = int(until.timestamp()), np.zeros(3, dtype=np.int64)
        touches: list[Touches] = []
        with self._writer.transaction() as connection:
            before = self._read_clock(connection)
            since = int(before.timestamp())
            if end < since:
                raise ConfigurationError(f"The simulated dialer is already at {before:%Y-%m-%d %H:%M:%S} UTC.")
            for plan, sources in self._days_that_change(since, end):
                touches.append(Touches.of(plan.log, since, end))
                for change in self._changes(sources, since, end):
                    self._writer.apply(connection, change)
                    counts += (len(change.inserts), len(change.updates), len(change.deletes))
            self._advance_leads(connection, Touches.joined(touches), since, end)
            self._set_clock(connection, end)
        return AdvanceReport(before, datetime.fromtimestamp(end, UTC), *(int(count) for count in counts))

    def _days_that_change(self, since: int, until: int) -> Iterator[tuple[DayPlan, list[TableRows]]]:
        """The days of the span and the one before in full; days that are purged now; of older ones only late edits."""
        first, last = self._calendar.day_of(since) - _DAY, self._calendar.day_of(until)
        after = timedelta(days=1 + (self.profile.archive_after_days or 0))
        purged = [day for day in days_between(first - after, last - after) if since < self._planner.purge_run(day) <= until]
        full = set(purged).union(days_between(first, last))
        for day in days_between(max(self.profile.first_day, min([*full, first - _LONGEST_EDIT])), last):
            if day in full:
                plan = self._planner.plan(day)
                yield plan, list(self._book.tables(plan))
            elif day >= first - _LONGEST_EDIT:
                plan = self._planner.edited_later(day)
                yield plan, list(self._book.call_logs(plan))

    def _changes(self, sources: list[TableRows], since: int, until: int) -> Iterator[Change]:
        present = self._present()
        for source in sources:
            archiving = f"{source.table}_archive" in present
            if archiving:
                yield archive_change(source, since, until)
            if source.table in present:
                yield live_change(source, since, until, archiving=archiving)

    def _advance_leads(self, connection: sa.Connection, touches: Touches, since: int, until: int) -> None:
        """In the order that leaves the same rows as a bulk load: arrivals, calls, moves, departures."""
        people, write = self._people, self._writer
        old, known = people.known_at(since), people.known_at(until)
        if known > old:
            new = np.arange(old + 1, known + 1, dtype=np.int64)
            rows = self._leads.rows(new, LeadStates(known), np.minimum(people.entered_at(new), until))
            write.replace(connection, "vicidial_list", LEAD_COLUMNS, rows)
        write.update(connection, "vicidial_list", TOUCH_COLUMNS, "lead_id", self._leads.updates(touches))
        self._forbid(connection, [str(phone) for phone in people.phone(touches.dnc_leads()).tolist()])
        if self._calendar.has_night_between(since, until):
            self._move_leads(connection, np.arange(1, known + 1, dtype=np.int64), since, until)

    def _move_leads(self, connection: sa.Connection, ids: Ints, since: int, until: int) -> None:
        write, people = self._writer, self._people
        move = "UPDATE vicidial_list SET list_id = ?, modify_date = CASE WHEN modify_date < ? THEN ? ELSE modify_date END"
        write.execute(connection, f"{move} WHERE lead_id = ?", self._leads.moves(ids, since, until))
        gone, archived = people.gone_at(ids), people.archived_at(ids)
        leaving = (gone > since) & (gone <= until)
        if "vicidial_list_archive" in self._present():
            kept = ids[leaving & (archived == gone)]
            copy = "REPLACE INTO vicidial_list_archive SELECT * FROM vicidial_list WHERE lead_id = ?"
            write.execute(connection, copy, [(lead,) for lead in kept.tolist()])
        write.execute(connection, "DELETE FROM vicidial_list WHERE lead_id = ?", [(lead,) for lead in ids[leaving].tolist()])

    # -- what a test may ask

    def truth(self, start: datetime, end: datetime) -> Iterator[TruthRow]:
        """Every call of [start, end) that can be found on the dialer at its clock, live or else archived."""
        clock, first, last = (int(moment.timestamp()) for moment in (self.clock(), start, end))
        # a long talk that is passed on may begin its last row after midnight
        before = max(self.profile.first_day, self._calendar.day_of(first) - _DAY)
        for day in days_between(before, self._calendar.day_of(last)):
            for source in self._book.call_logs(self._planner.plan(day)):
                archiving = f"{source.table}_archive" in self._present()
                yield from truth_rows(source, first, last, clock, archiving=archiving)

    # -- Brain's side

    def brain_leads(self, since: datetime | None, until: datetime) -> Iterator[BrainLead]:
        """Leads that Brain learns of in (since, until], oldest first."""
        start = -1 if since is None else int(since.timestamp())
        yield from self._people.brain_leads(start, int(until.timestamp()))
