"""The proofs that look further back: what is scheduled for each dialer, what a run repairs and says, what may be configured."""

import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from builders import NEW_YORK, ask, minutes, one
from call_centre import VICI, CallCentre, call_centre, settings_for
from pydantic import SecretStr, ValidationError
from sqlalchemy import Engine

from checks.ledger import ledger_check_keys
from vici_brain.domain.windows import BUCKET, Window, floor_to
from vici_brain.errors import ConfigurationError
from vici_brain.orchestration import reporting
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.orchestration.tiers import ProofOptions
from vici_brain.settings import PROJECT, DialerSettings, load_settings
from vici_brain.settings_file import PROOF_TIERS, ConfigFile, ProofTier

NOW = datetime(2025, 6, 10, 16, 3, tzinfo=UTC)
EAST, BERLIN = InstanceNames("east"), InstanceNames("berlin")


@pytest.fixture
def defs(tmp_path: Path) -> dg.Definitions:
    """Two dialers in two zones."""
    dialers = tuple(
        DialerSettings(name, zone, SecretStr(f"sqlite:///{tmp_path}/{name}.db"))
        for name, zone in (("east", NEW_YORK), ("berlin", "Europe/Berlin"))
    )
    with call_centre(settings_for(tmp_path, None, dialers=dialers)) as centre:
        return centre.defs


@pytest.mark.parametrize(("names", "zone"), [(EAST, NEW_YORK), (BERLIN, "Europe/Berlin")], ids=["east", "berlin"])
def test_each_dialer_has_three_tiers_by_the_clock_of_its_own_zone(defs: dg.Definitions, names: InstanceNames, zone: str) -> None:
    found = [each for each in defs.get_repository_def().schedule_defs if each.job_name == names.prove_job]
    tiers = {each.name.removeprefix(f"{names.prove_job}_"): each for each in found}
    assert {name: each.cron_schedule for name, each in tiers.items()} == {
        "hourly": "12 * * * *",
        "nightly": "30 3 * * *",
        "weekly": "30 4 * * 0",
    }
    assert {(each.execution_timezone, each.default_status.value) for each in found} == {(zone, "RUNNING")}
    hours = {}
    for name, each in tiers.items():
        request = each(dg.build_schedule_context(scheduled_execution_time=NOW))
        assert isinstance(request, dg.RunRequest)
        assert request.run_key == NOW.isoformat()
        assert dg.validate_run_config(defs.resolve_job_def(names.prove_job), request.run_config)
        hours[name] = request.run_config["ops"][names.prove_op]["config"]["hours"]
    assert hours == {"hourly": 5, "nightly": 48, "weekly": 90 * 24}


def test_a_long_proof_shares_the_lane_of_backfills_and_ends_by_itself(defs: dg.Definitions) -> None:
    tags = defs.resolve_job_def(EAST.prove_job).tags
    assert tags["vici_brain/lane"] == EAST.backfill_lane
    assert int(tags["dagster/max_runtime"]) == 4 * 3600


def test_the_ledger_is_audited_every_quarter_of_an_hour_by_a_job_of_its_own(defs: dg.Definitions) -> None:
    schedule = defs.resolve_schedule_def(f"{EAST.audit_job}_every_15_minutes")
    assert (schedule.cron_schedule, schedule.execution_timezone, schedule.job_name) == ("4-59/15 * * * *", "UTC", EAST.audit_job)
    assert schedule.default_status.value == "RUNNING"
    request = schedule(dg.build_schedule_context(scheduled_execution_time=NOW))
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == NOW.isoformat()
    job = defs.resolve_job_def(EAST.audit_job)
    assert job.asset_layer.asset_graph.asset_check_keys >= set(ledger_check_keys("east"))
    assert {node.name for node in job.graph.nodes} == {"east__audit_ledger"}
    assert job.tags["vici_brain/lane"] == EAST.audit_lane


def test_options_have_defaults_and_say_what_they_are() -> None:
    assert ProofOptions() == ProofOptions(hours=5, until=None, repair=True)
    assert all(field.description for field in ProofOptions.model_fields.values())


