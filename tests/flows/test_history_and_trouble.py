"""Fetching history in batches, and a dialer or a Brain that dies in the middle: a slice lands whole or not at all."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from builders import NOON, Replication, ask, exchange, minutes, one, outbound_row
from sqlalchemy import Engine, event, text

from vici_brain.brain.call_indexes import AFTERWARDS
from vici_brain.brain.calls import CallStore
from vici_brain.brain.journal import SyncIdentity
from vici_brain.domain.windows import Window, floor_to
from vici_brain.errors import RetriableError
from vici_brain.flows.prove_calls import reconcile
from vici_brain.flows.read_calls import read_calls
from vici_brain.flows.sync_calls import fetch_history, sync_incremental
from vici_brain.flows.syncing import Syncing

pytestmark = pytest.mark.mariadb
WEEK = timedelta(days=7)
START = NOON - 2 * WEEK - timedelta(days=1)
# Few statements: what is shown here does not depend on how long a slice is.
DAILY: dict[str, Any] = {"slice_length": timedelta(days=1)}


@pytest.fixture
def world(mariadb_url: str, brain: Engine) -> Iterator[Replication]:
    with exchange(mariadb_url) as site:
        yield Replication(site, brain)


def spread(world: Replication, step: timedelta = timedelta(hours=6)) -> list[str]:
    """A call every ``step`` from START to NOON, those at the edges of batches included; their keys."""
    rows = [outbound_row(START + n * step, f"h{n:04}") for n in range(int((NOON - START) / step))]
    world.site.put("vicidial_log", *rows)
    return [row["uniqueid"] for row in rows]


def failing(sync: Syncing, statements: int, times: int = 1) -> Syncing:
    """The same, but the dialer kills our connection ``times`` times, each after that many statements on calls."""
    left = {"statements": statements, "times": times}

    def before(_connection: object, cursor: object, statement: str, *_: object) -> None:
        is_read = "row_crc" in statement or "group_concat" in statement
        if "FROM vicidial_log" not in statement or not is_read or not left["times"]:
            return
        left["statements"] -= 1
        if left["statements"] <= 0:
            left.update(statements=statements, times=left["times"] - 1)
            with killer.begin() as connection:
                connection.execute(text(f"KILL {cursor.connection.thread_id()}"))  # type: ignore[attr-defined]

    killer = sync.dialer.engine.execution_options()
    event.listen(sync.dialer.engine, "before_cursor_execute", before)
    return sync


def test_history_comes_in_batches_of_seven_days_and_no_call_twice(world: Replication) -> None:  # F004, F005, F006, F026, F047
    keys = spread(world)
    batches = list(fetch_history(world.at(NOON, **DAILY), "cli", Window(START, NOON)))
    assert [(read.window_start, read.window_end) for read, _ in batches] == [
        (START, START + WEEK),
        (START + WEEK, START + 2 * WEEK),
        (START + 2 * WEEK, NOON),
    ]
    assert world.keys() == keys
    assert sum(read.rows_new for read, _ in batches) == len(keys)
    assert [(read.source_count, read.target_count) for read, _ in batches] == [(28, 28), (28, 28), (4, 4)]
    assert one(world.brain, "SELECT count(*) FROM sync_logs WHERE kind = 'history' AND status = 'success'") == 3


@pytest.mark.parametrize("ends", ["by itself", "early, and then a proof comes by"])
def test_a_first_history_is_read_without_the_indexes_of_leads_which_are_there_after_it(world: Replication, ends: str) -> None:
    def missing() -> int:
        named = "SELECT count(*) FROM pg_indexes WHERE tablename = 'vici_call_logs' AND indexname = ANY(:names)"
        return len(AFTERWARDS) - int(one(world.brain, named, names=list(AFTERWARDS)))

    spread(world)
    sync, window = world.at(NOON, **DAILY), Window(START, NOON)
    history = fetch_history(sync, "cli", window)
    next(history)
    assert missing() == len(AFTERWARDS)
    if ends == "by itself":
        assert len(list(history)) == 2
    else:
        history.close()
        assert missing() == len(AFTERWARDS)
        reconcile(sync, SyncIdentity("vici", "hourly", "test", Window(NOON - minutes(60), NOON)), repair=True)
    assert missing() == 0


def test_history_ends_where_the_dialers_clock_stands(world: Replication) -> None:
    ((read, _),) = fetch_history(world.at(NOON), "cli", Window(NOON - minutes(60), NOON + timedelta(days=2)))
    assert read.window_end == NOON
    assert one(world.brain, "SELECT max(bucket_start) FROM call_log_proofs") == NOON - minutes(5)


def test_a_fetch_that_is_resumed_leaves_out_what_it_has(world: Replication) -> None:  # F007
    spread(world)
    since: datetime = one(world.brain, "SELECT clock_timestamp()")
    list(fetch_history(world.at(NOON, **DAILY), "cli", Window(START, START + WEEK)))
    slices: list[object] = []
    again = replace(world.at(NOON, **DAILY), on_slice=slices.append)
    ((read, _),) = fetch_history(again, "cli", Window(START, START + WEEK), resume_since=since)
    assert slices == []
    assert read.rows_read == 0


def test_a_dry_run_of_history_writes_nothing(world: Replication) -> None:  # F044
    spread(world)
    # Not at the edge of a call: those of the neighbouring seconds are read, too, and a dry run remembers none of them.
    start = START + timedelta(hours=1)
    ((read, _),) = fetch_history(world.at(NOON, dry_run=True, **DAILY), "cli", Window(start, start + WEEK))
    assert read.rows_new == 28
    assert world.keys() == []
    assert one(world.brain, "SELECT count(*) FROM sync_logs") == one(world.brain, "SELECT count(*) FROM call_log_proofs") == 0


def hourly(world: Replication) -> list[str]:
    rows = [outbound_row(NOON - minutes(180) + minutes(10 * n), f"m{n:02}") for n in range(18)]
    world.site.put("vicidial_log", *rows)
    return [row["uniqueid"] for row in rows]


@pytest.mark.parametrize("statements", [1, 2, 3, 7])
def test_a_dialer_that_drops_the_connection_amid_a_slice_is_read_again_whole(world: Replication, statements: int) -> None:
    # F028, F051, F093
    keys = hourly(world)
    sync = failing(world.at(NOON, page_rows=2), statements)
    sync_incremental(sync, "cli", minutes=180)
    assert world.keys() == keys


def ledger_claims(brain: Engine) -> set[datetime]:
    return {start for (start,) in ask(brain, "SELECT bucket_start FROM call_log_proofs WHERE source_table = 'vicidial_log'")}


@pytest.mark.parametrize("statements", [2, 8])
def test_a_dialer_that_stays_dead_leaves_whole_slices_only_and_no_claim_to_more(
    world: Replication, statements: int
) -> None:  # F028
    keys = hourly(world)
    sync = failing(world.at(NOON, page_rows=2), statements, times=1000)
    with pytest.raises(RetriableError, match=r"^vici: "):
        read_calls(sync.dialer, CallStore(world.brain), Window(NOON - minutes(180), NOON), clock=sync.clock)
    claimed = ledger_claims(world.brain)
    landed = dict(ask(world.brain, "SELECT source_key, called_at FROM vici_call_logs"))
    for number, key in enumerate(keys):
        at = NOON - minutes(180) + minutes(10 * number)
        assert (floor_to(at, minutes(5)) in claimed) <= (key in landed)
    assert len(claimed) % 12 == 0
    # Whatever came through, the next sync completes.
    sync_incremental(world.at(NOON), "cli", minutes=180)
    assert world.keys() == keys


def test_a_failed_sync_is_in_the_journal_and_the_next_one_goes_on_from_the_ledger(world: Replication) -> None:  # F028, F090
    keys = hourly(world)
    sync_incremental(world.at(NOON - minutes(200)), "cli")
    with pytest.raises(RetriableError):
        sync_incremental(failing(world.at(NOON), 1, times=1000), "cli")
    ((status, error),) = ask(world.brain, "SELECT status, error FROM sync_logs ORDER BY id DESC LIMIT 1")
    assert status == "failed"
    assert "RetriableError: vici: the dialer's database at" in error
    done, _ = sync_incremental(world.at(NOON), "cli")
    assert done.window_start == NOON - minutes(200)
    assert world.keys() == keys
