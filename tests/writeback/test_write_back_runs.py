"""The write-back as people start it: settings, assets, schedules, commands."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from builders import add_lead, ask, link, one
from pydantic import SecretStr, ValidationError
from sqlalchemy import Engine
from writable_dialer import PASSWORD, Api, WritableDialer, code, cover, linked_lead, serving, write_login

from definitions import definitions_for
from vici_brain.cli.main import main
from vici_brain.domain.write_back_policy import PushPolicy, WriteAccess, WriteBackPolicy
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.settings import PROJECT, DialerSettings, Settings, load_settings

VICI = InstanceNames("vici")
CONFIG = """
[[dialers]]
name = "vici"
time_zone = "UTC"
database_url_env = "READ_URL"
[dialers.write_back]
write_database_url_env = "WRITE_URL"
api_url = "{api}"
api_user = "crm"
api_password_env = "API_PASSWORD"
campaigns = ["SOLAR"]
[dialers.write_back.push]
list_id = 101
campaign_id = "SOLAR"
"""


@pytest.fixture
def dialer(mariadb_url: str) -> Iterator[WritableDialer]:
    opened = WritableDialer(mariadb_url)
    yield opened
    opened.close()


class World:
    """A configuration file over a dialer, its write login and its API; the clock is the machine's, as in production."""

    def __init__(self, folder: Path, dialer: WritableDialer, brain_url: str, write_url: str, api: str) -> None:
        self.folder, self.dialer = folder, dialer
        (folder / "vici-brain.toml").write_text(CONFIG.format(api=api))
        self.environment = {
            "VICI_BRAIN_CONFIG": str(folder / "vici-brain.toml"),
            "VICI_BRAIN_HOME": str(folder),
            "BRAIN_DATABASE_URL": brain_url,
            "READ_URL": dialer.url + "?init_command=SET time_zone='%2B00:00'",
            "WRITE_URL": write_url,
            "API_PASSWORD": PASSWORD,
        }


@pytest.fixture
def world(tmp_path: Path, dialer: WritableDialer, brain_url: str, mariadb_server: str) -> Iterator[World]:
    with serving(Api(dialer)) as address, write_login(mariadb_server, dialer.url) as url:
        yield World(tmp_path, dialer, brain_url, url, address)


def command(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["vici-brain", *words])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out + said.err


@pytest.mark.mariadb
def test_the_command_writes_verifies_nothing_twice_and_tells_each_class(  # F056, F059, F066, F080
    world: World, brain: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2):
        world.dialer.lead(number)
        add_lead(brain, number, code=code(number), phone=f"212555{number:04}")
        link(brain, number, number)
    asked = ("update-vendor-codes", "--campaigns", "Other,Solar", "--batch", "1")
    status, said = command(world, monkeypatch, capsys, *asked, "--dry-run")
    assert (status, "dry run vici 2 examined, 2 updated, 0 skipped" in said) == (0, True)
    assert world.dialer.codes() == {1: None, 2: None}
    assert "1 updated" in command(world, monkeypatch, capsys, *asked, "--phone", "212-555-0001")[1]
    assert "1 updated, 1 skipped" in command(world, monkeypatch, capsys, *asked)[1]
    assert "0 updated, 2 skipped" in command(world, monkeypatch, capsys, *asked)[1]
    assert command(world, monkeypatch, capsys, *asked, "--phone", "nobody")[0] == 2
    assert one(brain, "SELECT details ->> 'updated' FROM sync_logs WHERE kind = 'vendor_codes' ORDER BY id LIMIT 1") == "1"


