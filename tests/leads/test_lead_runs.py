"""Leads in Dagster: the import by the clock, the audit's page and the four metrics, on real definitions over a SQLite dialer."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from builders import add_lead, exchange, land, one, raw_row
from lead_sites import LeadSite
from sqlalchemy import Engine, text

from definitions import definitions_for
from vici_brain.domain.lead_policy import LeadPolicy
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.orchestration.leads import METRICS, lead_schedules
from vici_brain.settings import load_settings

NAMES = InstanceNames("vici")


class World:
    """Definitions over one dialer and Brain, with an instance of their own."""

    def __init__(self, site: LeadSite, brain_url: str, folder: Path, instance: dg.DagsterInstance) -> None:
        file = folder / "config.toml"
        file.write_text('[leads]\ncampaigns = ["Auto2"]\nsweep_rows = 100\n')
        environment = {
            "BRAIN_DATABASE_URL": brain_url,
            "VICI_DATABASE_URL": site.site.url,
            "VICI_TIME_ZONE": "America/New_York",
            "VICI_BRAIN_CONFIG": str(file),
            "VICI_BRAIN_HOME": str(folder),
        }
        self.site, self.settings, self.instance = site, load_settings(environment), instance
        self.defs = definitions_for(self.settings)

    def run(self, job: str, **options: object) -> dg.ExecuteInProcessResult:
        """One run of ``job``; ``options`` as somebody types them into the launchpad of the import."""
        config = {"ops": {NAMES.lead_links.to_python_identifier(): {"config": options}}} if options else {}
        job_def = self.defs.resolve_job_def(job)
        return job_def.execute_in_process(run_config=config, instance=self.instance, raise_on_error=False)


@pytest.fixture
def world(brain: Engine, brain_url: str, tmp_path: Path) -> Iterator[World]:
    with exchange(f"sqlite:///{tmp_path}/vici.db") as opened, dg.DagsterInstance.ephemeral() as instance:
        yield World(LeadSite(opened, brain), brain_url, tmp_path, instance)


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.step_materialization_data.materialization.metadata.items()}


def test_the_job_imports_the_configured_campaigns_and_a_second_run_changes_nothing(world: World) -> None:
    assert world.settings.leads == LeadPolicy(campaigns=("Auto2",), sweep_rows=100)
    world.site.lead(1, "2125550101")
    world.site.lead(2, "2125550102", list_id=301)
    result = world.run(NAMES.leads_job)
    assert result.success
    found = metadata(result)
    assert (found["read"], found["created"], found["linked"]) == (4, 1, 1)
    assert one(world.site.brain, "SELECT run_id FROM sync_logs WHERE kind = 'leads'") == result.run_id
    again = metadata(world.run(NAMES.leads_job))
    assert (again["added"], again["changed"], again["created"], again["updated"], again["linked"]) == (0, 0, 0, 0, 0)


def test_the_asset_takes_the_options_of_the_command(world: World) -> None:  # F058, F072, F080
    for lead_id in range(1, 6):
        world.site.lead(lead_id, f"212555010{lead_id}", list_id=301)
    tried = metadata(world.run(NAMES.leads_job, campaigns=["retent"], limit=2, dry_run=True))
    assert (tried["created"], tried["dry_run"], world.site.count("leads")) == (2, True, 0)
    assert metadata(world.run(NAMES.leads_job, campaigns=["retent"], limit=2))["created"] == 2
    assert metadata(world.run(NAMES.leads_job, campaigns=["retent"], phone="(212) 555-0105"))["created"] == 1
    whole = metadata(world.run(NAMES.leads_job, campaigns=["retent"], whole=True))
    assert (whole["read"], whole["created"]) == (5, 2)
    assert not world.run(NAMES.leads_job, whole=True, limit=2).success


def test_a_stopped_intake_fails_the_run_in_one_line_and_is_not_tried_again(world: World) -> None:
    with world.site.brain.begin() as connection:
        connection.execute(text("UPDATE lead_intake SET mode = 'vici_only', reason = 'rehearsal'"))
    result = world.run(NAMES.leads_job)
    assert not result.success
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    error = failed.step_failure_data.error
    assert error is not None
    assert "intake of leads is stopped" in error.message
    assert not any(event.is_step_up_for_retry for event in result.all_events)


def test_the_audit_is_a_page_and_the_metrics_are_checks(world: World) -> None:  # F075, F076, F077, F078
    brain = world.site.brain
    world.site.lead(1, "2125550101")
    world.run(NAMES.leads_job)
    code = str(one(brain, "SELECT external_lead_id FROM leads"))
    world.site.site.run("UPDATE vicidial_list SET vendor_lead_code = :code", code=code)
    world.run(NAMES.leads_job)
    green = world.run(NAMES.leads_audit_job)
    assert green.success
    pages = metadata(green)
    assert str(pages["campaigns"]).splitlines()[2] == "| AUTO2 | 1 | 1 | 1 | 0 | 0 | 1 | 1 | 0 | 0 |"
    assert "codes on several numbers" in str(pages["figures"])
    assert {check.check_name: check.passed for check in green.get_asset_check_evaluations()} == dict.fromkeys(METRICS, True)
    _spoil(world)
    red = world.run(NAMES.leads_audit_job)
    checks = {check.check_name: check for check in red.get_asset_check_evaluations()}
    assert {name: check.passed for name, check in checks.items()} == dict.fromkeys(METRICS, False)
    assert {check.severity for check in checks.values()} == {dg.AssetCheckSeverity.WARN}
    assert checks["every_lead_has_a_vici_lead"].metadata["offending"].value == 1
    assert checks["every_lead_has_a_vici_lead"].metadata["sample"].value == "1001"
    assert checks["every_imported_vici_lead_carries_its_code"].metadata["sample"].value == "1"
    assert checks["no_number_is_called_for_two_leads_within_30_days"].metadata["sample"].value == "12125550101"


def _spoil(world: World) -> None:
    """Makes every metric fail once."""
    brain, now = world.site.brain, datetime.now(UTC)
    calls = [raw_row(now - timedelta(days=days), f"c.{days}", vici_lead_id=days, phone_number="2125550101") for days in (1, 2)]
    land(brain, calls)
    add_lead(brain, 1001, phone="2125559999")
    with brain.begin() as connection:
        connection.execute(text("UPDATE lead_intake SET brain_first_since = '2025-06-01 00:00-04'"))
    world.site.lead(9, "2125550109", vendor_lead_code="1755041041000")
    world.run(NAMES.leads_job)
    world.site.site.run("UPDATE vicidial_list SET vendor_lead_code = '' WHERE lead_id = 1")
    world.run(NAMES.leads_job)


def test_the_import_is_asked_for_every_quarter_of_an_hour_unless_one_is_at_work(world: World) -> None:
    every, daily = lead_schedules("vici")
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(instance, scheduled_execution_time=datetime(2025, 6, 10, 16, 9, tzinfo=UTC))
        assert len(every.evaluate_tick(context).run_requests or []) == 1
        assert len(daily.evaluate_tick(context).run_requests or []) == 1
        run = instance.create_run_for_job(world.defs.resolve_job_def(NAMES.leads_job))
        assert run.status == dg.DagsterRunStatus.NOT_STARTED
        assert every.evaluate_tick(context).skip_message == "a run of import_leads_vici is queued or at work"
