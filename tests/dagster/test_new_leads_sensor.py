"""What is done about leads that just arrived: the decision by itself, and the sensor over a real Brain."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from builders import NOON, add_lead, one
from call_centre import VICI, CallCentre, call_centre, settings_for
from sqlalchemy import Engine

from sensors.new_leads import decide
from vici_brain.brain.arrivals import PROBED_AT_MOST, Arrivals
from vici_brain.orchestration.resources import Connections

BOTH = ("east", "west")
RECENT = NOON - timedelta(minutes=1)


def test_the_first_look_only_notes_where_the_leads_stand() -> None:
    decision = decide(None, Arrivals(40), (), BOTH, NOON)
    assert (decision.cursor, decision.instances) == (40, ())
    assert "begins at lead 40" in decision.reason


def test_without_a_new_lead_nothing_is_asked_for() -> None:
    assert decide(40, Arrivals(40), (), BOTH, NOON).reason == "no lead after 40"


def test_leads_that_no_orphan_fits_move_the_cursor_and_start_nothing() -> None:
    decision = decide(40, Arrivals(43, 3, RECENT, {}), (), BOTH, NOON)
    assert (decision.cursor, decision.instances) == (43, ())
    assert decision.reason == "3 new leads, and no orphan fits one of them"


def test_only_the_dialers_whose_orphans_fit_get_a_pass_over_what_is_new() -> None:
    decision = decide(40, Arrivals(43, 3, RECENT, {"west": 2, "elsewhere": 1}), (), BOTH, NOON)
    assert (decision.cursor, decision.instances, decision.since) == (43, ("west",), RECENT)


def test_while_a_pass_is_at_work_the_cursor_waits_for_it_and_other_dialers_do_not() -> None:
    decision = decide(40, Arrivals(43, 3, RECENT, {"east": 1, "west": 2}), ("east",), BOTH, NOON)
    assert (decision.cursor, decision.instances) == (40, ("west",))
    assert "at work on east" in decision.reason


def test_an_import_of_leads_is_left_to_a_full_pass() -> None:
    many = decide(40, Arrivals(90_000, PROBED_AT_MOST + 1, RECENT, None), (), BOTH, NOON)
    backdated = decide(40, Arrivals(43, 3, NOON - timedelta(days=400), {"west": 1}), (), BOTH, NOON)
    assert (many.instances, many.since) == (BOTH, None)
    assert (backdated.instances, backdated.since) == (("west",), None)


def test_a_brain_restored_to_an_earlier_state_starts_the_cursor_anew() -> None:
    assert decide(4_000, Arrivals(40), (), BOTH, NOON).cursor == 40


@pytest.fixture
def centre(tmp_path: Path, brain_url: str, brain: Engine) -> Iterator[CallCentre]:
    """One orphan, whom a lead with the phone 2125550101 could claim."""
    with call_centre(settings_for(tmp_path, brain_url)) as opened:
        opened.dialer.outbound(NOON)
        assert opened.sync().success
        add_lead(brain, 1, phone="2125550000")
        opened.now = NOON
        yield opened


def look(centre: CallCentre, cursor: str | None) -> dg.SensorResult | dg.SkipReason:
    """One tick of the sensor."""
    connections = Connections(centre.settings, centre.clock)
    try:
        sensor = centre.defs.resolve_sensor_def("leads_that_arrived")
        context = dg.build_sensor_context(instance=centre.instance, cursor=cursor, resources={"connections": connections})
        answer = sensor(context)
        assert isinstance(answer, dg.SensorResult | dg.SkipReason)
        return answer
    finally:
        connections.close()


def test_a_lead_that_an_orphan_waits_for_starts_a_pass_which_matches_it(centre: CallCentre, brain: Engine) -> None:
    add_lead(brain, 2, phone="(212) 555-0101", created_at=NOON)
    answer = look(centre, "1")
    assert isinstance(answer, dg.SensorResult)
    assert answer.cursor == "2"
    (request,) = answer.run_requests or []
    assert (request.run_key, request.job_name) == ("vici/2", VICI.orphan_job)
    result = centre.run(VICI.orphan_job, run_config=request.run_config, tags={"dagster/sensor_name": "leads_that_arrived"})
    assert result.success
    assert one(brain, "SELECT lead_id FROM vici_call_logs") == 2
    assert one(brain, "SELECT trigger FROM sync_logs WHERE kind = 'match_orphans'") == "sensor"


def test_a_lead_that_no_orphan_waits_for_is_seen_and_said(centre: CallCentre, brain: Engine) -> None:
    add_lead(brain, 2, phone="2125550177", created_at=NOON)
    answer = look(centre, "1")
    assert isinstance(answer, dg.SensorResult)
    assert answer.skip_reason is not None
    assert answer.skip_reason.skip_message == "1 new leads, and no orphan fits one of them"
    assert answer.cursor == "2"


def test_a_pass_that_is_starting_keeps_the_lead_for_the_next_look(centre: CallCentre, brain: Engine) -> None:
    add_lead(brain, 2, phone="2125550101", created_at=NOON)
    job = centre.defs.resolve_job_def(VICI.orphan_job)
    starting = centre.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTING)
    answer = look(centre, "1")
    assert isinstance(answer, dg.SensorResult)
    assert not answer.run_requests
    assert answer.cursor == "1"
    centre.instance.delete_run(starting.run_id)
    again = look(centre, "1")
    assert isinstance(again, dg.SensorResult)
    assert [request.run_key for request in again.run_requests or []] == ["vici/2"]


def test_a_brain_that_cannot_be_asked_is_a_reason_to_skip_and_no_exception(tmp_path: Path) -> None:
    with call_centre(settings_for(tmp_path, "postgresql://crm:hidden-word@127.0.0.1:1/brain")) as centre:
        answer = look(centre, "7")
        assert isinstance(answer, dg.SkipReason)
        assert answer.skip_message is not None
        assert answer.skip_message.startswith("unknown, because Brain could not be asked: Brain did not answer")
        assert "hidden-word" not in answer.skip_message