@pytest.mark.parametrize(
    ("options", "window"),
    [
        (ProofOptions(), Window(NOW - minutes(303), NOW)),
        (ProofOptions(hours=1, until="2025-06-10T12:00:00Z"), Window(NOW - minutes(303), NOW - minutes(243))),
        (ProofOptions(hours=1, until="2025-06-10T12:00:00"), Window(NOW - minutes(303), NOW - minutes(243))),
        (ProofOptions(hours=1, until="2025-06-10T14:00:00+02:00"), Window(NOW - minutes(303), NOW - minutes(243))),
    ],
    ids=["as it stands", "Z", "without a zone it is UTC", "another zone"],
)
def test_a_stretch_ends_now_or_where_it_is_told_to_and_begins_on_a_bucket(options: ProofOptions, window: Window) -> None:
    assert options.window(NOW) == window


@pytest.mark.parametrize("wrong", [{"hours": 0}, {"hours": 24 * 367}, {"until": "yesterday"}], ids=str)
def test_options_that_cannot_be_used_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ProofOptions(**wrong)


@pytest.fixture
def centre(tmp_path: Path, brain_url: str, brain: Engine) -> Iterator[CallCentre]:
    """A call of twenty hours ago, read and proven, that the dialer has changed since."""
    at = floor_to(datetime.now(UTC) - timedelta(hours=20), BUCKET) + minutes(2)
    first = (at - timedelta(days=1)).date()
    with call_centre(settings_for(tmp_path, brain_url, "vici", "west", sync_start=first)) as opened:
        opened.dialer.outbound(at, "1.1")
        assert opened.sync(floor_to(at, BUCKET)).success
        assert ask(brain, "SELECT status FROM vici_call_logs") == [("NA",)]
        opened.dialer.run("UPDATE vicidial_log SET status = 'SALE' WHERE uniqueid = '1.1'")
        yield opened


def prove(centre: CallCentre, instance: str = "vici", **options: object) -> Any:
    names = InstanceNames(instance)
    return centre.run(names.prove_job, run_config={"ops": {names.prove_op: {"config": options}}})


def observed(result: Any) -> dict[str, Any]:
    (event,) = [each for each in result.all_events if each.event_type == dg.DagsterEventType.ASSET_OBSERVATION]
    observation = event.asset_observation_data.asset_observation
    assert observation.asset_key == VICI.call_logs
    return {name: value.value for name, value in observation.metadata.items()}


def test_the_nightly_tier_repairs_a_row_that_changed_at_the_dialer_and_reports_it(centre: CallCentre, brain: Engine) -> None:
    assert prove(centre, hours=5).success
    assert ask(brain, "SELECT status FROM vici_call_logs") == [("NA",)], "it is beyond what the hourly tier sees"
    schedule = centre.defs.resolve_schedule_def(f"{VICI.prove_job}_nightly")
    request = schedule(dg.build_schedule_context(scheduled_execution_time=datetime.now(UTC)))
    assert isinstance(request, dg.RunRequest)
    result = centre.run(VICI.prove_job, run_config=request.run_config, tags={"dagster/schedule_name": schedule.name})
    assert result.success
    assert ask(brain, "SELECT status FROM vici_call_logs") == [("SALE",)]
    told = observed(result)
    assert (told["differing"], told["repaired_buckets"], told["rows_repaired"]) == (0, 1, 1)
    assert told["buckets"] == told["proven"] >= 2 * 48 * 12
    assert one(brain, "SELECT trigger FROM sync_logs WHERE kind = 'prove' ORDER BY id DESC LIMIT 1") == "schedule"
    assert observed(prove(centre, hours=48))["repaired_buckets"] == 0


