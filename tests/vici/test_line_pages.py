"""Pages that MariaDB writes as lines land exactly as those that are read value by value; where they cannot, they are not used."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from builders import NOON, Exchange, ask, exchange, minutes
from sqlalchemy import Engine, text

from vici_brain.brain.calls import CallStore
from vici_brain.brain.matches import MatchStore
from vici_brain.domain import call_lines
from vici_brain.domain.windows import Window
from vici_brain.flows.read_calls import read_calls, read_slice
from vici_brain.vici import call_reader
from vici_brain.vici.call_reader import cut
from vici_brain.vici.call_tables import CALL_TABLES, Bounds
from vici_brain.vici.dialer import DialerSession, LinePage, Page

pytestmark = pytest.mark.mariadb
HOUR, OUTBOUND = Window(NOON, NOON + minutes(60)), CALL_TABLES[0]
ODD_TEXTS = [
    "NULL",
    "\\N",
    "a\tb",
    "a\\b",
    "line\nbreak",
    "\r",
    "Zoë 日本",
    "",
    " ",
    "\x1e",
    "\x1eN",
    "'\"",
    "a\x1db",
    "a\x1fb",
    "\x00",
    "\\",
]


@pytest.fixture
def site(mariadb_url: str) -> Iterator[Exchange]:
    with exchange(mariadb_url) as opened:
        yield opened


def session_of(site: Exchange) -> Iterator[DialerSession]:
    dialer = site.dialer(page_rows=4)
    with dialer.session(lambda: datetime.now(UTC)) as session:
        yield session
    dialer.engine.dispose()


@pytest.fixture
def session(site: Exchange) -> Iterator[DialerSession]:
    yield from session_of(site)


def odd_calls(site: Exchange) -> None:
    for number, comment in enumerate(ODD_TEXTS):
        site.outbound(NOON + minutes(number), f"odd.{number:02}", comments=comment, user=None if number % 2 else "6666")
    site.outbound(NOON + minutes(30), "zero", call_date="2025-06-10 12:30:00", start_epoch=0, length_in_sec=-3, term_reason="")


def landed(brain: Engine) -> list[tuple[object, ...]]:
    columns = (
        "source_key, comments, agent_user, call_date, start_epoch, length_in_sec, term_reason, row_crc, row_flags, phone_key"
    )
    return ask(brain, f"SELECT {columns} FROM vici_call_logs ORDER BY source_key")


def test_lines_and_values_land_alike_whatever_the_texts_hold(site: Exchange, brain: Engine, session: DialerSession) -> None:
    odd_calls(site)
    read_slice(session, CallStore(brain), OUTBOUND, HOUR)
    by_lines, aside = landed(brain), ask(brain, "SELECT source_key, reasons, raw FROM quarantined_call_logs ORDER BY 1")
    with brain.begin() as connection:
        connection.execute(text("TRUNCATE vici_call_logs, quarantined_call_logs, call_log_proofs"))
    session._writes_lines = False
    read_slice(session, CallStore(brain), OUTBOUND, HOUR)
    assert len(by_lines) == len(ODD_TEXTS) + 1
    assert landed(brain) == by_lines
    assert ask(brain, "SELECT source_key, reasons, raw FROM quarantined_call_logs ORDER BY 1") == aside


def test_only_a_page_with_a_separator_in_a_value_is_read_value_by_value(site: Exchange, session: DialerSession) -> None:
    odd_calls(site)
    found = {type(page): 0 for page in session.pages(OUTBOUND, HOUR)}
    for page in session.pages(OUTBOUND, HOUR):
        found[type(page)] += page.count
    assert found == {LinePage: 13, Page: 4}


def test_a_page_that_the_server_cuts_short_is_read_value_by_value(site: Exchange, session: DialerSession) -> None:
    odd_calls(site)
    session._connection.exec_driver_sql("SET SESSION group_concat_max_len = 50")
    pages = list(session.pages(OUTBOUND, HOUR))
    assert {type(page) for page in pages} == {Page}
    assert sum(page.count for page in pages) == len(ODD_TEXTS) + 1


def test_a_busy_day_is_cut_into_pages_and_a_quiet_one_is_read_at_once(site: Exchange, session: DialerSession) -> None:
    day = Window(NOON - timedelta(days=2), NOON - timedelta(days=1))
    for number in range(30):
        site.outbound(day.start + timedelta(minutes=9 * number), f"busy.{number}")
    for number in range(3):
        site.outbound(NOON - timedelta(hours=number), f"quiet.{number}")
    busy, quiet = (list(session.pages(OUTBOUND, window)) for window in (day, Window(day.end, NOON + minutes(1))))
    assert sum(page.count for page in busy) == 30
    assert [page.count for page in quiet] == [3]


def test_a_page_that_grew_since_it_was_counted_is_read_in_order_from_its_start(
    site: Exchange, session: DialerSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        site.outbound(NOON + timedelta(seconds=number), f"busy.{number}")
    monkeypatch.setattr(call_reader, "cut", lambda bounds, _per_hour, _most: [(bounds, 1)])
    pages = list(session.pages(OUTBOUND, Window(NOON - timedelta(hours=6), NOON + timedelta(hours=6))))
    keys = [call_lines.fields(line)[0] for page in pages if isinstance(page, LinePage) for line in call_lines.lines(page.text)]
    assert len(keys) == len(set(keys)) == 30


def test_a_day_is_cut_at_hours_so_that_each_part_is_a_page() -> None:
    bounds = Bounds.of(Window(NOON, NOON + timedelta(hours=12)), session_zone())
    hours = [("2025-06-10 12", 3), ("2025-06-10 13", 3), ("2025-06-10 18", 1), ("2025-06-10 19", 9)]
    parts, calls = zip(*cut(bounds, hours, 4), strict=True)
    assert calls == (3, 4, 9)
    assert [part.walls[0].hour for part in parts] == [bounds.walls[0].hour, 13, 19]
    assert [one.walls[1] for one in parts[:-1]] == [other.walls[0] for other in parts[1:]]
    assert parts[-1].walls[1] == bounds.walls[1]
    assert cut(bounds, [], 4) == [(bounds, 0)]


def session_zone() -> ZoneInfo:
    return ZoneInfo("America/New_York")


def test_calls_never_read_before_land_with_their_leads_and_a_second_read_changes_nothing(site: Exchange, brain: Engine) -> None:
    with brain.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO leads (external_lead_id, phone) SELECT (1000000000000 + n)::text, '212555' || lpad(n::text, 4, '0')"
                " FROM generate_series(1, 300) n"
            )
        )
    for number in range(900):
        phone, comments = f"212555{number % 600:04}", "" if number % 7 else "\x00"
        site.outbound(NOON + timedelta(seconds=number), f"new.{number}", phone_number=phone, comments=comments)
    dialer = site.dialer()
    first = read_calls(dialer, CallStore(brain), HOUR, clock=lambda: datetime.now(UTC))
    assert (first.counts.new, first.counts.matched) == (900, 300 + 299)
    matched = ask(
        brain, "SELECT matched_by, match_candidates, count(*) FROM vici_call_logs WHERE lead_id IS NOT NULL GROUP BY 1, 2"
    )
    assert matched == [("phone", 1, 599)]
    again = read_calls(dialer, CallStore(brain), HOUR, clock=lambda: datetime.now(UTC))
    assert (again.counts.new, again.counts.updated, again.counts.unchanged) == (0, 0, 900)
    dialer.engine.dispose()


def test_rows_that_brain_held_before_a_first_read_are_merged_and_the_others_land(site: Exchange, brain: Engine) -> None:
    for number in range(700):
        site.outbound(NOON + timedelta(seconds=number), f"new.{number}")
    dialer = site.dialer()
    read_calls(dialer, CallStore(brain), HOUR, clock=lambda: datetime.now(UTC))
    with brain.begin() as connection:
        connection.execute(text("DELETE FROM call_log_proofs"))
        connection.execute(text("DELETE FROM vici_call_logs WHERE source_key >= 'new.3'"))
    site.run("UPDATE vicidial_log SET status = 'SALE' WHERE uniqueid IN ('new.1', 'new.2')")
    held = int(ask(brain, "SELECT count(*) FROM vici_call_logs")[0][0])
    again = read_calls(dialer, CallStore(brain), HOUR, clock=lambda: datetime.now(UTC))
    assert (again.counts.new, again.counts.updated, again.counts.unchanged) == (700 - held, 2, held - 2)
    assert ask(brain, "SELECT count(*) FROM vici_call_log_history") == [(2,)]
    dialer.engine.dispose()


def test_calls_get_the_same_lead_whether_as_they_land_or_by_a_later_match(site: Exchange, brain: Engine) -> None:
    with brain.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO leads (id, external_lead_id, phone)"
                " SELECT n, (1000000000000 + n)::text, '212555' || lpad((n % 40)::text, 4, '0') FROM generate_series(1, 90) n"
            )
        )
        connection.execute(
            text(
                "INSERT INTO vici_lead_links (instance, vici_lead_id, lead_id, linked_at)"
                " SELECT 'vici', n, n + 7, now() FROM generate_series(20, 60) n"
            )
        )
    codes = ["", "1000000000005", "1000000000095", "17", None]
    leads = [{"lead_id": n, "vendor_lead_code": codes[n % 5], "phone_number": "2125550000"} for n in range(1, 100)]
    site.put("vicidial_list", *leads)
    for number in range(600):
        site.outbound(
            NOON + timedelta(seconds=number), f"c.{number}", lead_id=number % 120, phone_number=f"212555{number % 70:04}"
        )
    dialer = site.dialer()
    read_calls(dialer, CallStore(brain), HOUR, clock=lambda: datetime.now(UTC))
    dialer.engine.dispose()
    matches = "SELECT source_key, lead_id, matched_by, match_candidates FROM vici_call_logs ORDER BY source_key"
    as_they_landed = ask(brain, matches)
    with brain.begin() as connection:
        connection.execute(
            text("UPDATE vici_call_logs SET lead_id = NULL, matched_by = NULL, matched_at = NULL, match_candidates = NULL")
        )
    MatchStore(brain).match_window("vici", HOUR)
    assert {row[2] for row in as_they_landed} == {None, "vendor_lead_code", "vici_lead_link", "phone"}
    assert max(row[3] or 0 for row in as_they_landed) > 1
    assert ask(brain, matches) == as_they_landed
