"""Dagster's home is loaded by Dagster itself here, on the embedded server and on a real one, and ``make dev`` is really run."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from sqlalchemy import make_url

from vici_brain.brain.embedded import embedded_postgres
from vici_brain.errors import ConfigurationError
from vici_brain.orchestration.dagster_home import (
    dagster_environment,
    run_dev,
    set_pool_limits,
    storage_database_url,
    write_dagster_home,
)

CHECKOUT = Path(__file__).parents[2]
DEV = """
import os, sys, threading
from pathlib import Path
from vici_brain.orchestration.dagster_home import dagster_environment, run_dev

def beside(stop: threading.Event) -> None:
    print("beside begins", flush=True)
    stop.wait()
    print("beside ends", flush=True)

home = Path(sys.argv[1])
environment = dagster_environment(home, base=Path(sys.argv[2]), base_environment=os.environ)
sys.exit(run_dev(environment, host="127.0.0.1", port=int(sys.argv[3]), workspace=home / "workspace.yaml", beside=[beside]))
"""


@dg.op
def nothing() -> None:
    """The least that leaves a run behind."""


@dg.job
def trivial() -> None:
    nothing()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("home")
    with embedded_postgres(directory):
        yield directory


@pytest.fixture
def server_database(empty_brain_url: str) -> str:
    """A fresh database on a server that is reached by TCP; its URL has a password, which a trusting server does not look at."""
    url = make_url(empty_brain_url)
    if url.host is None:
        pytest.skip("POSTGRESQL IS MISSING: install it or set BRAIN_TEST_DATABASE_URL; Dagster on a real server is untested")
    return url.set(drivername="postgres", password=url.password or "irrelevant-secret").render_as_string(hide_password=False)


def run_and_find_again(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the trivial job in one instance and read its run in the next; the storage's name."""
    monkeypatch.setenv("DAGSTER_DATABASE_URL", environment["DAGSTER_DATABASE_URL"])
    with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
        run_id = trivial.execute_in_process(instance=instance).run_id
    with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status is dg.DagsterRunStatus.SUCCESS
        return type(instance.event_log_storage).__name__


