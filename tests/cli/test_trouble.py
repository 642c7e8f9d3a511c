"""What a wrong setting says at the keyboard: one line with the remedy, the right exit code, no password, no traceback."""

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from command_line import CommandLine, Done, no_dialer, one_dialer
from sqlalchemy import make_url

from vici_brain.cli.main import main
from vici_brain.settings import PROJECT

SECRET = "hunter2"
vici = pytest.fixture(one_dialer)
simulated = pytest.fixture(no_dialer)


def place_of(url: str) -> str:
    """Host and port."""
    parsed = make_url(url)
    return f"{parsed.host}:{parsed.port}" if parsed.port else str(parsed.host)


def one_line(done: Done) -> str:
    """The only thing that a failed command printed."""
    assert done.out == ""
    (line,) = done.err.splitlines()
    assert line.startswith("failed ")
    assert SECRET not in line
    return line


@pytest.mark.parametrize(
    "command", ["migrate", "sync-incremental", "fetch-complete 1", "reconcile", "match-orphans", "status", "purge-orphans"]
)
def test_a_login_that_brain_refuses_is_a_setting_to_change(vici: CommandLine, brain_url: str, command: str) -> None:
    name = brain_url.rsplit("/", 1)[1]
    host = place_of(brain_url)
    vici.set(BRAIN_DATABASE_URL=f"postgresql://nobody_here:{SECRET}@{host}/{name}")
    done = vici(*command.split())
    assert done.code == 2
    assert "BRAIN_DATABASE_URL" in one_line(done)


def test_a_brain_that_does_not_answer_may_answer_later(vici: CommandLine) -> None:
    vici.set(BRAIN_DATABASE_URL=f"postgresql://someone:{SECRET}@127.0.0.1:1/crm")
    done = vici("status")
    assert done.code == 1
    assert "is PostgreSQL running and reachable at BRAIN_DATABASE_URL?" in one_line(done)


@pytest.mark.parametrize("url", [f"mysql://u:{SECRET}@h/crm", f"postgresql://u:{SECRET}@@h/crm", f"postgres//{SECRET}"])
def test_an_address_of_brain_that_cannot_be_used_is_refused_without_quoting_it(vici: CommandLine, url: str) -> None:
    vici.set(BRAIN_DATABASE_URL=url)
    done = vici("status")
    assert done.code == 2
    assert "BRAIN_DATABASE_URL" in one_line(done)


def test_a_dialer_without_its_zone_is_refused(vici: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VICI_TIME_ZONE")
    vici.set(VICI_DATABASE_URL=f"mysql://u:{SECRET}@127.0.0.1:1/asterisk")
    done = vici("sync-incremental")
    assert done.code == 2
    assert "VICI_TIME_ZONE is not set" in one_line(done)


@pytest.mark.parametrize(
    "command", ["sync-incremental", "fetch-complete 1", "reconcile", "match-orphans", "status", "purge-orphans"]
)
def test_an_unknown_dialer_is_refused_with_the_names_of_the_known(vici: CommandLine, command: str) -> None:
    done = vici(*command.split(), "--instance", "nowhere")
    assert done.code == 2
    assert one_line(done) == "failed there is no dialer 'nowhere'; configured are: vici"


def test_the_simulated_dialer_must_be_made_first(simulated: CommandLine) -> None:
    done = simulated("sync-incremental")
    assert done.code == 2
    assert "run `make demo`, or set VICI_DATABASE_URL and VICI_TIME_ZONE" in one_line(done)


def test_a_wrong_password_of_the_dialer_is_not_repeated(vici: CommandLine, mariadb_server: str) -> None:
    host = place_of(mariadb_server)
    vici.set(VICI_DATABASE_URL=f"mysql://nobody_here:{SECRET}@{host}/asterisk")
    done = vici("sync-incremental")
    assert done.code == 2
    line = one_line(done)
    assert line.startswith("failed vici: the dialer's database at ")
    assert "refused user 'nobody_here'" in line


def test_the_demo_refuses_to_play_with_a_real_dialer(vici: CommandLine) -> None:
    done = vici("demo")
    assert done.code == 2
    assert "unset VICI_DATABASE_URL" in done.out


def test_a_deployment_needs_a_database_for_dagster(vici: CommandLine) -> None:
    done = vici("dagster-home")
    assert done.code == 2
    assert "set DAGSTER_DATABASE_URL first" in done.out


@pytest.mark.parametrize(
    ("url", "code"), [(f"postgresql://nobody_here:{SECRET}@{{host}}/x", 2), (f"postgresql://u:{SECRET}@127.0.0.1:1/x", 1)]
)
def test_a_database_that_dagster_cannot_use_is_told_at_once(vici: CommandLine, brain_url: str, url: str, code: int) -> None:
    vici.set(DAGSTER_DATABASE_URL=url.format(host=place_of(brain_url)))
    done = vici("dagster-home")
    assert done.code == code
    assert "check DAGSTER_DATABASE_URL" in one_line(done)


def test_the_console_script_is_the_entry_point_that_turns_errors_into_lines() -> None:
    scripts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"]
    assert EntryPoint("vici-brain", scripts["vici-brain"], "console_scripts").load() is main


def test_a_command_never_walks_through_what_was_imported() -> None:
    start = """
import gc
from vici_brain.cli.main import main
try:
    main()
finally:
    print(gc.get_freeze_count())
"""
    done = subprocess.run([sys.executable, "-c", start, "--help"], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) > 10_000


def test_dagster_home_prints_what_a_deployments_processes_need(empty_brain_url: str, tmp_path: Path) -> None:
    environment = {"DAGSTER_DATABASE_URL": empty_brain_url.replace("+psycopg", ""), "VICI_BRAIN_HOME": str(tmp_path)}
    start = "from vici_brain.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", start, "dagster-home"], env=environment, cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert f"export DAGSTER_HOME={tmp_path}/dagster" in lines
    assert all(line.startswith("export DAGSTER_") for line in lines)
    assert not any("DATABASE_URL" in line for line in lines), "it may hold a password"
    assert "env: DAGSTER_DATABASE_URL" in (tmp_path / "dagster" / "dagster.yaml").read_text()
