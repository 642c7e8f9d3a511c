"""What is read again, as the ledger of a real Brain tells it: holes of any age, in what order, and never twice at once."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from builders import ask, minutes, one
from call_centre import VICI, call_centre, settings_for
from sqlalchemy import Engine, event, text
from watched_dialer import DAY, Watched, asked, keys, span

from sensors.call_gaps import GAP_TAG
from vici_brain.domain.windows import BUCKET, floor_to
from vici_brain.orchestration import reporting
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.orchestration.partitions import key_of
from vici_brain.orchestration.resources import Connections

HEALTHY = "every bucket that is due was read and proven"


@pytest.fixture
def watched(tmp_path: Path, brain_url: str, brain: Engine) -> Iterator[Watched]:
    first = (datetime.now(UTC) - 10 * DAY).date()
    with call_centre(settings_for(tmp_path, brain_url, "vici", "west", sync_start=first)) as centre:
        yield Watched(centre, brain)


def test_with_everything_proven_the_sensor_says_so(watched: Watched) -> None:
    assert watched.look() == HEALTHY


def test_after_an_outage_of_eight_days_everything_is_read_oldest_first_until_nothing_is_missing(watched: Watched) -> None:
    old, began = watched.start + 3 * BUCKET, watched.due - 8 * DAY
    watched.forget(old, old + BUCKET)
    watched.forget(began, watched.due)
    calls = [began + minutes(1), began + 4 * DAY, watched.due - DAY, watched.due - minutes(2)]
    for at in calls:
        watched.centre.dialer.outbound(at)
    launched = []
    for _ in range(5):
        answer = watched.look()
        if isinstance(answer, str):
            break
        launched += asked(answer)
        assert len(answer) <= 2
        assert all(watched.obey(answer))
    assert launched == [(old, old + BUCKET), (began, began + 7 * DAY), (began + 7 * DAY, watched.due)]
    assert watched.look() == HEALTHY
    assert ask(watched.brain, "SELECT called_at FROM vici_call_logs ORDER BY 1") == [(at.replace(microsecond=0),) for at in calls]
    assert one(watched.brain, "SELECT count(*) FROM call_log_proofs WHERE instance = 'vici' AND state <> 'proven'") == 0
    assert one(watched.brain, "SELECT count(DISTINCT trigger) FROM sync_logs WHERE trigger = 'sensor'") == 1


def test_dagster_forgetting_its_runs_changes_nothing_because_the_ledger_is_the_truth(watched: Watched) -> None:
    watched.forget(watched.start, watched.start + 2 * BUCKET)
    assert watched.obey(watched.look()) == [True]
    for record in watched.centre.instance.get_run_records():
        watched.centre.instance.delete_run(record.dagster_run.run_id)
    assert watched.look() == HEALTHY
    watched.forget(watched.start, watched.start + 2 * BUCKET)
    with dg.DagsterInstance.ephemeral() as empty:
        assert asked(watched.look(instance=empty)) == [(watched.start, watched.start + 2 * BUCKET)]


@pytest.mark.parametrize("table", ["vicidial_log", "vicidial_closer_log"])
def test_one_table_that_was_not_read_is_a_hole(watched: Watched, table: str) -> None:
    watched.forget(watched.start, watched.start + BUCKET, tables=table)
    assert asked(watched.look()) == [(watched.start, watched.start + BUCKET)]


@pytest.mark.parametrize("state", ["read", "differs"])
def test_a_bucket_is_read_again_when_it_is_not_proven_an_hour_after(watched: Watched, state: str) -> None:
    young = floor_to(watched.now - minutes(60), BUCKET) + BUCKET
    watched.doubt(young, state)
    assert watched.look() == HEALTHY
    watched.doubt(young - BUCKET, state)
    assert asked(watched.look()) == [(young - BUCKET, young)]


def test_a_tick_has_ten_minutes_before_its_bucket_is_a_hole(watched: Watched) -> None:
    watched.forget(watched.due, watched.due + DAY)
    soon = watched.due + BUCKET + minutes(10) - watched.now
    assert watched.look(later=soon - timedelta(seconds=1)) == HEALTHY
    assert asked(watched.look(later=soon)) == [(watched.due, watched.due + BUCKET)]


BROKEN, MENDED = "ALTER TABLE vicidial_log RENAME TO hidden", "ALTER TABLE hidden RENAME TO vicidial_log"


def test_a_range_that_failed_is_tried_again_after_its_pause_with_a_new_key_although_it_grew(watched: Watched) -> None:
    began = watched.due - 4 * BUCKET
    watched.forget(began, watched.due + DAY)
    watched.centre.dialer.run(BROKEN)
    first = watched.look()
    assert watched.obey(first) == [False]
    reason = watched.look()
    assert isinstance(reason, str)
    assert reason.endswith("; 1 stretches failed before and wait for their next try")
    watched.centre.dialer.run(MENDED)
    second = watched.look(later=minutes(7))
    ((start, end),) = asked(second)
    assert start == began
    assert end > watched.due
    before, after = keys(first), keys(second)
    assert after[0].startswith(before[0].replace("#1", "#2 after "))
    assert keys(watched.look(later=minutes(7))) == after


def test_a_mended_range_is_read_by_the_next_try(watched: Watched) -> None:
    watched.forget(watched.start, watched.start + BUCKET)
    watched.centre.dialer.run(BROKEN)
    assert watched.obey(watched.look()) == [False]
    watched.centre.dialer.run(MENDED)
    assert watched.obey(watched.look(later=minutes(6))) == [True]
    assert watched.look() == HEALTHY


def test_holes_that_keep_failing_hold_up_none_behind_them(watched: Watched) -> None:
    starts = [watched.start + 2 * number * BUCKET for number in range(6)]
    for start in starts:
        watched.forget(start, start + BUCKET)
    watched.centre.dialer.run(BROKEN)
    for pair in (starts[:2], starts[2:4], starts[4:]):
        answer = watched.look()
        assert [start for start, _ in asked(answer)] == pair
        assert watched.obey(answer) == [False, False]
    reason = watched.look()
    assert isinstance(reason, str)
    assert reason.endswith("; 6 stretches failed before and wait for their next try")


def test_a_stretch_that_failed_sixty_times_is_still_tried_and_so_it_is_after_its_oldest_run_was_deleted(watched: Watched) -> None:
    watched.forget(watched.start, watched.start + BUCKET)
    tags = {GAP_TAG: f"{watched.start:%Y-%m-%dT%H:%M}"}
    ended = [watched.running(VICI.backfill_job, tags, "FAILURE") for _ in range(60)]
    assert isinstance(watched.look(later=minutes(59)), str)
    (key,) = keys(watched.look(later=minutes(61)))
    time.sleep(1.1)  # SQLite keeps the end of a run in whole seconds; two tries are minutes apart
    watched.running(VICI.backfill_job, {**tags, "dagster/run_key": key}, "FAILURE")
    watched.centre.instance.delete_run(ended[0])
    (next_key,) = keys(watched.look(later=minutes(65)))
    assert "#61 " in key
    assert "#61 " in next_key
    assert next_key != key


@pytest.mark.parametrize("status", ["NOT_STARTED", "STARTING", "STARTED", "CANCELING"])
def test_a_partition_that_a_tick_is_about_to_read_is_left_to_it(watched: Watched, status: str) -> None:
    watched.forget(watched.start, watched.start + 3 * BUCKET)
    run = watched.running(VICI.sync_job, {"dagster/partition": key_of(watched.start + BUCKET)}, status)
    answer = watched.look()
    assert isinstance(answer, str)
    assert answer.endswith("; 1 stretches are being read")
    watched.centre.instance.delete_run(run)
    assert len(watched.look()) == 1


def test_a_range_of_the_ui_is_left_to_it_and_counts_against_the_ceiling(watched: Watched) -> None:
    for number in (0, 10, 20):
        watched.forget(watched.start + number * BUCKET, watched.start + (number + 2) * BUCKET)
    watched.running("__ASSET_JOB", span(watched.start - BUCKET, watched.start + BUCKET), only=VICI.call_logs)
    hole = (watched.start + 10 * BUCKET, watched.start + 12 * BUCKET)
    # Neither reads calls of this dialer.
    watched.running("__ASSET_JOB", span(*hole), only=InstanceNames("west").call_logs)
    watched.running(InstanceNames("west").backfill_job, span(*hole))
    assert asked(watched.look()) == [hole]


def test_a_long_queue_hides_no_run(watched: Watched) -> None:
    watched.forget(watched.start, watched.start + BUCKET)
    watched.running(VICI.backfill_job, span(watched.start, watched.start + BUCKET), "NOT_STARTED")
    for _ in range(205):
        watched.running(VICI.orphan_job, {}, "NOT_STARTED")
    assert isinstance(watched.look(), str)


def test_a_brain_that_cannot_be_asked_is_a_reason_to_skip_and_no_healthy_ledger(tmp_path: Path) -> None:
    with call_centre(settings_for(tmp_path, "postgresql://crm:hidden-word@127.0.0.1:1/brain")) as centre:
        connections = Connections(centre.settings, centre.clock)
        context = dg.build_sensor_context(instance=centre.instance, resources={"connections": connections})
        answer = centre.defs.resolve_sensor_def(VICI.gap_sensor)(context)
        connections.close()
    assert isinstance(answer, dg.SkipReason)
    assert str(answer.skip_message).startswith("unknown, because Brain could not be asked: Brain did not answer")
    assert "hidden-word" not in str(answer.skip_message)


# A dialer that is down: refused by its breaker, and nothing lost. F126, F127


def breakers(watched: Watched) -> list[tuple[str, str]]:
    return [tuple(row) for row in ask(watched.brain, "SELECT circuit_key, state FROM circuit_breaker_states ORDER BY 1")]


def set_opened(watched: Watched, at: datetime) -> None:
    with watched.brain.begin() as connection:
        connection.execute(text("UPDATE circuit_breaker_states SET opened_at = :at WHERE state = 'open'"), {"at": at})


def test_runs_refused_by_an_open_breaker_lose_no_window_and_are_healed_by_themselves(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "RETRY", dg.RetryPolicy(max_retries=0))
    hole = (watched.start + 2 * BUCKET, watched.start + 5 * BUCKET)
    watched.forget(*hole)
    watched.centre.dialer.outbound(hole[0] + minutes(1))
    file, away = tmp_path / "vici.db", tmp_path / "away.db"
    file.rename(away)
    file.mkdir()
    later = timedelta()
    for _ in range(3):
        assert watched.obey(watched.look(later=later)) == [False]
        later += timedelta(hours=2)
    assert breakers(watched) == [("dialer:vici", "open")]
    set_opened(watched, datetime.now(UTC) + DAY)
    for _ in range(4):
        answer = watched.look(later=later)
        assert asked(answer) == [hole]
        assert watched.obey(answer) == [False]
        later += timedelta(hours=2)
    assert one(watched.brain, "SELECT failure_count FROM circuit_breaker_states") == 3
    assert one(watched.brain, "SELECT count(*) FROM vici_call_logs") == 0
    file.rmdir()
    away.rename(file)
    set_opened(watched, datetime.now(UTC) - DAY)
    assert watched.obey(watched.look(later=later)) == [True]
    assert watched.look() == HEALTHY
    assert one(watched.brain, "SELECT called_at FROM vici_call_logs") == (hole[0] + minutes(1)).replace(microsecond=0)
    assert len(watched.centre.instance.get_run_records()) == 8


def test_an_open_breaker_of_one_dialer_holds_up_no_other(watched: Watched) -> None:
    watched.forget(watched.start, watched.start + BUCKET)
    with watched.brain.begin() as connection:
        insert = "INSERT INTO circuit_breaker_states (circuit_key, state, opened_at) VALUES ('dialer:west', 'open', :at)"
        connection.execute(text(insert), {"at": datetime.now(UTC) + DAY})
    assert watched.obey(watched.look()) == [True]
    assert watched.look() == HEALTHY
    assert not watched.centre.sync(watched.start, instance="west").success


def test_a_closed_breaker_costs_two_reads_a_session_and_writes_nothing(watched: Watched) -> None:  # F159
    def counted(work: Callable[[], object]) -> list[str]:
        seen: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            if "circuit_breaker" in statement:
                seen.append(" ".join(statement.split()[:1]))

        event.listen(Engine, "before_cursor_execute", note)
        try:
            work()
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        return seen

    assert counted(watched.look) == []
    # A run reads the calls and proves them in one session. The first use of all makes the breaker's row.
    watched.forget(watched.start, watched.start + BUCKET)
    assert counted(lambda: watched.obey(watched.look())).count("INSERT") == 1
    watched.forget(watched.start + BUCKET, watched.start + 2 * BUCKET)
    assert counted(lambda: watched.obey(watched.look())) == ["SELECT"] * 2
    assert [state for _, state, *_ in breakers(watched)] == ["closed"]