def test_a_run_persists_in_the_embedded_server(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = dagster_environment(home, base=CHECKOUT)

    assert run_and_find_again(environment, monkeypatch) == "PostgresEventLogStorage"


def test_a_run_persists_in_a_real_server_and_its_password_is_not_written(
    tmp_path: Path, server_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = dagster_environment(tmp_path, base=CHECKOUT, storage_url=server_database)

    assert run_and_find_again(environment, monkeypatch) == "PostgresEventLogStorage"
    written = [file.read_text() for file in tmp_path.rglob("*.yaml")]
    assert written
    url = make_url(server_database)
    assert not any(str(url.password) in text or str(url.host) in text for text in written)
    assert not (tmp_path / "postgres").exists(), "the embedded server was not needed"


def test_what_a_run_does_is_told_in_the_ui_and_not_on_the_console(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    environment = dagster_environment(home, base=CHECKOUT)
    monkeypatch.setenv("DAGSTER_DATABASE_URL", environment["DAGSTER_DATABASE_URL"])
    with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
        run_id = trivial.execute_in_process(instance=instance).run_id
        told = {entry.get_dagster_event().event_type for entry in instance.all_logs(run_id) if entry.is_dagster_event}
    assert {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.RUN_SUCCESS} <= told
    assert run_id not in capfd.readouterr().err


def test_pools_have_their_limits_before_anything_runs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = dagster_environment(home, base=CHECKOUT)
    monkeypatch.setenv("DAGSTER_DATABASE_URL", environment["DAGSTER_DATABASE_URL"])
    with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
        for limits in ({"vici_east": 2, "vici_west": 2}, {"vici_east": 1}):
            set_pool_limits(instance, limits)

        stated = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
        assert stated == {"vici_east": 1, "vici_west": 2}


def test_the_settings_keep_lanes_apart_and_find_dead_runs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = dagster_environment(home, base=CHECKOUT)
    monkeypatch.setenv("DAGSTER_DATABASE_URL", environment["DAGSTER_DATABASE_URL"])
    with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
        settings = instance.get_settings("concurrency")
        assert settings["pools"] == {"granularity": "run", "default_limit": 2}
        assert settings["runs"]["tag_concurrency_limits"] == [
            {"key": "vici_brain/lane", "value": {"applyLimitPerUniqueValue": True}, "limit": 1},
            {"key": "dagster/backfill", "limit": 1},
        ]
        queue = instance.run_coordinator
        assert isinstance(queue, dg.QueuedRunCoordinator)
        assert (queue.dequeue_interval_seconds, queue.dequeue_use_threads) == (1, True)
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_max_runtime_seconds == 6 * 3600
        assert instance.run_retries_max_retries == 1
        assert not instance.telemetry_enabled


def test_the_checkouts_own_settings_need_no_server(tmp_path: Path) -> None:
    assert "storage" not in yaml.safe_load((CHECKOUT / "dagster.yaml").read_text())

    directory = write_dagster_home(tmp_path, storage_url=None, base=CHECKOUT)

    with dg.DagsterInstance.from_config(str(directory)) as instance:
        assert trivial.execute_in_process(instance=instance).success
        assert "Sqlite" in type(instance.run_storage).__name__


def test_an_unchanged_home_is_left_alone_and_a_missing_template_is_named(tmp_path: Path) -> None:
    written = write_dagster_home(tmp_path, storage_url="postgresql://db/x", base=CHECKOUT) / "dagster.yaml"
    before = written.stat()

    write_dagster_home(tmp_path, storage_url="postgresql://db/y", base=CHECKOUT)

    assert written.stat().st_mtime_ns == before.st_mtime_ns
    assert [file.name for file in written.parent.iterdir()] == ["dagster.yaml"]
    with pytest.raises(ConfigurationError, match=r"cannot be made from .*nowhere"):
        write_dagster_home(tmp_path, storage_url=None, base=tmp_path / "nowhere")


def test_the_environment_extends_the_given_one_and_lets_python_compile(tmp_path: Path) -> None:
    given = {"PATH": "/bin", "PYTHONDONTWRITEBYTECODE": "1", "DAGSTER_HOME": "/elsewhere"}

    environment = dagster_environment(tmp_path, base=CHECKOUT, storage_url="postgresql://db/x", base_environment=given)

    assert environment == {
        "PATH": "/bin",
        "DAGSTER_HOME": str(tmp_path / "dagster"),
        "DAGSTER_DATABASE_URL": "postgresql+psycopg2://db/x",
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "DAGSTER_EVENT_BATCH_SIZE": "2016",
        "DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS": "1",
    }
    assert given["DAGSTER_HOME"] == "/elsewhere"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_any_spelling_of_postgresql_becomes_the_driver_that_dagster_speaks(scheme: str) -> None:
    rest = "://me:p%40ss@db:5433/dagster?sslmode=require&application_name=a%20b"

    assert storage_database_url(scheme + rest) == "postgresql+psycopg2" + rest


@pytest.mark.parametrize("url", ["mysql://me:pw@db/x", "dagster", "postgresql://me:pw@db:port/x"])
def test_another_database_is_refused_without_repeating_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DAGSTER_DATABASE_URL") as caught:
        storage_database_url(url)
    assert "pw" not in str(caught.value)


def a_small_workspace(directory: Path) -> None:
    (directory / "definitions.py").write_text("import dagster as dg\ndefs = dg.Definitions()\n")
    (directory / "workspace.yaml").write_text((CHECKOUT / "workspace.yaml").read_text())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_dev_serves_until_it_is_told_to_stop_and_then_leaves_nothing_running(home: Path) -> None:
    a_small_workspace(home)
    port = free_port()
    command = [sys.executable, "-c", DEV, str(home), str(CHECKOUT), str(port)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as dev:
        try:
            assert answer_of(f"http://127.0.0.1:{port}/server_info", within=60)["dagster_version"]
            assert processes_of(home)

            dev.send_signal(signal.SIGTERM)
            output, _ = dev.communicate(timeout=50)
        finally:
            dev.kill()

    assert dev.returncode == 0
    assert output.index("beside begins") < output.index("beside ends")
    assert processes_of(home) == []


def test_dev_reports_services_that_end_by_themselves(home: Path) -> None:
    environment = dagster_environment(home, base=CHECKOUT, base_environment={"PATH": "/usr/bin:/bin"})
    ended = threading.Event()

    code = run_dev(
        environment,
        host="127.0.0.1",
        port=free_port(),
        workspace=home / "missing" / ".." / "missing.yaml",
        beside=[lambda stop: ended.set() if stop.wait(60) else None],
    )

    assert code != 0
    assert ended.is_set()


def answer_of(url: str, *, within: float) -> dict[str, str]:
    deadline = time.monotonic() + within
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                found: dict[str, str] = json.load(answer)
                return found
        except OSError:
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.2)


def processes_of(home: Path) -> list[str]:
    """The command lines of the processes that work for this home, the database's aside: the test holds that itself."""
    listed = subprocess.run(["ps", "-ewwo", "args="], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in listed if str(home) in line and f"{home}/postgres" not in line]
