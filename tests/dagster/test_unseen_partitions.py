"""Dagster's view of partitions follows the ledger: what was read past it is shown, what was not is not, and no dialer asked."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from builders import minutes, one
from call_centre import VICI, CallCentre, call_centre, metadata_of, settings_for
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from sensors.unseen_partitions import missing_from_view
from vici_brain.domain.windows import BUCKET, Window, floor_to
from vici_brain.flows.sync_calls import fetch_history
from vici_brain.orchestration.partitions import key_of
from vici_brain.orchestration.resources import Connections

FIRST = datetime.combine(datetime.now(UTC).date() - timedelta(days=1), datetime.min.time(), UTC)
NOW = FIRST + timedelta(hours=12, minutes=2)  # whatever the time of the day, as many partitions
SETTLED = floor_to(NOW - minutes(60), BUCKET)
SHOWN = f"Dagster shows every partition that was read from {key_of(FIRST)} to {key_of(SETTLED)}"


@pytest.fixture
def centre(tmp_path: Path, brain_url: str) -> Iterator[CallCentre]:
    with call_centre(settings_for(tmp_path, brain_url, sync_start=FIRST.date())) as opened:
        for hour in (1, 2, 3):
            opened.dialer.outbound(FIRST + timedelta(hours=hour, minutes=2))
        yield opened


def fetch(centre: CallCentre, start: datetime, end: datetime) -> None:
    """What the command line does, of which Dagster learns nothing."""
    connections = Connections(centre.settings, centre.clock)
    try:
        for _ in fetch_history(connections.syncing("vici"), "cli", Window(start, end)):
            pass
    finally:
        connections.close()


def look(centre: CallCentre) -> dg.RunRequest | str:
    connections = Connections(centre.settings, lambda: NOW)
    context = dg.build_sensor_context(instance=centre.instance, resources={"connections": connections})
    try:
        answer = centre.defs.resolve_sensor_def(VICI.unseen_sensor)(context)
    finally:
        connections.close()
    assert isinstance(answer, dg.SkipReason | dg.RunRequest)
    return str(answer.skip_message) if isinstance(answer, dg.SkipReason) else answer


def obey(centre: CallCentre, answer: dg.RunRequest | str) -> dg.ExecuteInProcessResult:
    assert isinstance(answer, dg.RunRequest), answer
    return centre.run(VICI.show_job, tags=answer.tags)


def test_what_the_command_line_read_is_shown_with_its_counts_without_asking_the_dialer(centre: CallCentre, brain: Engine) -> None:
    fetch(centre, FIRST, NOW)
    centre.dialer.run("ALTER TABLE vicidial_log RENAME TO hidden")
    journal = one(brain, "SELECT count(*) FROM sync_logs")
    result = obey(centre, look(centre))
    assert result.success
    for key in VICI.pipeline:
        assert len(centre.instance.get_materialized_partitions(key)) == (SETTLED - FIRST) / BUCKET
    held = metadata_of(result, VICI.call_logs, key_of(FIRST + timedelta(hours=2)))
    assert (held["target_count"], held["source_count"], held["shown_from_ledger"]) == (1, 1, True)
    assert metadata_of(result, VICI.orphan_call_logs, key_of(FIRST + timedelta(hours=2)))["dagster/row_count"] == 1
    assert look(centre) == SHOWN
    assert one(brain, "SELECT count(*) FROM sync_logs") == journal


def test_what_was_not_read_or_differs_is_not_shown(centre: CallCentre, brain: Engine) -> None:
    fetch(centre, FIRST, NOW)
    forgotten, doubted = FIRST + timedelta(hours=4), FIRST + timedelta(hours=8)
    with brain.begin() as connection:
        connection.execute(text("DELETE FROM call_log_proofs WHERE bucket_start = :at"), {"at": forgotten})
        connection.execute(text("UPDATE call_log_proofs SET state = 'differs' WHERE bucket_start = :at"), {"at": doubted})
    for _ in range(3):
        assert obey(centre, look(centre)).success
    assert look(centre) == SHOWN
    shown = centre.instance.get_materialized_partitions(VICI.call_logs)
    assert not shown & {key_of(forgotten), key_of(doubted)}
    assert len(shown) == (SETTLED - FIRST) / BUCKET - 2


def test_a_partition_that_a_tick_missed_and_the_next_one_healed_is_shown(centre: CallCentre, brain: Engine) -> None:
    later = SETTLED - 3 * BUCKET
    fetch(centre, FIRST, later - BUCKET)
    assert centre.sync(later).success
    assert one(brain, "SELECT state FROM call_log_proofs WHERE bucket_start = :at LIMIT 1", at=later - BUCKET) == "proven"
    fetch(centre, later + BUCKET, NOW)
    shown = [key_of(later - BUCKET) in centre.instance.get_materialized_partitions(VICI.call_logs)]
    while isinstance(answer := look(centre), dg.RunRequest):
        assert obey(centre, answer).success
        shown.append(key_of(later - BUCKET) in centre.instance.get_materialized_partitions(VICI.call_logs))
    assert shown == [False, True, True]


def test_one_run_at_a_time_corrects_the_view(centre: CallCentre) -> None:
    fetch(centre, FIRST, NOW)
    centre.instance.create_run_for_job(centre.defs.resolve_job_def(VICI.show_job), status=dg.DagsterRunStatus.STARTED)
    assert look(centre) == f"a run of {VICI.show_job} is queued or at work"


def test_a_brain_that_cannot_be_asked_is_a_reason_to_skip(tmp_path: Path) -> None:
    with call_centre(settings_for(tmp_path, "postgresql://crm:hidden-word@127.0.0.1:1/brain")) as centre:
        answer = look(centre)
    assert isinstance(answer, str)
    assert answer.startswith("unknown, because Brain could not be asked")
    assert "hidden-word" not in answer


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(-5, 45)))
def test_the_view_lacks_exactly_what_was_read_and_is_not_shown(unread: set[int], shown: set[int]) -> None:
    span = Window(FIRST, FIRST + 41 * BUCKET)
    found = missing_from_view(span, [FIRST + n * BUCKET for n in unread], {key_of(FIRST + n * BUCKET) for n in shown})
    assert {start for window in found for start in window.buckets()} == {
        FIRST + n * BUCKET for n in set(range(41)) - unread - shown
    }
