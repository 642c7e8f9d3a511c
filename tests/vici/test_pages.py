"""Every call of a window comes out exactly once, on MariaDB with MyISAM tables and on SQLite: paging, bounds, archive, DST."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from builders import NOON, Exchange, exchange, minutes, outbound_row
from sqlalchemy import event, make_url

from vici_brain.domain.call_lines import fields, lines
from vici_brain.domain.call_rows import COLUMNS, Raw, clean
from vici_brain.domain.windows import Window
from vici_brain.vici.call_tables import CALL_TABLES, CallTable
from vici_brain.vici.dialer import LinePage, Page

OUTBOUND, INBOUND = CALL_TABLES
DATABASES = [pytest.param("mariadb", marks=pytest.mark.mariadb), "sqlite"]


@pytest.fixture(params=DATABASES)
def dialer_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.getfixturevalue("mariadb_url")) if request.param == "mariadb" else f"sqlite:///{tmp_path}/dialer.sqlite3"


@pytest.fixture
def site(dialer_url: str) -> Iterator[Exchange]:
    with exchange(dialer_url) as opened:
        yield opened


def read(site: Exchange, window: Window, table: CallTable = OUTBOUND, *, page_rows: int = 3) -> list[tuple[str, dict[str, Any]]]:
    """``(copy, row)`` of everything that the pages of ``window`` hold."""
    dialer = site.dialer(page_rows=page_rows, slice_length=minutes(20))
    with dialer.session(lambda: datetime.now(UTC)) as session:
        pages = list(islice(session.pages(table, window), 1_000))  # a cursor that stands still must fail, not hang
    dialer.engine.dispose()
    assert all(page.count <= page_rows for page in pages)
    return [(page.source_copy, dict(zip(COLUMNS, row, strict=True))) for page in pages for row in rows_of(page)]


def rows_of(page: Page | LinePage) -> Sequence[Sequence[Raw]]:
    """A page as a careful reader has it."""
    return page.rows if isinstance(page, Page) else clean([fields(line) for line in lines(page.text)]).rows


def keys(found: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
    return [str(row["source_key"]) for _, row in found]


HOUR = Window(NOON, NOON + minutes(60))


@pytest.mark.parametrize("page_rows", [1, 2, 3, 7, 100])
def test_calls_of_one_second_and_of_partial_dates_page_without_loss_or_repeat(site: Exchange, page_rows: int) -> None:
    february = datetime(2024, 2, 1, 5, 0, tzinfo=UTC)  # midnight in New York
    site.put("vicidial_log", *(outbound_row(february, f"tie.{n}") for n in range(8)))
    site.put("vicidial_log", *(outbound_row(february, f"partial.{n}", call_date="2024-02-00 00:00:00") for n in range(4)))
    site.put("vicidial_log", *(outbound_row(february + timedelta(seconds=n), f"late.{n}") for n in range(1, 4)))
    found = read(site, Window(february - minutes(60), february + minutes(60)), page_rows=page_rows)
    dated = [key for key in keys(found) if not key.startswith("partial")]
    assert sorted(dated) == sorted([*(f"tie.{n}" for n in range(8)), *(f"late.{n}" for n in range(1, 4))])
    # Near their month a partial date stands in the window, too, and comes a second time by its epoch; landing counts it once.
    assert set(keys(found)) - set(dated) == {f"partial.{n}" for n in range(4)}


def test_inbound_calls_page_by_their_number_not_by_its_text(site: Exchange) -> None:
    for number in range(1, 13):
        site.inbound(NOON, number)
    found = read(site, HOUR, INBOUND)
    assert keys(found) == [str(number) for number in range(1, 13)]
    assert {row["campaign_id"] for _, row in found} == {"SALESLINE"}


def test_neighbouring_windows_leave_no_call_out_at_their_edge(site: Exchange) -> None:  # F016
    for second in (-1, 0, 1):
        site.outbound(HOUR.end + timedelta(seconds=second), f"edge.{second}")
    before, after = keys(read(site, HOUR)), keys(read(site, Window(HOUR.end, HOUR.end + minutes(60))))
    assert set(before) | set(after) == {"edge.-1", "edge.0", "edge.1"}


def test_calls_well_outside_the_window_are_not_read(site: Exchange) -> None:
    for offset in (-1, 61):
        site.outbound(NOON + minutes(offset), f"outside.{offset}")
    site.outbound(NOON, "inside")
    assert keys(read(site, HOUR)) == ["inside"]


def test_the_archive_counts_only_where_the_live_table_has_no_such_call(site: Exchange) -> None:
    site.outbound(NOON, "both", status="SALE")
    site.outbound(NOON, "both", table="vicidial_log_archive", status="PU")
    site.outbound(NOON, "live", status="NA")
    site.outbound(NOON, "old", table="vicidial_log_archive", status="AA")
    found = [(copy, row["source_key"], row["status"]) for copy, row in read(site, HOUR)]
    assert sorted(found) == [("archive", "old", "AA"), ("live", "both", "SALE"), ("live", "live", "NA")]
    assert [copy for copy, _, _ in found] == ["live", "live", "archive"]


def test_a_live_call_outside_the_window_keeps_its_stale_archive_copy_out_too(site: Exchange) -> None:
    site.outbound(NOON + timedelta(hours=5), "moved")
    site.outbound(NOON, "moved", table="vicidial_log_archive")
    assert read(site, HOUR) == []


def test_the_inbound_archive_is_read_like_the_outbound_one(site: Exchange) -> None:
    site.inbound(NOON, 7, table="vicidial_closer_log_archive")
    ((copy, row),) = read(site, HOUR, INBOUND)
    assert (copy, str(row["source_key"]), float(row["queue_seconds"])) == ("archive", "7", 4.0)


def test_a_dialer_without_archives_and_caller_id_logs_is_read_all_the_same(dialer_url: str) -> None:
    optional = [
        *("vicidial_log_archive", "vicidial_closer_log_archive", "vicidial_list_archive", "vicidial_log_extended"),
        *("vicidial_log_extended_archive", "vicidial_dial_cid_log", "vicidial_dial_cid_log_archive", "servers"),
    ]
    with exchange(dialer_url, without=[*optional, "vicidial_statuses", "vicidial_campaign_statuses"]) as site:
        site.outbound(NOON)
        site.inbound(NOON, 1)
        ((_, outbound),) = read(site, HOUR)
        assert outbound["outbound_cid"] is None
        assert len(read(site, HOUR, INBOUND)) == 1


@pytest.mark.mariadb
def test_a_call_that_is_archived_after_its_page_was_counted_is_read_in_the_archive(mariadb_url: str) -> None:
    with exchange(mariadb_url) as site:
        site.outbound(NOON, "moves")
        dialer = site.dialer()

        def archive(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if "FROM vicidial_log " in statement and "vendor_lead_code" in statement:
                site.run("INSERT IGNORE INTO vicidial_log_archive SELECT * FROM vicidial_log")
                site.run("DELETE FROM vicidial_log")

        event.listen(dialer.engine, "before_cursor_execute", archive)
        with dialer.session(lambda: datetime.now(UTC)) as session:
            pages = [page for page in session.pages(OUTBOUND, HOUR) if page.count]
        dialer.engine.dispose()
    assert [(page.source_copy, page.count) for page in pages] == [("archive", 1)]


@pytest.mark.parametrize("table", ["vicidial_log", "vicidial_log_archive"])
def test_a_copy_that_holds_undated_calls_alone_is_read_for_them(site: Exchange, table: str) -> None:
    site.outbound(NOON, "undated", table=table, call_date=None)
    site.outbound(NOON + timedelta(hours=9), "elsewhere")
    assert keys(read(site, HOUR)) == ["undated"]


NO_DATE = {"zero": "0000-00-00 00:00:00", "missing": None}


@pytest.mark.parametrize("call_date", NO_DATE.values(), ids=list(NO_DATE))
def test_an_undated_call_is_found_by_the_one_window_that_its_epoch_lies_in(site: Exchange, call_date: str | None) -> None:
    if call_date is None and site.engine.dialect.name != "sqlite":
        site.run("ALTER TABLE vicidial_log MODIFY call_date DATETIME NULL")
    site.put("vicidial_log", *(outbound_row(NOON + minutes(n), f"undated.{n}", call_date=call_date) for n in range(0, 60, 10)))
    neighbours = [Window(NOON + minutes(start), NOON + minutes(start + 60)) for start in (-60, 0, 60)]
    assert [len(read(site, window, page_rows=2)) for window in neighbours] == [0, 6, 0]


def test_a_call_without_date_and_epoch_is_found_by_every_window_so_that_it_cannot_be_lost(site: Exchange) -> None:
    for number, epoch in enumerate((None, 0, 2025)):
        site.outbound(NOON, f"timeless.{number}", call_date="0000-00-00 00:00:00", start_epoch=epoch)
    for window in (HOUR, Window(NOON + minutes(600), NOON + minutes(605))):
        assert len(read(site, window, page_rows=2)) == 3


def test_a_partial_date_is_found_by_the_window_of_its_epoch(site: Exchange) -> None:
    for number, date in enumerate(("2025-06-00 00:00:00", "2025-00-00 00:00:00", "2025-00-10 09:00:00")):
        site.outbound(NOON, f"partial.{number}", call_date=date)
    assert sorted(keys(read(site, HOUR))) == ["partial.0", "partial.1", "partial.2"]
    assert read(site, Window(NOON + minutes(300), NOON + minutes(360))) == []


def test_the_two_passes_of_the_fall_back_hour_are_both_in_reach_of_their_windows(site: Exchange) -> None:
    first, second = datetime.fromtimestamp(1762061400, UTC), datetime.fromtimestamp(1762065000, UTC)
    for number, instant in enumerate((first, second)):
        site.outbound(instant, f"fold.{number}")
    for instant in (first, second):
        window = Window(instant - minutes(5), instant + minutes(5))
        found = [row for _, row in read(site, window) if window.start.timestamp() <= row["start_epoch"] < window.end.timestamp()]
        assert [row["call_date"] for row in found] == ["2025-11-02 01:30:00"]
        assert [row["start_epoch"] for row in found] == [int(instant.timestamp())]


def test_the_spring_night_loses_nothing(site: Exchange) -> None:
    change = datetime(2025, 3, 9, 7, 0, tzinfo=UTC)
    instants = [change + minutes(offset) for offset in range(-90, 90, 10)]
    site.put("vicidial_log", *(outbound_row(instant, f"spring.{n:02}") for n, instant in enumerate(instants)))
    found = [
        key
        for hour in range(-2, 2)
        for key in keys(read(site, Window(change + minutes(60 * hour), change + minutes(60 * hour + 60))))
    ]
    assert set(found) == {f"spring.{n:02}" for n in range(len(instants))}


def test_every_value_arrives_as_the_database_holds_it(site: Exchange) -> None:
    site.put("vicidial_list", {"lead_id": 4294967295, "vendor_lead_code": "1755041041000", "phone_number": "1"})
    row = outbound_row(NOON, lead_id=4294967295, length_in_sec=-3, status="", term_reason="", comments="José ☎ <", end_epoch=None)
    if make_url(site.url).get_backend_name() != "sqlite":
        row["comments"] = "José <"  # the column is utf8mb3, but the telephone sign is a matter of fonts, not of bytes
    site.put("vicidial_log", row)
    ((_, found),) = read(site, HOUR)
    assert found["call_date"] == "2025-06-10 12:00:00"
    assert (found["vici_lead_id"], found["vendor_lead_code"]) == (4294967295, "1755041041000")
    assert (found["length_in_sec"], found["end_epoch"], found["status"], found["term_reason"]) == (-3, None, "", "")
    assert found["comments"] == row["comments"]
    assert isinstance(found["row_crc"], int)


def test_a_change_of_any_replicated_column_changes_the_checksum(site: Exchange) -> None:
    key = site.outbound(NOON)
    ((_, before),) = read(site, HOUR)
    changes = {"status": "SALE", "end_epoch": None, "length_in_sec": 21, "user": "7001", "comments": "x", "called_count": 2}
    for column, value in changes.items():
        site.run(f"UPDATE vicidial_log SET {column} = :value WHERE uniqueid = :key", value=value, key=key)
        ((_, after),) = read(site, HOUR)
        assert before["row_crc"] != after["row_crc"], column
        before = after


def test_what_the_dialers_own_exports_flip_does_not_change_the_checksum(site: Exchange) -> None:
    key = site.outbound(NOON)
    ((_, before),) = read(site, HOUR)
    site.run("UPDATE vicidial_log SET processed = 'Y' WHERE uniqueid = :key", key=key)
    ((_, after),) = read(site, HOUR)
    assert before["row_crc"] == after["row_crc"]
