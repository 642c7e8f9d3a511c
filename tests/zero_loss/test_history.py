"""A long history, scaled down: it survives lost connections, skips and doubles nothing, and lets the ticks run on."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from builders import minutes, one, outbound_row
from dialer_site import Site, site
from sqlalchemy import Engine, create_engine, event, text

from vici_brain.brain.journal import SyncIdentity
from vici_brain.brain.ledger import Ledger
from vici_brain.domain.windows import Window
from vici_brain.errors import RetriableError
from vici_brain.flows.sync_calls import CallSync, fetch_history, read_window, sync_incremental
from vici_brain.vici.connect import ReadPolicy

pytestmark = pytest.mark.mariadb
DAYS = 15
"""Two batches and a bit; 90 days are 13, and add nothing but time."""


@pytest.fixture
def dialer(mariadb_url: str, brain: Engine) -> Iterator[Site]:
    """Thirty calls a day for weeks; some of them exactly where one batch ends and the next begins."""
    # Short statements are what a busy dialer needs; here they would be most of the time.
    with site(mariadb_url, brain, policy=ReadPolicy(slice_length=timedelta(hours=8))) as opened:
        start = opened.start - timedelta(days=DAYS)
        moments = [start + timedelta(days=day, minutes=48 * n) for day in range(DAYS) for n in range(30)]
        moments += [start + timedelta(days=7, seconds=second) for second in (-1, 0, 1)]
        rows = [outbound_row(at, f"{int(at.timestamp())}.{n}", opened.zone, lead_id=n) for n, at in enumerate(moments)]
        opened.exchange.put("vicidial_log", *rows)
        yield opened


class Killer:
    """Kills the reader's own connection as it asks for calls, as often as told."""

    def __init__(self, dialer: Site, times: int, when: Callable[[str], bool]) -> None:
        self.left, self._when = times, when
        self._admin = create_engine(dialer.url, isolation_level="AUTOCOMMIT")
        event.listen(dialer.dialer.engine, "before_cursor_execute", self._strike)

    def _strike(self, connection: Any, _cursor: object, statement: str, *_: object) -> None:
        if self.left and self._when(statement):
            self.left -= 1
            with self._admin.connect() as admin:
                admin.execute(text(f"KILL {connection.connection.driver_connection.thread_id()}"))

    def close(self) -> None:
        self._admin.dispose()


def reads_calls(statement: str) -> bool:
    return "vendor_lead_code" in statement and "FROM vicidial_log" in statement


def history(dialer: Site) -> Window:
    return Window(dialer.start - timedelta(days=DAYS), dialer.now)


def test_a_connection_that_is_lost_midway_costs_a_retry_and_no_call(dialer: Site) -> None:
    killer = Killer(dialer, 2, reads_calls)
    batches = list(fetch_history(dialer.sync, "cli", history(dialer), pause=lambda _: None))
    killer.close()
    assert killer.left == 0
    assert sum(read.rows_new for read, _ in batches) == 30 * DAYS + 3
    dialer.assert_lossless_without_proofs()


def test_a_batch_that_failed_for_good_is_resumed_where_it_stopped(dialer: Site) -> None:
    seen = iter(range(1, 10_000))
    killer = Killer(dialer, 10_000, lambda statement: reads_calls(statement) and next(seen) > 5)
    since: datetime = one(dialer.brain, "SELECT clock_timestamp()")
    with pytest.raises(RetriableError, match="vici: the dialer's database"):
        list(fetch_history(dialer.sync, "cli", history(dialer), pause=lambda _: None))
    killer.left = 0
    landed = one(dialer.brain, "SELECT count(*) FROM vici_call_logs")
    assert 0 < landed < 30 * DAYS
    resumed = [read for read, _ in fetch_history(dialer.sync, "cli", history(dialer), resume_since=since)]
    killer.close()
    assert sum(read.rows_read for read in resumed) < 30 * DAYS + 3
    assert landed + sum(read.rows_new for read in resumed) == 30 * DAYS + 3
    assert sum(read.rows_updated for read in resumed) == 0
    dialer.assert_lossless_without_proofs()


