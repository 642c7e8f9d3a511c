"""What a person reads when a run fails, which failures are tried again, and that a dialer's trouble stays its own."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from builders import NEW_YORK, NOON, ask
from call_centre import CallCentre, call_centre, settings_for
from pydantic import SecretStr
from sqlalchemy import Engine

from vici_brain.orchestration import reporting
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.settings import DialerSettings

PASSWORD = "s3cr3t-of-the-dialer"
EAST, WEST = InstanceNames("east"), InstanceNames("west")


@pytest.fixture
def centre(tmp_path: Path, brain_url: str, request: pytest.FixtureRequest) -> Iterator[CallCentre]:
    """East works; west's address is the parameter's."""
    sound = settings_for(tmp_path, brain_url, "east")
    west = DialerSettings("west", NEW_YORK, SecretStr(request.param))
    with call_centre(settings_for(tmp_path, brain_url, "east", dialers=(*sound.dialers, west))) as opened:
        opened.dialers["east"].outbound(NOON)
        yield opened


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "RETRY", dg.RetryPolicy(max_retries=1, delay=0.01))


def everything_said(centre: CallCentre, run_id: str) -> str:
    return "\n".join(str(entry) for entry in centre.instance.all_logs(run_id))


@pytest.mark.parametrize("centre", [f"postgresql://agent:{PASSWORD}@127.0.0.1/asterisk"], indirect=True)
def test_a_wrong_setting_fails_once_with_its_remedy_and_without_the_password(centre: CallCentre, brain: Engine) -> None:
    result = centre.sync(instance="west")
    failure = result.get_step_failure_events()[0].event_specific_data
    assert failure.user_failure_data.description.startswith("west: a dialer is MySQL or MariaDB")
    assert [event for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY] == []
    assert PASSWORD not in everything_said(centre, result.run_id)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("centre", [f"mysql+pymysql://agent:{PASSWORD}@127.0.0.1:1/asterisk"], indirect=True)
def test_a_dialer_that_is_down_is_tried_again_and_then_named_in_one_line(centre: CallCentre, brain: Engine) -> None:
    result = centre.sync(instance="west")
    retries = [event for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY]
    assert len(retries) == 1
    description = result.get_step_failure_events()[0].event_specific_data.user_failure_data.description
    assert description.startswith("west: the dialer's database at 127.0.0.1:1 cannot be reached")
    assert PASSWORD not in everything_said(centre, result.run_id)
    assert {status for (status,) in ask(brain, "SELECT status FROM sync_logs WHERE instance = 'west'")} == {"failed"}
    assert PASSWORD not in str(ask(brain, "SELECT error FROM sync_logs"))


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("centre", ["mysql+pymysql://agent@127.0.0.1:1/asterisk"], indirect=True)
def test_one_dialer_failing_does_not_stop_another(centre: CallCentre, brain: Engine) -> None:
    assert not centre.sync(instance="west").success
    assert centre.sync(instance="east").success
    assert ask(brain, "SELECT instance, count(*) FROM vici_call_logs GROUP BY 1") == [("east", 1)]
    shared = {EAST.dialer_pool, EAST.orphan_pool, EAST.sync_lane} & {WEST.dialer_pool, WEST.orphan_pool, WEST.sync_lane}
    assert shared == set()


def test_a_programming_error_is_not_tried_again(tmp_path: Path, brain_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with call_centre(settings_for(tmp_path, brain_url)) as centre:
        monkeypatch.setattr(reporting, "trigger_of", lambda _tags: 1 / 0)
        result = centre.sync()
        assert not result.success
        assert [event for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY] == []


def test_an_unreachable_brain_is_a_failure_that_says_so(tmp_path: Path, no_waiting: None) -> None:
    with call_centre(settings_for(tmp_path, f"postgresql://crm:{PASSWORD}@127.0.0.1:1/brain")) as centre:
        result = centre.sync()
        description = result.get_step_failure_events()[0].event_specific_data.user_failure_data.description
        assert description.startswith("Brain did not answer")
        assert PASSWORD not in everything_said(centre, result.run_id)
