"""A run of the sync job, for one partition and for a range: what lands, what the UI is told, and what sync_logs keeps."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from builders import NOON, add_lead, ask, minutes, one
from call_centre import VICI, CallCentre, call_centre, metadata_of, settings_for
from sqlalchemy import Engine, event, text

from vici_brain.orchestration.partitions import key_of

HOUR = minutes(60)


@pytest.fixture
def centre(tmp_path: Path, brain_url: str, brain: Engine) -> Iterator[CallCentre]:
    """Three calls of one person whom Brain knows, two of a stranger, in the five minutes from noon."""
    with call_centre(settings_for(tmp_path, brain_url)) as opened:
        for minute in (0.5, 1, 2):
            opened.dialer.outbound(NOON + minutes(minute), phone_number="2125550101")
        for minute in (3, 4):
            opened.dialer.outbound(NOON + minutes(minute), phone_number="2125550199", lead_id=2)
        add_lead(brain, 7, code="1755041041000", phone="2125550101")
        yield opened


def test_one_partition_tells_what_was_read_and_what_both_sides_hold(centre: CallCentre) -> None:
    result = centre.sync()
    assert result.success
    told = metadata_of(result, VICI.call_logs)
    expected = {"rows_read": 5, "rows_new": 5, "rows_updated": 0, "rows_unchanged": 0, "rows_quarantined": 0}
    assert expected.items() <= told.items()
    assert (told["source_count"], told["target_count"], told["dagster/row_count"], told["slow"]) == (5, 5, 5, False)
    assert told["seconds"] > 0
    assert told["peak_memory_mb"] > 0
    assert abs(told["clock_skew_seconds"]) < 30


def test_each_half_has_metadata_of_its_own(centre: CallCentre) -> None:
    result = centre.sync()
    metrics, orphans = metadata_of(result, VICI.call_metrics), metadata_of(result, VICI.orphan_call_logs)
    assert (metrics["matched_by_phone"], metrics["matched_total"], metrics["dagster/row_count"]) == (3, 3, 3)
    assert "orphaned_total" not in metrics
    assert (orphans["orphaned_total"], orphans["dagster/row_count"], orphans["examined"]) == (2, 2, 5)
    assert "matched_total" not in orphans


def test_a_neighbours_calls_are_matched_again_but_not_counted_as_the_partitions_own(centre: CallCentre) -> None:
    centre.sync()
    centre.dialer.outbound(NOON + minutes(5), phone_number="2125550101")
    metrics = metadata_of(centre.sync(NOON + minutes(5)), VICI.call_metrics, key_of(NOON + minutes(5)))
    assert (metrics["matched_total"], metrics["dagster/row_count"]) == (1, 1)


def test_a_run_is_one_row_of_sync_logs_that_names_its_trigger(centre: CallCentre, brain: Engine) -> None:
    centre.sync(tags={"dagster/schedule_name": "x"})
    rows = ask(
        brain, "SELECT kind, trigger, status, rows_read, rows_new, rows_matched, rows_orphaned, window_start FROM sync_logs"
    )
    assert rows == [("calls", "schedule", "success", 5, 5, 3, 2, NOON)]


@pytest.mark.parametrize(("trailing", "found"), [(30, 0), (60, 1)])
def test_a_tick_proves_as_far_back_as_it_is_told_to(
    trailing: int, found: int, tmp_path: Path, brain_url: str, brain: Engine
) -> None:
    with call_centre(settings_for(tmp_path, brain_url, trailing_proof=minutes(trailing))) as centre:
        assert centre.sync(NOON - minutes(45)).success
        centre.dialer.outbound(NOON - minutes(42))
        assert centre.sync().success
    assert one(brain, "SELECT count(*) FROM vici_call_logs") == found


def test_a_second_run_changes_nothing(centre: CallCentre) -> None:
    centre.sync()
    told = metadata_of(centre.sync(), VICI.call_logs)
    assert (told["rows_new"], told["rows_updated"], told["rows_unchanged"]) == (0, 0, 5)


def test_a_range_gives_each_partition_its_own_counts_and_the_run_its_totals(centre: CallCentre, brain: Engine) -> None:
    result = centre.sync_range(NOON - HOUR, NOON + HOUR)
    assert result.success
    noon, later = metadata_of(result, VICI.call_logs), metadata_of(result, VICI.call_logs, key_of(NOON + minutes(5)))
    assert (noon["dagster/row_count"], noon["source_count"], noon["run"]["rows_read"]) == (5, 5, 5)
    assert (later["dagster/row_count"], later["source_count"], later["run"]["rows_read"]) == (0, 0, 5)
    assert metadata_of(result, VICI.call_metrics)["dagster/row_count"] == 3
    assert metadata_of(result, VICI.orphan_call_logs)["dagster/row_count"] == 2
    assert len(result.get_asset_materialization_events()) == 3 * 24
    assert ask(brain, "SELECT kind, trigger, rows_read FROM sync_logs") == [("history", "manual", 5)]


def test_a_range_reports_each_day_that_is_done(centre: CallCentre) -> None:
    midnight = NOON + 8 * HOUR  # UTC
    centre.dialer.outbound(midnight + minutes(1))
    result = centre.sync_range(midnight - HOUR, midnight + HOUR)
    days = [
        (each.metadata["day"].value, each.metadata["read"].value)
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION
        for each in [event.asset_observation_data.asset_observation]
    ]
    assert days == [("2025-06-10", 0), ("2025-06-11", 1)]


def test_the_backfill_job_reads_a_range_without_checks(centre: CallCentre) -> None:
    tags = {"dagster/asset_partition_range_start": key_of(NOON), "dagster/asset_partition_range_end": key_of(NOON + HOUR)}
    result = centre.run(VICI.backfill_job, tags={**tags, "dagster/backfill": "abc"})
    assert result.success
    assert result.get_asset_check_evaluations() == []
    assert centre.defs.resolve_job_def(VICI.backfill_job).tags["dagster/max_runtime"] == "21600"


def test_a_run_that_repeats_one_whose_process_was_killed_goes_on_where_that_stopped(centre: CallCentre, brain: Engine) -> None:
    killed = centre.sync_range(NOON - HOUR, NOON + HOUR)
    with brain.begin() as connection:
        connection.execute(text("UPDATE sync_logs SET status = 'running', finished_at = NULL"))
    ends = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    tags = {tag: killed.dagster_run.tags[tag] for tag in ends}
    again = centre.run(VICI.backfill_job, tags={**tags, "dagster/root_run_id": killed.run_id})
    assert metadata_of(again, VICI.call_logs)["run"]["rows_read"] == 0
    assert metadata_of(again, VICI.call_logs)["dagster/row_count"] == 5
    assert metadata_of(centre.run(VICI.backfill_job, tags=tags), VICI.call_logs)["run"]["rows_read"] == 5


def test_a_backfill_writes_its_trigger(centre: CallCentre, brain: Engine) -> None:
    centre.sync(tags={"dagster/backfill": "abc"})
    assert one(brain, "SELECT trigger FROM sync_logs") == "backfill"


def test_a_slow_sync_is_a_warning_with_time_and_record_count(tmp_path: Path, brain_url: str) -> None:
    with call_centre(settings_for(tmp_path, brain_url, slow_sync_seconds=0.000_1)) as centre:
        centre.dialer.outbound(NOON)
        result = centre.sync()
        warnings = [
            entry.user_message
            for entry in centre.instance.all_logs(result.run_id)
            if entry.level == 30 and not entry.is_dagster_event
        ]
        assert len(warnings) == 1
        assert warnings[0].startswith("slow sync: ")
        assert " for 1 records of 2025-06-10 16:00" in warnings[0]
        assert metadata_of(result, VICI.call_logs)["slow"] is True


@contextmanager
def statements_over_the_dialers_log() -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM vicidial_log" in statement:
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_the_launchpad_can_have_the_dialer_read_more_gently(centre: CallCentre) -> None:
    for number in range(120):
        centre.dialer.outbound(NOON, f"busy.{number}")
    keys = (key_of(NOON), key_of(NOON + minutes(55)))
    tags = dict(zip(("dagster/asset_partition_range_start", "dagster/asset_partition_range_end"), keys, strict=True))
    with statements_over_the_dialers_log() as usual:
        assert centre.run(VICI.backfill_job, tags=tags).success
    options = {"ops": {"vici__vici_call_logs": {"config": {"slice_minutes": 5, "page_rows": 100}}}}
    with statements_over_the_dialers_log() as gentle:
        assert centre.run(VICI.backfill_job, tags=tags, run_config=options).success
    assert len(gentle) >= len(usual) + 11
    refused = {"ops": {"vici__vici_call_logs": {"config": {"slice_minutes": 7}}}}
    assert not centre.run(VICI.backfill_job, tags=tags, run_config=refused).success
