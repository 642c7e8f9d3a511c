"""One dialer as the flows see it: connect and verify, then pages of calls and the status tables.

Belongs here: the order of questions in one session. Does not: statements (call_reader), session rules (connect) or
verdicts (domain).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, Select, String, bindparam, cast, inspect, select, text
from sqlalchemy.exc import DBAPIError

from vici_brain.domain import call_lines
from vici_brain.domain.call_rows import COLUMNS, Raw
from vici_brain.domain.dialer_clock import ClockVerdict, judge
from vici_brain.domain.statuses import FLAGS, CallStatus
from vici_brain.domain.windows import Window
from vici_brain.errors import ConfigurationError, RetriableError
from vici_brain.vici import call_reader, replication, schema
from vici_brain.vici.call_columns import lacks_caller_ids
from vici_brain.vici.call_reader import Cursor, Extent, Form, PageQuestion
from vici_brain.vici.call_tables import CALL_TABLES, Bounds, CallTable, required_columns, wall_text
from vici_brain.vici.caller_ids import CallerIds, Part
from vici_brain.vici.clock_signals import database_utc, signals
from vici_brain.vici.connect import ReadPolicy, dialer_errors, open_dialer, tolerant_text
from vici_brain.vici.questions import Question

_COLUMNS = text(
    "SELECT table_name AS t, column_name AS c, data_type LIKE '%binary' OR data_type LIKE '%blob' AS b"
    " FROM information_schema.columns WHERE table_schema = database() AND table_name IN :names"
).bindparams(bindparam("names", expanding=True))
# Counting hour by hour costs one more statement; it pays where it saves several.
_MANY_SLICES = 4
_ARCHIVES = frozenset(table.archive.name for table in CALL_TABLES)
_STATUS_TABLES = (schema.vicidial_statuses, schema.vicidial_campaign_statuses)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows as the driver gave them, in the order of ``domain.call_rows.COLUMNS``."""

    source_copy: str
    rows: Sequence[Sequence[Raw]]

    @property
    def count(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class LinePage:
    """``count`` rows as lines that the database wrote itself (``domain.call_lines``)."""

    source_copy: str
    text: bytes
    count: int


@dataclass(frozen=True, slots=True)
class Held:
    """How many calls a copy of a table has in a stretch, and whether it has undated ones of it."""

    calls: int
    undated: bool


class Dialer:
    """A dialer's address, zone and reading policy; connects only inside :meth:`session`."""

    def __init__(self, instance: str, url: str, zone: str, policy: ReadPolicy | None = None) -> None:
        self.instance = instance
        self.zone = ZoneInfo(zone)
        self.policy = policy or ReadPolicy()
        self.engine: Engine = open_dialer(instance, url, self.policy)

    @contextmanager
    def session(self, our_utc: Callable[[], datetime]) -> Iterator["DialerSession"]:
        """One verified connection.

        Raises ConfigurationError for a wrong login, schema, zone or clock, RetriableError if down or a replica that stands still.
        """
        with dialer_errors(self.instance, self.engine):
            connection = self.engine.connect()
        try:
            session = DialerSession(self, connection)
            session.verify(our_utc)
            yield session
        finally:
            connection.close()


class DialerSession:
    """Reads of one connection; every result is fetched whole before it is handed on."""

    def __init__(self, dialer: Dialer, connection: Connection) -> None:
        self.dialer = dialer
        self.present: frozenset[str] = frozenset()
        self.clock = ClockVerdict(timedelta(), (), ())
        self.behind = timedelta()
        """How far the server, if it is a replica, was behind its dialer when it was last asked."""
        self._connection = connection
        self._copies = not self.is_sqlite
        # Bytes without a character set would come as question marks in a line, where a value comes as it is.
        self._writes_lines = not self.is_sqlite

    def verify(self, our_utc: Callable[[], datetime]) -> None:
        """Tables and columns there, zone and clock right, a replica that follows; raises an error naming what is not."""
        with dialer_errors(self.dialer.instance, self.dialer.engine):
            self.present = self._tables()
            self.clock = judge(
                signals(self._connection, self.dialer.zone, our_utc, has_servers="servers" in self.present), self.dialer.zone
            )
        if self.clock.problems:
            raise ConfigurationError(f"{self.dialer.instance}: the dialer is refused, because " + "; ".join(self.clock.problems))
        with dialer_errors(self.dialer.instance, self.dialer.engine):
            self._follow()

    @property
    def is_sqlite(self) -> bool:
        return self._connection.dialect.name == "sqlite"

    def utc_now(self) -> datetime:
        """The instant by the dialer's own clock; on a replica, that up to which it shows the dialer."""
        with dialer_errors(self.dialer.instance, self.dialer.engine):
            self._follow()
            return database_utc(self._connection) - self.behind

    def pages(self, table: CallTable, window: Window) -> Iterator[Page | LinePage]:
        """Every call of ``window``, page by page: live rows, then the archive's for keys not live; undated ones too.

        No statement spans more than ``policy.slice_length`` unless the index on call_date said first that it has a page at most.
        """
        bounds = Bounds.of(window, self.dialer.zone)
        for archive in (False, True):
            if archive and table.archive.name not in self.present:
                continue
            # Only now: what an archive job moves meanwhile is in the archive when that is looked at.
            held = self.held(table, (wall_text(bounds.walls[0]), wall_text(bounds.walls[1])), bounds, archive=archive)
            form = Form(archive, self._writes_lines)
            for part, fits in self._parts(table, bounds, held.calls, archive=archive):
                yield from self._pages(call_reader.page_of_window, table, part, replace(form, ordered=not fits))
            if held.undated:
                yield from self._pages(call_reader.page_of_undated, table, bounds, Form(archive))

    def held(self, table: CallTable, walls: tuple[str, str], bounds: Bounds, *, archive: bool) -> Held:
        """What a copy has between two wall times, and whether it has undated calls of ``bounds``; nothing is not to be read."""
        ((calls, undated),) = self.fetch(call_reader.held_in(table, walls, bounds, archive=archive))
        return Held(int(str(calls)), bool(int(str(undated))))

    def _parts(self, table: CallTable, bounds: Bounds, calls: int, *, archive: bool) -> list[tuple[Bounds, bool]]:
        """``bounds`` cut so that each part is one page, as far as hours allow; and whether it was counted to be less than one.

        What was counted to hold nothing is no part: the count has read it.
        """
        policy = self.dialer.policy
        if calls < policy.page_rows:
            return [(bounds, True)] if calls else []
        uncounted = [(part, False) for part in bounds.parts(policy.slice_length)]
        if self.is_sqlite or len(uncounted) < _MANY_SLICES:
            return uncounted
        counted = self.fetch(call_reader.calls_per_hour(table, bounds, archive=archive))
        try:
            per_hour = [(str(hour), int(str(calls))) for hour, calls in counted]
            return [
                (part, calls < policy.page_rows) for part, calls in call_reader.cut(bounds, per_hour, policy.page_rows) if calls
            ]
        except ValueError:
            return uncounted

    def _pages(self, question: PageQuestion, table: CallTable, bounds: Bounds, form: Form) -> Iterator[Page | LinePage]:
        after: Cursor | None = None
        limit = self.dialer.policy.page_rows
        lacking = lacks_caller_ids(table, self.present, lines=form.lines)
        cids = CallerIds(Part(table, self.present, bounds, form.archive), self.fetch, limit) if lacking else None
        while True:
            page = self._page(partial(question, table, self.present, Extent(bounds, limit, after)), form, cids)
            if not form.ordered and isinstance(page, LinePage):
                yield from [page] if page.count else []
                return
            if not form.ordered and page.count == limit:
                # More came since it was counted. What has no order has no next page either, so it is read again from the start.
                form = replace(form, ordered=True)
                continue
            if page.count:
                yield page
            if page.count < limit:
                return
            last = page.rows[-1] if isinstance(page, Page) else call_lines.fields(call_lines.last_line(page.text))
            after = _cursor(last, is_number=table.key != "uniqueid")

    def _page(self, asked: Callable[[Form], Question], form: Form, cids: CallerIds | None) -> Page | LinePage:
        """As lines if they can be told apart, else value by value."""
        copy = "archive" if form.archive else "live"
        if form.lines:
            ((count, text),) = self.fetch(asked(form))
            lines = int(str(count))
            page = _whole(text, lines, cids) if lines else b""
            if page is not None:
                return LinePage(copy, page, lines)
        return Page(copy, self.fetch(asked(replace(form, lines=False))))

    def statuses(self) -> list[CallStatus]:
        """System statuses (blank campaign) and the campaigns' own."""
        found = []
        for table in _STATUS_TABLES:
            if table.name not in self.present:
                continue
            campaign = table.c.get("campaign_id")
            columns = [cast(table.c[name], String) for name in ("status", "status_name", *FLAGS)]
            for row in self.fetch(select(*columns, *([] if campaign is None else [campaign]))):
                flags = frozenset(flag for flag, value in zip(FLAGS, row[2:], strict=False) if value == "Y")
                name = None if row[1] is None else _storable(row[1])
                found.append(CallStatus("" if campaign is None else _storable(row[-1]), _storable(row[0]), name, flags))
        return found

    def fetch(self, asked: Question | Select[*tuple[Any, ...]]) -> Sequence[Sequence[Raw]]:
        """All rows of one statement; after a lost connection the next call takes a fresh one."""
        question = asked if isinstance(asked, Question) else Question(asked, {})
        with dialer_errors(self.dialer.instance, self.dialer.engine):
            try:
                return self._rows(question)
            except UnicodeDecodeError:
                # PyMySQL stopped in the middle of the answer: that connection is of no further use.
                self._connection.invalidate()
                self._connection.rollback()
                with tolerant_text(self._connection):
                    return self._rows(question)

    def _rows(self, question: Question) -> Sequence[Sequence[Raw]]:
        try:
            return [tuple(row) for row in self._connection.execute(question.statement, dict(question.values)).all()]
        except DBAPIError:
            if self._connection.invalidated:
                # Lets the next try of the slice take a fresh connection instead of this dead one.
                self._connection.rollback()
            raise

    def _tables(self) -> frozenset[str]:
        """Names of the described tables that this login can read; raises for a required one that is missing a column."""
        if self.is_sqlite:
            inspector = inspect(self._connection)
            seen = {
                name: {column["name"] for column in inspector.get_columns(name)}
                for name in inspector.get_table_names()
                if name in schema.metadata.tables
            }
        else:
            seen = {}
            for table, column, is_binary in self._connection.execute(_COLUMNS, {"names": list(schema.metadata.tables)}):
                seen.setdefault(str(table), set()).add(str(column))
                self._writes_lines = self._writes_lines and not is_binary
        for name, needed in required_columns().items():
            where = f"{self.dialer.instance}: the dialer's table {name}"
            if name not in seen and name in _ARCHIVES:
                continue
            if name not in seen:
                raise ConfigurationError(
                    f"{where} is missing or may not be read: GRANT SELECT on it, or correct the database name"
                )
            if absent := sorted(needed - seen[name]):
                raise ConfigurationError(
                    f"{where} lacks {', '.join(absent)}: its schema is older or altered; upgrade it or add them"
                )
        return frozenset(seen)

    def _follow(self) -> None:
        """Asks a replica how far it is behind; raises RetriableError if it stands still."""
        if not self._copies:
            return
        try:
            seen = replication.follow(self._connection, self.dialer.policy.replication_channel)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.dialer.instance}: {error}") from None
        if seen.standstill:
            raise RetriableError(
                f"{self.dialer.instance}: the replica does not follow its dialer ({seen.standstill}): START SLAVE, "
                "or read the dialer itself; until then nothing is read"
            )
        if seen.notice:
            self.clock = replace(self.clock, warnings=(*self.clock.warnings, seen.notice))
        self._copies, self.behind = seen.is_copy, seen.behind


def _whole(text: Raw, lines: int, cids: CallerIds | None) -> bytes | None:
    """A page of lines with every column, if its lines can be told apart."""
    if not isinstance(text, bytes):
        return None
    if cids is None:
        return text if call_lines.holds(text, lines) else None
    return cids.completed(text, lines) if call_lines.holds(text, lines, len(COLUMNS) - 1) else None


def _storable(value: Raw) -> str:
    """What a person reads, in a form that PostgreSQL holds; a status is no evidence that must be kept as it came."""
    return str("" if value is None else value).replace("\x00", "").encode(errors="replace").decode()


def _cursor(row: Sequence[Raw], *, is_number: bool) -> Cursor:
    key, call_date = _shown(row[0]), row[5]
    return Cursor(None if call_date is None else _shown(call_date), int(key) if is_number else key)


def _shown(value: Raw) -> str:
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value)
