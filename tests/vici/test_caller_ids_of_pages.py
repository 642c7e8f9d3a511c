"""A page of lines is given the caller IDs that the dialer would have looked up call by call, by few statements."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from builders import NOON, Exchange, exchange, minutes, outbound_row, wall
from sqlalchemy import event

from vici_brain.domain.call_lines import fields, lines
from vici_brain.domain.call_rows import COLUMNS
from vici_brain.domain.windows import Window
from vici_brain.vici import caller_ids, schema
from vici_brain.vici.call_tables import CALL_TABLES, Bounds
from vici_brain.vici.caller_id_statements import lines_between, time_of
from vici_brain.vici.dialer import DialerSession, LinePage, Page

pytestmark = pytest.mark.mariadb
OUTBOUND, INBOUND = CALL_TABLES
HOUR = Window(NOON, NOON + minutes(60))
CALLS = 60
Order = tuple[str, str | None, str | None]
"""A dial order: code, call_date, caller ID."""


@pytest.fixture
def site(mariadb_url: str) -> Iterator[Exchange]:
    with exchange(mariadb_url) as opened:
        yield opened


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page of more than one call is a page of many."""
    monkeypatch.setattr(caller_ids, "_FEW", 1)


@contextmanager
def session_of(site: Exchange, page_rows: int = 5_000) -> Iterator[DialerSession]:
    dialer = site.dialer(page_rows=page_rows)
    with dialer.session(lambda: datetime.now(UTC)) as session:
        yield session
    dialer.engine.dispose()