def test_without_repair_the_difference_is_named_and_left(centre: CallCentre, brain: Engine) -> None:
    result = prove(centre, hours=24, repair=False)
    assert ask(brain, "SELECT status FROM vici_call_logs") == [("NA",)]
    told = observed(result)
    assert (told["differing"], told["repaired_buckets"], told["samples"]) == (1, 0, "1.1: other content in Brain")
    said = [str(entry.user_message) for entry in centre.instance.all_logs(result.run_id) if entry.level == 40]
    bucket = one(brain, "SELECT bucket_start FROM call_log_proofs WHERE state = 'differs'")
    assert said == [f"1 buckets still differ from the dialer: {bucket.astimezone(UTC):%Y-%m-%d %H:%M} vicidial_log"]


def test_one_dialer_failing_does_not_stop_another(centre: CallCentre, brain: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "RETRY", dg.RetryPolicy(max_retries=0))
    centre.dialers["west"].run("DROP TABLE vicidial_log")
    failed = prove(centre, "west", hours=1)
    assert not failed.success
    description = failed.get_step_failure_events()[0].event_specific_data.user_failure_data.description
    assert description.startswith("west: the dialer's table vicidial_log is missing")
    assert prove(centre, hours=24).success
    assert ask(brain, "SELECT instance, status FROM sync_logs WHERE kind = 'prove' ORDER BY id") == [
        ("west", "failed"),
        ("vici", "success"),
    ]


def test_what_the_documentation_shows_are_the_defaults() -> None:
    documented = re.search(r"```toml\n(.*?)```", (PROJECT / "docs" / "configuration.md").read_text(), re.DOTALL)
    assert documented is not None
    assert ConfigFile.model_validate(tomllib.loads(documented[1])).proof_tiers == PROOF_TIERS
    assert ConfigFile().proof_tiers == PROOF_TIERS


def tier(name: str = "daily", cron: str = "0 5 * * *", hours: object = 30) -> str:
    return f'[[proof_tiers]]\nname = "{name}"\ncron = "{cron}"\nhours = {hours}\n'


def test_tiers_of_the_file_replace_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "vici.toml"
    file.write_text(tier() + tier("often", "3-58/5,59 */2 1-7 1,7 6", 0.5))
    settings = load_settings({"VICI_BRAIN_CONFIG": str(file), "VICI_BRAIN_HOME": str(tmp_path)})
    assert settings.proof_tiers == (
        ProofTier(name="daily", cron="0 5 * * *", hours=30),
        ProofTier(name="often", cron="3-58/5,59 */2 1-7 1,7 6", hours=0.5),
    )
    with call_centre(settings_for(tmp_path, None, proof_tiers=settings.proof_tiers)) as centre:
        dg.Definitions.validate_loadable(centre.defs)
        assert centre.defs.resolve_schedule_def(f"{VICI.prove_job}_often").cron_schedule == "3-58/5,59 */2 1-7 1,7 6"


BAD = {
    "a cron of words": (tier(cron="every night"), r"proof_tiers\.0\.cron: .*'every night' is no schedule; write minute, hour"),
    "too few fields": (tier(cron="0 5 * *"), "is no schedule"),
    "an hour that is none": (tier(cron="0 24 * * *"), "is no schedule"),
    "a range that runs backwards": (tier(cron="50-10 * * * *"), "is no schedule"),
    "a step of nothing": (tier(cron="*/0 * * * *"), "is no schedule"),
    "a weekday that is none": (tier(cron="0 5 * * 8"), "is no schedule"),
    "no hours": (tier(hours=0), r"proof_tiers\.0\.hours"),
    "more than a year": (tier(hours=9_999), r"proof_tiers\.0\.hours"),
    "a name that is none": (tier("Every Day"), r"proof_tiers\.0\.name"),
    "two of one name": (tier() + tier(), "proof_tiers: .*two tiers have the same name: daily, daily"),
    "an unknown key": (tier() + "days = 3\n", r"proof_tiers\.0\.days"),
}


@pytest.mark.parametrize(("content", "said"), BAD.values(), ids=list(BAD))
def test_a_tier_is_refused_in_one_line_for(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "vici.toml"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=said) as refused:
        load_settings({"VICI_BRAIN_CONFIG": str(file)})
    assert "\n" not in str(refused.value)
