"""What the clock starts: the newest closed partition every five minutes, a pass over orphans every ten."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from call_centre import VICI, CallCentre, call_centre, settings_for

from vici_brain.orchestration.automation import pool_limits


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CallCentre]:
    with call_centre(settings_for(tmp_path, None), on_disk=True) as opened:
        yield opened


def tick(centre: CallCentre, schedule: str, at: datetime) -> dg.RunRequest | dg.SkipReason:
    definition = centre.defs.resolve_schedule_def(schedule)
    context = dg.build_schedule_context(instance=centre.instance, scheduled_execution_time=at)
    answer = definition(context)
    assert isinstance(answer, dg.RunRequest | dg.SkipReason)
    return answer


@pytest.mark.parametrize(
    ("at", "key"),
    [
        (datetime(2025, 6, 10, 0, 11, tzinfo=UTC), "2025-06-10-00:05"),
        (datetime(2025, 6, 10, 0, 6, tzinfo=UTC), "2025-06-10-00:00"),
        (datetime(2025, 6, 10, 0, 1, tzinfo=UTC), "2025-06-09-23:55"),
    ],
)
def test_a_tick_asks_for_the_five_minutes_that_just_ended(centre: CallCentre, at: datetime, key: str) -> None:
    request = tick(centre, VICI.sync_schedule, at)
    assert isinstance(request, dg.RunRequest)
    assert (request.partition_key, request.run_key) == (key, key)


def test_the_schedule_fires_a_minute_after_each_window_and_is_on_from_the_start(centre: CallCentre) -> None:  # F001, F002
    sync = centre.defs.resolve_schedule_def(VICI.sync_schedule)
    orphans = centre.defs.resolve_schedule_def(VICI.orphan_schedule)
    assert (sync.cron_schedule, sync.execution_timezone, sync.default_status.value) == ("1-59/5 * * * *", "UTC", "RUNNING")
    assert (orphans.cron_schedule, orphans.default_status.value) == ("*/10 * * * *", "RUNNING")
    assert sync.job_name == VICI.sync_job
    assert orphans.job_name == VICI.orphan_job


def test_before_the_first_partition_a_tick_says_why_it_does_nothing(centre: CallCentre) -> None:
    answer = tick(centre, VICI.sync_schedule, datetime(2025, 6, 1, 0, 1, tzinfo=UTC))
    assert isinstance(answer, dg.SkipReason)
    assert "VICI_SYNC_START" in str(answer.skip_message)


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_a_pass_over_orphans_is_left_out_while_one_is_queued_or_at_work(centre: CallCentre, status: dg.DagsterRunStatus) -> None:
    job, at = centre.defs.resolve_job_def(VICI.orphan_job), datetime(2025, 6, 10, 0, 10, tzinfo=UTC)
    assert isinstance(tick(centre, VICI.orphan_schedule, at), dg.RunRequest)
    run = centre.instance.create_run_for_job(job, status=status)
    answer = tick(centre, VICI.orphan_schedule, at)
    assert isinstance(answer, dg.SkipReason)
    assert answer.skip_message == f"a run of {VICI.orphan_job} is queued or at work"
    centre.instance.delete_run(run.run_id)
    assert isinstance(tick(centre, VICI.orphan_schedule, at), dg.RunRequest)


def test_jobs_hold_a_lane_and_end_by_themselves(centre: CallCentre) -> None:
    for job, lane in (
        (VICI.sync_job, VICI.sync_lane),
        (VICI.orphan_job, VICI.orphan_lane),
        (VICI.backfill_job, VICI.backfill_lane),
    ):
        tags = centre.defs.resolve_job_def(job).tags
        assert tags["vici_brain/lane"] == lane
        assert int(tags["dagster/max_runtime"]) > 0
    assert centre.defs.resolve_job_def(VICI.sync_job).tags["dagster/max_runtime"] == "240"


def test_each_dialer_is_read_by_two_runs_at_most_and_its_orphans_by_one(tmp_path: Path) -> None:
    assert pool_limits(settings_for(tmp_path, None, "east", "west")) == {
        "vici_east": 2,
        "vici_west": 2,
        "match_orphans_east": 1,
        "match_orphans_west": 1,
        "write_east": 1,
        "write_west": 1,
    }