@contextmanager
def statements_of(session: DialerSession) -> Iterator[list[str]]:
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(session.dialer.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(session.dialer.engine, "before_cursor_execute", note)


def calls(site: Exchange, number: int = CALLS, table: str = "vicidial_log") -> list[str]:
    keys = [f"17495{n:05}.{n}" for n in range(number)]
    site.put(table, *(outbound_row(NOON + minutes(60 * n / number), key, lead_id=100 + n % 7) for n, key in enumerate(keys)))
    return keys


def extend(
    site: Exchange, key: str, code: str, at: datetime | str | None = NOON, lead_id: int | None = None, suffix: str = ""
) -> None:
    number = int(key.rpartition(".")[2] or 0)
    moment = wall(at) if isinstance(at, datetime) else at
    lead = 100 + number % 7 if lead_id is None else lead_id
    site.put(f"vicidial_log_extended{suffix}", {"uniqueid": key, "lead_id": lead, "caller_code": code, "call_date": moment})


def order(site: Exchange, code: str, cid: str | None, at: datetime | str | None = NOON, suffix: str = "") -> None:
    moment = wall(at) if isinstance(at, datetime) else at
    site.put(f"vicidial_dial_cid_log{suffix}", {"caller_code": code, "call_date": moment, "outbound_cid": cid})


def logged_calls(site: Exchange) -> list[str]:
    """Calls of which both logs tell at the call's own time."""
    keys = calls(site)
    for n, key in enumerate(keys):
        extend(site, key, f"V{n:019}", NOON + minutes(n))
        order(site, f"V{n:019}", f"800555{n:04}", NOON + minutes(n))
    return keys


def plain_world(site: Exchange, keys: list[str]) -> None:
    """Calls of which each tells its caller ID in another way, and some do not at all."""
    for n, key in enumerate(keys):
        extend(site, key, f"V{n:019}", NOON + minutes(n)) if n % 10 else None
        order(site, f"V{n:019}", f"800555{n:04}", NOON + minutes(n)) if n % 9 else None
    for key in keys[:CALLS:20]:  # without a row of the call's own time
        extend(site, key, "V1", None)
        order(site, "V1", "8005550001", NOON - minutes(10))
    extend(site, keys[10], "V2", "2024-01-01 00:00:00", lead_id=99)
    order(site, "V2", "8005550002")
    extend(site, keys[30], "V3", "0000-00-00 00:00:00")
    order(site, "V3", None)
    extend(site, keys[50], f"V{51:019}", NOON)  # a code of two calls
    order(site, f"V{1:019}", "+8005550004", NOON + minutes(1))  # a tie
    order(site, f"V{2:019}", "", NOON + minutes(2))
    order(site, f"V{3:019}", "8005550003", NOON - minutes(11))  # too old
    order(site, f"V{4:019}", "8005550003", NOON - minutes(10))  # just not
    order(site, f"V{5:019}", "8005550003", NOON + minutes(70))  # too new
    order(site, f"V{6:019}", "8005550003", NOON + minutes(69.99))  # just not
    order(site, f"V{9:019}", None, NOON)
    order(site, f"V{9:019}", "8005559999", None)


def archived_world(site: Exchange, keys: list[str]) -> None:
    """Some logged in the archive, some in both, some in one by one log and in the other by the other."""
    plain_world(site, keys)
    for n, key in enumerate(keys):
        extend(site, key, f"V{n:019}", NOON + minutes(n), suffix="_archive") if n % 4 == 0 else None
        order(site, f"V{n:019}", f"900555{n:04}", NOON + minutes(n), suffix="_archive") if n % 3 == 0 else None
    extend(site, keys[27], f"V{27:019}", None, suffix="_archive")  # without a caller ID among the live ones


def odd_codes_world(site: Exchange, keys: list[str]) -> None:
    """Codes that only the dialer's collation can compare."""
    plain_world(site, keys)
    for extended, ordered, cid in (("vé1", "VE1", "1"), ("V77", "v77", "2"), ("V78", "V78 ", "3"), ("", " ", "4")):
        key = f"{extended or 'no'}.1"
        site.outbound(NOON, key, lead_id=101)
        extend(site, key, extended)
        order(site, ordered, cid)
        order(site, ordered.upper(), cid + "0", NOON - minutes(1))


def odd_keys_world(site: Exchange, keys: list[str]) -> None:
    """Calls whose uniqueid is another letter by letter, or no text that a statement could ask for."""
    plain_world(site, keys)
    for call, extended in (("pbx-1.1", "PBX-1.1"), ("Zoë.1", "zoe.1"), ("x' OR 1.1", "x' OR 1.1"), ("%.1", "%.1")):
        site.outbound(NOON, call, lead_id=101)
        extend(site, extended, "V80")
    order(site, "V80", "8005550080")


def odd_caller_ids_world(site: Exchange, keys: list[str]) -> None:
    """Caller IDs that would break a line, or come in no order that bytes know."""
    plain_world(site, keys)
    for n, cid in enumerate(("a\x1fb", "a\x1db", "\x1eN\x1e", "Zoë", "\\N", "\t")):
        site.outbound(NOON, f"odd.{n}", lead_id=100 + n)
        extend(site, f"odd.{n}", f"V9{n}", None if n % 2 else NOON)
        order(site, f"V9{n}", cid)
    order(site, "V93", "zoe")
    order(site, "V93", "ZOF")


WORLDS = [plain_world, archived_world, odd_codes_world, odd_keys_world, odd_caller_ids_world]


def caller_ids_of(pages: list[Page | LinePage]) -> list[tuple[str, str | None]]:
    rows = [row for page in pages for row in (page.rows if isinstance(page, Page) else map(fields, lines(page.text)))]
    key, cid = COLUMNS.index("source_key"), COLUMNS.index("outbound_cid")
    return sorted((text_of(row[key]) or "", text_of(row[cid])) for row in rows)


def text_of(value: object) -> str | None:
    return None if value is None else value.decode() if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize("table", ["vicidial_log", "vicidial_log_archive"])
@pytest.mark.parametrize("page_rows", [5_000, 4])
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("few", [500, 1])
def test_lines_hold_the_caller_ids_that_the_dialer_looks_up_call_by_call(
    site: Exchange, world: Any, few: int, page_rows: int, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller_ids, "_FEW", few)
    world(site, calls(site, table=table))
    with session_of(site, page_rows) as session:
        found = caller_ids_of(list(session.pages(OUTBOUND, HOUR)))
        session._writes_lines = False
        looked_up = caller_ids_of(list(session.pages(OUTBOUND, HOUR)))
    assert len({cid for _, cid in looked_up}) > 30
    assert found == looked_up


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("world", [plain_world, archived_world])
def test_a_part_costs_a_count_its_two_logs_and_the_calls_that_they_do_not_settle(site: Exchange, world: Any) -> None:
    keys = calls(site)
    world(site, keys)
    with session_of(site) as session, statements_of(session) as asked:
        pages = [page for page in session.pages(OUTBOUND, HOUR) if page.count]
    assert [type(page) for page in pages] == [LinePage]
    by_key = [statement for statement in asked if "uniqueid IN (" in statement]
    logs = [statement for statement in asked if "group_concat" in statement and "caller_code" in statement]
    # Without a row of their own time, and those whose archived row, if they have one, is not of it.
    assert len(logs) == (4 if world is archived_world else 2)
    assert len(by_key) < CALLS / 2


@pytest.mark.usefixtures("many")
def test_the_logs_are_read_once_for_all_pages_of_a_part(site: Exchange) -> None:
    logged_calls(site)
    with session_of(site, page_rows=30) as session, statements_of(session) as asked:
        pages = [page.count for page in session.pages(OUTBOUND, HOUR) if page.count]
    assert pages == [30, 30]
    assert sum("group_concat" in statement and "caller_code" in statement for statement in asked) == 2


@pytest.mark.usefixtures("many")
def test_no_statement_reads_more_of_a_log_than_four_pages(site: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    logged_calls(site)
    read: list[int] = []
    with session_of(site, page_rows=4) as session:
        fetch = session.fetch

        def counted(asked: Any) -> Any:
            rows = fetch(asked)
            if "first" in getattr(asked, "values", ()) and len(rows[0]) == 2:
                read.append(int(str(rows[0][0])))
            return rows

        monkeypatch.setattr(session, "fetch", counted)
        found = caller_ids_of(list(session.pages(OUTBOUND, HOUR)))
    assert len(found) == CALLS
    assert max(read) <= 16
    assert sum(read) == 2 * CALLS


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("empty", ["vicidial_log_extended", "vicidial_dial_cid_log", "both"])
def test_a_dialer_without_these_logs_is_not_asked_for_any_call(site: Exchange, empty: str) -> None:
    keys = calls(site)
    for n, key in enumerate(keys):
        if empty == "vicidial_dial_cid_log":
            extend(site, key, f"V{n:019}")
        if empty == "vicidial_log_extended":
            order(site, f"V{n:019}", "8005550100")
    with session_of(site) as session, statements_of(session) as asked:
        found = caller_ids_of(list(session.pages(OUTBOUND, HOUR)))
    assert found == [(key, None) for key in sorted(keys)]
    assert not [statement for statement in asked if "uniqueid IN (" in statement]


def test_a_few_calls_cost_their_page_and_one_look_up_and_none_at_all_a_look_at_each_copy(site: Exchange) -> None:
    with session_of(site) as session:
        with statements_of(session) as quiet:
            assert not list(session.pages(OUTBOUND, HOUR))
        plain_world(site, calls(site))
        with statements_of(session) as busy:
            assert sum(page.count for page in session.pages(OUTBOUND, HOUR)) == CALLS
    assert len(quiet) == 2
    assert len(busy) == len(quiet) + 2


@pytest.mark.usefixtures("many")
def test_inbound_calls_ask_nothing_of_the_logs_of_caller_ids(site: Exchange) -> None:
    for number in range(1, 9):
        site.inbound(NOON, number)
    with session_of(site) as session, statements_of(session) as asked:
        assert sum(page.count for page in session.pages(INBOUND, HOUR)) == 8
    assert not [statement for statement in asked if "caller_code" in statement]


@pytest.mark.usefixtures("many")
def test_a_log_that_the_server_cuts_short_is_not_believed(site: Exchange) -> None:
    plain_world(site, calls(site))
    with session_of(site) as session:
        whole = caller_ids_of(list(session.pages(OUTBOUND, HOUR)))
        session._connection.exec_driver_sql("SET SESSION group_concat_max_len = 50")
        assert caller_ids_of(list(session.pages(OUTBOUND, HOUR))) == whole
        # Long enough for the calls of one second, too short for the logs about them.
        session._connection.exec_driver_sql("SET SESSION group_concat_max_len = 2000")
        minute = Window(NOON, NOON + minutes(8))
        few = list(session.pages(OUTBOUND, minute))
        assert LinePage in {type(page) for page in few}
        session._writes_lines = False
        assert caller_ids_of(few) == caller_ids_of(list(session.pages(OUTBOUND, minute)))


def test_a_call_that_is_gone_before_its_caller_id_was_asked_for_is_read_again(
    site: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = calls(site)
    plain_world(site, keys)
    with session_of(site) as session:
        fetch = session.fetch

        def archiving(asked: Any) -> Any:
            if "keys" in getattr(asked, "values", ()):
                site.run("DELETE FROM vicidial_log WHERE uniqueid = :key", key=keys[7])
            return fetch(asked)

        monkeypatch.setattr(session, "fetch", archiving)
        pages = [page for page in session.pages(OUTBOUND, HOUR) if page.count]
    assert [type(page) for page in pages] == [Page]
    assert [key for key, _ in caller_ids_of(pages)] == sorted(set(keys) - {keys[7]})


@pytest.mark.usefixtures("many")
def test_logs_that_are_archived_while_they_are_read_lose_no_caller_id(site: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = logged_calls(site)
    with session_of(site) as session:
        fetch, logs = session.fetch, ("vicidial_log_extended", "vicidial_dial_cid_log")

        def archiving(asked: Any) -> Any:
            if asked == lines_between(schema.vicidial_dial_cid_log, time_of(Bounds.of(HOUR, session.dialer.zone))):
                for log in logs:
                    site.run(f"INSERT INTO {log}_archive SELECT * FROM {log}")
                    site.run(f"DELETE FROM {log} WHERE caller_code < :code", code=f"V{CALLS // 2:019}")
            return fetch(asked)

        monkeypatch.setattr(session, "fetch", archiving)
        found = caller_ids_of(list(session.pages(OUTBOUND, HOUR)))
    assert found == sorted((key, f"800555{n:04}") for n, key in enumerate(keys))