def test_a_run_over_a_range_goes_on_where_its_last_try_or_the_run_that_it_repeats_stopped(dialer: Site) -> None:
    def read(run_id: str, repeats: str | None = None) -> CallSync:
        return read_window(dialer.sync, SyncIdentity("vici", "history", "backfill", history(dialer), run_id, repeats))

    seen = iter(range(1, 10_000))
    killer = Killer(dialer, 10_000, lambda statement: reads_calls(statement) and next(seen) > 5)
    with pytest.raises(RetriableError, match="dropped the connection"):
        read("first")
    landed = one(dialer.brain, "SELECT count(*) FROM vici_call_logs")
    assert 0 < landed < 30 * DAYS
    with pytest.raises(RetriableError, match="dropped the connection"):
        read("second", repeats="first")
    killer.left = 0
    resumed = read("second", repeats="first")
    killer.close()
    assert resumed.rows_new == 30 * DAYS + 3 - landed
    assert resumed.rows_read < 30 * DAYS + 3
    assert read("third").rows_read == 30 * DAYS + 3
    dialer.assert_lossless_without_proofs()


def test_ticks_go_on_while_history_is_fetched(dialer: Site) -> None:
    dialer.run_until(6)
    past = history(dialer)
    with dialer.another_process() as fetching, ThreadPoolExecutor(1) as pool:
        fetched = pool.submit(lambda: list(fetch_history(fetching, "cli", past, pause=lambda _: None)))
        for minute in (7, 12, 17, 22):
            dialer.call(minute, lead_id=9)
            dialer.run_until(minute + 4)
            sync_incremental(dialer.sync, "cli", minutes=10)
        fetched.result()
    dialer.settle()
    dialer.assert_lossless_without_proofs()
    assert one(dialer.brain, "SELECT count(*) FROM vici_call_logs") == 30 * DAYS + 3 + 4


@pytest.mark.parametrize("table", ["vicidial_log", "vicidial_closer_log"])
def test_a_reader_that_is_killed_leaves_the_checkpoint_where_it_was(table: str, mariadb_url: str, brain: Engine) -> None:
    """Bonus trap: every try of the slice dies; what was not read whole is not in the ledger, and the next sync reads it."""
    with site(mariadb_url, brain) as dialer:
        dialer.call(1)
        sync_incremental(dialer.sync, "cli")
        dialer.skip_until(6)
        sync_incremental(dialer.sync, "cli")
        before = Ledger(brain).position("vici")
        dialer.skip_until(31)
        dialer.call(12)
        killer = Killer(dialer, 100, lambda statement: "count(*)" in statement and f"FROM {table}" in statement)
        with pytest.raises(RetriableError, match="dropped the connection"):
            sync_incremental(dialer.sync, "cli")
        assert Ledger(brain).position("vici") == before
        assert one(brain, "SELECT status FROM sync_logs ORDER BY id DESC LIMIT 1") == "failed"
        killer.left = 0
        sync_incremental(dialer.sync, "cli")
        killer.close()
        assert one(brain, "SELECT count(*) FROM vici_call_logs") == 2
        dialer.settle()
        dialer.assert_lossless()


def test_a_statement_that_takes_too_long_is_given_up_and_moves_nothing(mariadb_url: str, brain: Engine) -> None:
    """Error 1969 in the middle of a batch."""
    with site(mariadb_url, brain) as dialer:
        dialer.call(1)
        dialer.skip_until(6)

        def slow(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> tuple[str, Any]:
            heavy = "WHERE BENCHMARK(1000000000, MD5(1)) = 0 AND"
            return (statement.replace("WHERE", heavy, 1) if reads_calls(statement) else statement), parameters

        event.listen(dialer.dialer.engine, "before_cursor_execute", slow, retval=True)
        event.listen(dialer.dialer.engine, "checkout", _impatient)
        with pytest.raises(RetriableError, match="took too long"):
            sync_incremental(dialer.sync, "cli")
        # The minutes before the hour, in which nobody called, were read.
        assert Ledger(brain).position("vici") == dialer.start
        assert one(brain, "SELECT count(*) FROM vici_call_logs") == 0
        dialer.restart()
        dialer.settle()
        dialer.assert_lossless()


def _impatient(connection: Any, *_: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET max_statement_time = 0.1")


def test_the_day_where_two_batches_meet_is_counted_once(dialer: Site) -> None:
    edge = dialer.start - timedelta(days=DAYS - 7)
    batches = [read for read, _ in fetch_history(dialer.sync, "cli", Window(edge - timedelta(days=7), edge + minutes(600)))]
    held = one(dialer.brain, "SELECT count(*) FROM vici_call_logs")
    assert len(batches) == 2
    assert (sum(read.rows_new for read in batches), sum(read.source_count for read in batches)) == (held, held)
