"""Traps 8, 9 and 12: dialers side by side, statements that never scan a table, and values that no table should hold."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from builders import ask, minutes, one, outbound_row
from dialer_site import Site, inbound_row, site
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.dialects import mysql

from vici_brain.domain.proof import pieces
from vici_brain.domain.windows import Window
from vici_brain.vici.call_tables import CALL_TABLES, CallTable
from vici_brain.vici.proof_statements import bucket_sums, calls_between, first_and_last, keys_present, odd_rows, regular_rows

pytestmark = pytest.mark.mariadb


@pytest.fixture
def dialer(mariadb_url: str, brain: Engine) -> Iterator[Site]:
    with site(mariadb_url, brain) as opened:
        yield opened


@pytest.fixture
def second_mariadb_url(mariadb_server: str, mariadb_url: str) -> Iterator[str]:
    server = create_engine(mariadb_server, isolation_level="AUTOCOMMIT")
    name = f"{mariadb_url.rpartition('/')[2]}_second"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci"))
    yield f"{mariadb_url}_second"
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}"))
    server.dispose()


# -- trap 8


def test_trap_8_the_same_uniqueid_on_two_dialers_and_in_both_tables_is_four_calls(
    mariadb_url: str, second_mariadb_url: str, brain: Engine
) -> None:
    with site(mariadb_url, brain, instance="east") as east, site(second_mariadb_url, brain, instance="west") as west:
        for each in (east, west):
            each.call(2, "1749571320.1")
            each.exchange.put("vicidial_closer_log", inbound_row(each.at(2), 1, uniqueid="1749571320.1"))
            each.run_until(6)
        east.change("1749571320.1", status="SALE")
        for each in (east, west):
            each.settle()
            each.assert_lossless()
    assert one(brain, "SELECT count(*) FROM orphan_call_logs") == 4
    statuses = "SELECT instance, status FROM vici_call_logs WHERE source_table = 'vicidial_log' ORDER BY 1"
    assert ask(brain, statuses) == [("east", "SALE"), ("west", "NA")]


def test_a_dialer_that_is_down_does_not_hold_up_the_other(mariadb_url: str, second_mariadb_url: str, brain: Engine) -> None:
    with site(mariadb_url, brain, instance="east") as east, site(second_mariadb_url, brain, instance="west") as west:
        east.skew = timedelta(hours=1)
        west.call(2)
        west.run_until(6)
        with pytest.raises(Exception, match="east: the dialer is refused"):
            east.run_until(6)
        assert one(brain, "SELECT count(*) FROM vici_call_logs WHERE instance = 'west'") == 1


# -- trap 9


def _statements(dialer: Site, table: CallTable) -> Iterator[tuple[str, Any]]:
    zone = dialer.dialer.zone
    (piece,) = pieces(Window(dialer.at(0), dialer.at(60)), zone)
    yield "count", calls_between(table, piece.window, zone).bound()
    keys = [1, 2, 3] if table.key == "closecallid" else ["1749571320.1", "1749571320.2"]
    for archive in (False, True):
        copy = "archive" if archive else "live"
        yield f"sums {copy}", bucket_sums(table, piece, zone, archive=archive, sqlite=False).bound()
        yield f"rows {copy}", regular_rows(table, piece, archive=archive, sqlite=False).bound()
        yield f"odd {copy}", odd_rows(table, piece, zone, archive=archive, sqlite=False).bound()
        yield f"ends {copy}", first_and_last(table, archive=archive).bound()
        yield f"present {copy}", keys_present(table, keys, archive=archive).bound()


@pytest.mark.parametrize("table", CALL_TABLES, ids=lambda table: table.name)
def test_trap_9_no_statement_of_a_proof_scans_a_table(table: CallTable, dialer: Site) -> None:
    """On tables of two weeks, as a scan of a small one would be the optimiser's right."""
    start = dialer.start - timedelta(days=14)
    moments = [start + minutes(5 * n) for n in range(14 * 288)]
    if table.name == "vicidial_log":
        rows = [outbound_row(at, f"{int(at.timestamp())}.1") for at in moments]
    else:
        rows = [inbound_row(at, number) for number, at in enumerate(moments, start=1)]
    dialer.exchange.put(table.name, *rows)
    dialer.run(f"INSERT INTO {table.archive.name} SELECT * FROM {table.name}")
    dialer.run(f"DELETE FROM {table.name} WHERE call_date < '2025-06-01'")
    dialer.run(f"ANALYZE TABLE {table.name}, {table.archive.name}")
    for name, statement in _statements(dialer, table):
        sql = str(statement.compile(dialect=mysql.dialect(), compile_kwargs={"literal_binds": True}))
        plan = ask(dialer.exchange.engine, "EXPLAIN " + sql.replace(":", r"\:").replace("%%", "%"))
        assert all(row[3] not in {"ALL", "index"} for row in plan), (name, plan)
        bound = (row[5] in {"call_date", "PRIMARY"} or row[9] == "Select tables optimized away" for row in plan)
        assert any(bound), (name, plan)


