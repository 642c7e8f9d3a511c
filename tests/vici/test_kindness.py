"""How a dialer is read: over indexes, read-only, and not for longer than it allows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from builders import NOON, Exchange, exchange, minutes, outbound_row
from sqlalchemy import Select, text
from sqlalchemy.exc import DBAPIError

from vici_brain.domain.windows import Window
from vici_brain.errors import RetriableError
from vici_brain.vici import call_reader, schema
from vici_brain.vici import caller_id_statements as statements_of_caller_ids
from vici_brain.vici.call_reader import Cursor, Extent, Form
from vici_brain.vici.call_tables import CALL_TABLES, Bounds, wall_text
from vici_brain.vici.connect import ReadPolicy, dialer_errors, session_rules

pytestmark = pytest.mark.mariadb
ROWS = 3_000
WINDOW = Window(NOON, NOON + minutes(20))
BOUNDS = Bounds.of(WINDOW, ZoneInfo("America/New_York"))
PRESENT = frozenset(schema.metadata.tables)


@pytest.fixture
def site(mariadb_url: str) -> Iterator[Exchange]:
    with exchange(mariadb_url) as opened:
        yield opened


@pytest.fixture
def busy_site(site: Exchange) -> Exchange:
    """A dialer with enough calls and leads that the planner's choice means something."""
    calls = [
        outbound_row(NOON - timedelta(days=2) + timedelta(minutes=n), f"{1_700_000_000 + n}.{n}", lead_id=n + 1)
        for n in range(ROWS)
    ]
    leads = [{"lead_id": n + 1, "phone_number": f"212555{n:04}", "vendor_lead_code": f"{n:013}"} for n in range(ROWS)]
    extended = [
        {name: call[name] for name in ("uniqueid", "lead_id", "call_date")} | {"caller_code": f"V{n:019}"}
        for n, call in enumerate(calls)
    ]
    cids = [
        {"caller_code": f"V{n:019}", "call_date": call["call_date"], "outbound_cid": "8005550100"} for n, call in enumerate(calls)
    ]
    inbound = [{k: v for k, v in call.items() if k != "alt_dial"} | {"closecallid": n + 1} for n, call in enumerate(calls)]
    for suffix in ("", "_archive"):
        site.put(f"vicidial_log{suffix}", *calls)
        site.put(f"vicidial_list{suffix}", *leads)
        site.put(f"vicidial_log_extended{suffix}", *extended)
        site.put(f"vicidial_dial_cid_log{suffix}", *cids)
        site.put(f"vicidial_closer_log{suffix}", *inbound)
    site.run(
        "ANALYZE TABLE " + ", ".join(name for name in PRESENT if name.startswith("vicidial_l") and "_list_" not in name + "_")
    )
    return site


def statements() -> dict[str, Select[Any]]:
    found: dict[str, Select[Any]] = {"newest calls": call_reader.newest_calls(datetime(2025, 6, 9)).bound()}  # noqa: DTZ001 - wall time
    for table in CALL_TABLES:
        for archive in (False, True):
            name = table.archive.name if archive else table.name
            behind = Cursor("2025-06-10 12:05:00", "1700002885.2885" if table.outbound else 2885)
            for kind, page in (("window", call_reader.page_of_window), ("undated", call_reader.page_of_undated)):
                for what, after, ordered in (("", None, True), (", next page", behind, True), (", unordered", None, False)):
                    for lines in (False, True):
                        asked = page(table, PRESENT, Extent(BOUNDS, 5000, after), Form(archive, lines, ordered))
                        found[f"{kind} of {name}{what}{' as lines' * lines}"] = asked.bound()
            walls = (wall_text(BOUNDS.walls[0]), wall_text(BOUNDS.walls[1]))
            found[f"what {name} holds"] = call_reader.held_in(table, walls, BOUNDS, archive=archive).bound()
    return found | caller_id_statements()


def caller_id_statements() -> dict[str, Select[Any]]:
    pairs, span = statements_of_caller_ids.known_pairs(PRESENT), statements_of_caller_ids.time_of(BOUNDS)
    keys = [f"{1_700_000_000 + n}.{n}" for n in range(2880, 2900)]
    found = {"how much about caller IDs": statements_of_caller_ids.how_many(pairs, span).bound()}
    for archive in (False, True):
        asked = statements_of_caller_ids.of_keys(CALL_TABLES[0], PRESENT, BOUNDS, keys, archive=archive)
        found[f"caller IDs of keys, {archive=}"] = asked.bound()
        for table in pairs[archive]:
            found[f"lines of {table.name}"] = statements_of_caller_ids.lines_between(table, span).bound()
    return found


