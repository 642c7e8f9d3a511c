"""The job that passes over orphans: its options, its report, and two passes at once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from builders import NOON, add_lead, ask, minutes, one
from call_centre import VICI, CallCentre, call_centre, settings_for
from sqlalchemy import Engine

from vici_brain.brain.database import lane


@pytest.fixture
def centre(tmp_path: Path, brain_url: str, brain: Engine) -> Iterator[CallCentre]:
    """Two orphans whose lead came after they were read."""
    with call_centre(settings_for(tmp_path, brain_url)) as opened:
        for minute in (1, 2):
            opened.dialer.outbound(NOON + minutes(minute))
        assert opened.sync().success
        add_lead(brain, 7, phone="2125550101")
        yield opened


def matching(centre: CallCentre, **options: Any) -> dg.ExecuteInProcessResult:
    return centre.run(VICI.orphan_job, run_config={"ops": {VICI.orphan_op: {"config": options}}})


def output_metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (data,) = [event.step_output_data for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_OUTPUT]
    return {name: value.value for name, value in data.metadata.items()}


def test_a_pass_matches_every_orphan_and_says_so_in_the_catalog(centre: CallCentre, brain: Engine) -> None:
    result = matching(centre)
    assert result.success
    told = output_metadata(result)
    assert (told["examined"], told["matched"], told["by_rule"], told["exhausted"]) == (2, 2, {"phone": 2}, True)
    assert ask(brain, "SELECT DISTINCT lead_id FROM vici_call_logs") == [(7,)]
    observations = [event for event in result.all_events if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION]
    assert [event.asset_key for event in observations] == [VICI.orphan_call_logs]
    assert ask(brain, "SELECT rows_matched, trigger FROM sync_logs WHERE kind = 'match_orphans'") == [(2, "manual")]


def test_a_dry_run_counts_and_writes_nothing(centre: CallCentre, brain: Engine) -> None:
    assert output_metadata(matching(centre, dry_run=True))["matched"] == 2
    assert one(brain, "SELECT count(*) FROM orphan_call_logs") == 2
    assert one(brain, "SELECT count(*) FROM sync_logs WHERE kind = 'match_orphans'") == 0


def test_a_limit_ends_a_pass_early(centre: CallCentre) -> None:
    told = output_metadata(matching(centre, limit=1))
    assert (told["examined"], told["exhausted"]) == (1, False)


def test_options_that_make_no_sense_are_refused_before_anything_runs(centre: CallCentre) -> None:
    for options in ({"limit": 0}, {"since": "yesterday"}):
        assert not matching(centre, **options).success


def test_a_second_pass_beside_a_running_one_is_skipped_and_no_failure(centre: CallCentre, brain: Engine) -> None:
    with lane(brain, "vici", "orphans"):
        result = matching(centre)
    assert result.success
    assert output_metadata(result)["skipped"].startswith("vici: another orphans is running")