# -- trap 12

DIRTY: dict[str, dict[str, Any]] = {
    "blank term_reason": {"term_reason": ""},
    "unknown status": {"status": "ZZTOP"},
    "blank status": {"status": ""},
    "lower-case status": {"status": "na"},
    "status with a space": {"status": "NA "},
    "negative length": {"length_in_sec": -3},
    "no length": {"length_in_sec": None},
    "huge length": {"length_in_sec": 90_000},
    "no end": {"end_epoch": None},
    "end in the future": {"end_epoch": 4_000_000_000},
    "largest numbers": {"end_epoch": 4_294_967_295, "list_id": 18_446_744_073_709_551_615},
    "a year for an epoch": {"start_epoch": 2025},
    "no phone": {"phone_number": "anonymous"},
    "zero date": {"call_date": "0000-00-00 00:00:00"},
    "partial date": {"call_date": "2025-06-00 12:02:00"},
    "double-encoded text": {"comments": "JosÃ©"},
    "no list": {"list_id": 0},
    "null list": {"list_id": None},
    "no lead": {"lead_id": 0},
    "control characters": {"comments": "tab\tnewline\nbackslash\\ quote' null\\N"},
    "nothing but a key": {"status": None, "campaign_id": None, "phone_number": None, "user": None, "comments": None},
}


def test_trap_12_dirty_values_land_beside_clean_ones_and_are_proven(dialer: Site) -> None:
    for number, odd in enumerate(DIRTY.values()):
        dialer.call(2, f"1749571320.{number}", **odd)
    dialer.call(3, "1749571380.1")
    dialer.skip_until(21)
    dialer.settle()
    dialer.assert_lossless_but({"1749571320.10": "list_id"})
    assert one(dialer.brain, "SELECT count(*) FROM vici_call_logs") == len(DIRTY) + 1
    assert ask(dialer.brain, "SELECT DISTINCT status FROM sync_logs") == [("success",)]
    reasons = dict(ask(dialer.brain, "SELECT source_key, reasons[1] FROM quarantined_call_logs"))
    assert reasons == {
        "1749571320.10": "list_id is out of range",
        "1749571320.13": "call_date is zero or partial",
        "1749571320.14": "call_date is zero or partial",
    }


def test_trap_12_bytes_that_are_no_text_land_with_the_original_kept(dialer: Site) -> None:
    dialer.call(2, "1749571320.1")
    dialer.run("ALTER TABLE vicidial_log MODIFY comments VARCHAR(255) CHARACTER SET latin1")
    dialer.run("UPDATE vicidial_log SET comments = X'4A6F73C3A9'")
    dialer.settle()
    dialer.assert_lossless()
    assert one(dialer.brain, "SELECT comments FROM vici_call_logs") == "JosÃ©"