@pytest.mark.mariadb
def test_a_process_that_is_killed_in_the_middle_of_a_write_is_made_good_by_the_next(  # F056, F059
    world: World, brain: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for lead in range(1, 11):
        linked_lead(brain, world.dialer, lead)
    # The dialer is slow with the sixth lead, and goes on with it when the writer is dead.
    slow = "BEFORE UPDATE ON vicidial_list FOR EACH ROW BEGIN IF NEW.lead_id = 6 THEN DO SLEEP(2); END IF; END"
    world.dialer.run(f"CREATE TRIGGER slow {slow}")
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    start = [sys.executable, "-c", "from vici_brain.cli.main import main; main()"]
    process = subprocess.Popen([*start, "update-vendor-codes", "--campaigns", "SOLAR", "--batch", "4"], cwd=PROJECT)
    until = time.monotonic() + 30
    sleeping = "SELECT count(*) FROM information_schema.processlist WHERE db = database() AND state = 'User sleep'"
    while not world.dialer.ask(sleeping)[0][0] and time.monotonic() < until:
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    outcomes = "SELECT outcome, count(*) FROM vendor_code_writes GROUP BY 1 ORDER BY 1"
    assert ask(brain, outcomes) == [("intended", 4), ("written", 4)]
    world.dialer.run("DROP TRIGGER slow")
    status, said = command(world, monkeypatch, capsys, "update-vendor-codes", "--campaigns", "SOLAR", "--batch", "4")
    assert (status, "4 updated" in said, "4 resumed" in said) == (0, True, True), said
    assert world.dialer.codes() == {lead: code(lead) for lead in range(1, 11)}
    # Two of the four had been written, one of them after its writer was dead.
    assert ask(brain, outcomes) == [("failed", 2), ("written", 10)]
    assert one(brain, "SELECT count(*) FROM vendor_code_checks WHERE reason = 'written'") == 10
    assert "0 updated" in command(world, monkeypatch, capsys, "update-vendor-codes", "--campaigns", "SOLAR")[1]


@pytest.mark.mariadb
def test_the_push_command_adds_and_says_so(  # F057, F061, F062, F063, F068
    world: World, brain: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cover(brain, datetime.now(UTC))
    assert "0 examined" in command(world, monkeypatch, capsys, "push-leads")[1]
    add_lead(brain, 1, code=code(1), phone="2125550101")
    assert "1 added" in command(world, monkeypatch, capsys, "push-leads", "--dry-run")[1]
    assert "1 added" in command(world, monkeypatch, capsys, "push-leads")[1]
    assert world.dialer.codes() == {1: code(1)}


@pytest.mark.mariadb
def test_a_dialer_without_the_section_is_never_written_to(
    world: World, brain: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = world.folder / "vici-brain.toml"
    path.write_text(path.read_text().split("[dialers.write_back]")[0])
    for words in (("update-vendor-codes", "--campaigns", "SOLAR"), ("push-leads",)):
        status, said = command(world, monkeypatch, capsys, *words)
        assert status == 2
        assert "nothing may be written to this dialer" in said


@pytest.mark.mariadb
def test_both_assets_write_and_carry_their_counts(world: World, brain: Engine) -> None:
    defs = definitions_for(load_settings(world.environment))
    world.dialer.lead(1)
    add_lead(brain, 1, code=code(1), phone="2125550001")
    link(brain, 1, 1)
    cover(brain, datetime.now(UTC))
    with dg.DagsterInstance.ephemeral() as instance:
        figures = {}
        for name, key in ((VICI.codes_job, VICI.vendor_codes), (VICI.push_job, VICI.pushed_leads)):
            result = defs.resolve_job_def(name).execute_in_process(instance=instance)
            (event,) = result.get_asset_materialization_events()
            figures[key] = {
                label: value.value for label, value in event.step_materialization_data.materialization.metadata.items()
            }
            assert result.success
    assert (figures[VICI.vendor_codes]["updated"], figures[VICI.pushed_leads]["examined"]) == (1, 0)
    assert world.dialer.codes() == {1: code(1)}
    assert ask(brain, "SELECT trigger, writer FROM vendor_code_writes") == [("manual", "sql")]


@pytest.mark.mariadb
def test_the_asset_of_codes_takes_the_options_of_the_command(world: World, brain: Engine) -> None:  # F059, F080
    for lead in (1, 2):
        linked_lead(brain, world.dialer, lead)
    job = definitions_for(load_settings(world.environment)).resolve_job_def(VICI.codes_job)

    def run(**options: object) -> bool:
        config = {"ops": {VICI.vendor_codes.to_python_identifier(): {"config": options}}}
        with dg.DagsterInstance.ephemeral() as instance:
            return job.execute_in_process(run_config=config, instance=instance, raise_on_error=False).success

    assert run(phone="(212) 555-0002", batch=1)
    assert world.dialer.codes() == {1: None, 2: code(2)}
    assert not run(phone="nobody")
    assert run(campaigns=["Other"])
    assert world.dialer.codes() == {1: None, 2: code(2)}


def settings_with(folder: Path, policy: WriteBackPolicy | None) -> Settings:
    access = WriteAccess(policy, SecretStr("mysql://w@127.0.0.1/x")) if policy else None
    dialer = DialerSettings("vici", "America/New_York", SecretStr(f"sqlite:///{folder}/vici.db"), write_access=access)
    return replace(load_settings({"VICI_BRAIN_HOME": str(folder)}), dialers=(dialer,))


SQL = WriteBackPolicy(write_database_url_env="W", campaigns=("SOLAR",))
API = {"api_url": "https://10.0.0.1/api.php", "api_user": "crm", "api_password_env": "P"}


@pytest.mark.parametrize(
    ("policy", "running"),
    [
        (None, set()),
        (WriteBackPolicy(write_database_url_env="W"), set()),
        (SQL, {"codes"}),
        (WriteBackPolicy(**API, campaigns=("A",), push=PushPolicy(list_id=101, campaign_id="A")), {"codes", "push"}),
    ],
)
def test_schedules_run_only_where_the_settings_allow_it(
    tmp_path: Path, policy: WriteBackPolicy | None, running: set[str]
) -> None:
    repository = definitions_for(settings_with(tmp_path, policy)).get_repository_def()
    names = {"codes": f"{VICI.codes_job}_every_hour", "push": f"{VICI.push_job}_every_5_minutes"}
    found = {key for key, name in names.items() if repository.get_schedule_def(name).default_status.value == "RUNNING"}
    assert found == running


@pytest.mark.parametrize(("hour", "due_only"), [(6, False), (7, True)])
def test_the_hourly_schedule_walks_all_links_at_two_in_the_morning_there(tmp_path: Path, hour: int, due_only: bool) -> None:
    with dg.instance_for_test() as instance:
        schedule = definitions_for(settings_with(tmp_path, SQL)).resolve_schedule_def(f"{VICI.codes_job}_every_hour")
        at = datetime(2025, 6, 10, hour, 37, tzinfo=UTC)
        request = schedule(dg.build_schedule_context(instance=instance, scheduled_execution_time=at))
    assert isinstance(request, dg.RunRequest)
    assert request.run_config == {"ops": {"vici__vendor_lead_codes": {"config": {"due_only": due_only}}}}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "write_database_url_env, or api_url"),
        ({"api_url": "https://10.0.0.1/api.php"}, "belong together"),
        ({"write_database_url_env": "W", "push": {"list_id": 101, "campaign_id": "A"}}, "push needs api_url"),
        (API | {"api_url": "https://crm:secret@10.0.0.1/api.php"}, "api_url"),
        ({"write_database_url_env": "W", "batch": 5000}, "batch"),
    ],
)
def test_a_section_that_cannot_be_used_says_why(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        WriteBackPolicy.model_validate(given)


def test_a_missing_secret_is_named_when_it_is_needed(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(CONFIG.format(api="https://10.0.0.1/api.php"))
    access = load_settings(
        {"VICI_BRAIN_CONFIG": str(tmp_path / "c.toml"), "READ_URL": "mysql://r@h/a", "WRITE_URL": "mysql://w@h/a"}
    )
    found = access.dialers[0].write_access
    assert found is not None
    assert (found.missing, found.policy.verify_after) == (("API_PASSWORD",), timedelta(hours=4))
    assert "w@h" not in json.dumps(repr(found))