@pytest.mark.parametrize("small_page", [False, True], ids=["page of 5000", "page of 100"])
def test_no_statement_reads_a_whole_table_or_a_whole_index(busy_site: Exchange, small_page: bool) -> None:
    scans: list[str] = []
    chosen: dict[str, set[str]] = {}
    with busy_site.engine.connect() as connection:
        for name, statement in statements().items():
            limited = statement.limit(100) if small_page and statement._limit_clause is not None else statement
            sql = limited.compile(busy_site.engine, compile_kwargs={"literal_binds": True}).string
            for step in connection.execute(text("EXPLAIN " + sql.replace(":", "\\:"))).mappings():
                chosen.setdefault(name, set()).add(f"{step['table']} {step['type']} {step['key']}")
                if step["type"] in {"ALL", "index"} and not str(step["table"] or "<").startswith("<"):
                    scans.append(f"{name}: {step['table']} {step['type']} {step['key']}")
                elif step["type"] == "range" and name != "newest calls" and int(step["rows"]) > ROWS / 4:
                    scans.append(f"{name}: {step['table']} range of {step['rows']} rows over {step['key']}")
    assert scans == []
    for name, steps in chosen.items():
        index = "range PRIMARY" if "of keys" in name else "range call_date"
        assert any(index in step for step in steps), (name, steps)


def test_a_session_cannot_write(site: Exchange) -> None:
    site.outbound(NOON)
    dialer = site.dialer()
    with dialer.engine.connect() as connection, pytest.raises(DBAPIError) as refused:
        connection.execute(text("UPDATE vicidial_log SET status = 'X'"))
    assert "1792" in str(refused.value)
    dialer.engine.dispose()


def test_a_session_gives_up_statements_and_locks_after_its_seconds(site: Exchange) -> None:
    dialer = site.dialer(statement_seconds=3)
    with dialer.engine.connect() as connection:
        limits = connection.execute(text("SELECT @@max_statement_time, @@lock_wait_timeout, @@session.tx_read_only")).one()
    assert tuple(map(float, limits)) == (3.0, 3.0, 1.0)
    dialer.engine.dispose()


def test_a_statement_that_takes_too_long_is_given_up_and_said_to_be_retriable(site: Exchange) -> None:
    dialer = site.dialer("east", statement_seconds=1)
    with (
        dialer.engine.connect() as connection,
        pytest.raises(RetriableError, match=r"^east: .* gave up a read that took too long \(1969 .*nothing was written"),
        dialer_errors("east", dialer.engine),
    ):
        connection.execute(text("SELECT count(*) FROM seq_1_to_100000 a, seq_1_to_100000 b"))
    dialer.engine.dispose()


def test_a_table_that_stays_locked_is_given_up_and_said_to_be_retriable(site: Exchange) -> None:
    site.outbound(NOON)
    dialer = site.dialer("east", statement_seconds=1)
    with site.engine.connect() as archiver, dialer.session(lambda: datetime.now(UTC)) as session:
        archiver.execute(text("LOCK TABLES vicidial_log WRITE"))
        with pytest.raises(RetriableError, match=r"^east: "):
            list(session.pages(CALL_TABLES[0], WINDOW))
        archiver.execute(text("UNLOCK TABLES"))
        assert sum(page.count for page in session.pages(CALL_TABLES[0], WINDOW)) == 1
    dialer.engine.dispose()


def test_never_more_than_two_connections_are_held(site: Exchange) -> None:
    dialer = site.dialer()
    assert dialer.engine.pool.size() + dialer.engine.pool._max_overflow == 2  # type: ignore[attr-defined]
    dialer.engine.dispose()


def test_a_fresh_connection_after_a_lost_one_follows_the_same_rules(site: Exchange) -> None:
    site.outbound(NOON)
    dialer = site.dialer("east")
    with dialer.session(lambda: datetime.now(UTC)) as session:
        number = session._connection.connection.driver_connection.thread_id()  # type: ignore[union-attr]
        site.run(f"KILL {number}")
        with pytest.raises(RetriableError, match=r"^east: .*dropped the connection"):
            list(session.pages(CALL_TABLES[0], WINDOW))
        assert sum(page.count for page in session.pages(CALL_TABLES[0], WINDOW)) == 1
        driver = session._connection.connection.driver_connection
        assert driver.get_autocommit()  # type: ignore[union-attr]
        assert session._connection.scalar(text("SELECT @@session.tx_read_only")) == 1
    dialer.engine.dispose()


@pytest.mark.parametrize(
    ("server", "limit"),
    [
        ("10.11.19-MariaDB-0+deb12u1", "SET SESSION max_statement_time = 5"),
        ("5.5.5-10.5.27-MariaDB", "SET SESSION max_statement_time = 5"),
        ("5.5.68-MariaDB", ""),
        ("8.0.40-0ubuntu0.24.04.1", "SET SESSION max_execution_time = 5000"),
        ("5.7.44-log", "SET SESSION max_execution_time = 5000"),
        ("5.6.51", ""),
    ],
)
def test_the_limit_of_a_statement_is_said_in_the_words_of_the_server(server: str, limit: str) -> None:
    assert [rule for rule in session_rules(server, ReadPolicy()) if "max_" in rule and "concat" not in rule] == [limit][
        : len(limit)
    ]
