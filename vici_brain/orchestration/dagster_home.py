"""Dagster's home: where an instance keeps its settings and its storage, and how its processes are started beside each other.

Belongs here: the written ``dagster.yaml``, the environment that Dagster's own processes need, the pools' limits, and ``make
dev``. Does not: reading settings or the environment (``settings``), and anything about assets.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from dagster import DagsterInstance
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from vici_brain.brain.embedded import embedded_postgres
from vici_brain.errors import ConfigurationError
from vici_brain.orchestration.partitions import PARTITIONS_A_RUN

Beside = Callable[[threading.Event], None]

_STORAGE = """
storage:
  postgres:
    postgres_url: {env: DAGSTER_DATABASE_URL} # by reference: this file may be read by anybody
"""
_POLL_SECONDS = 0.1
_SERVICES_SECONDS = 45.0
_WORKERS_SECONDS = 10.0
_BESIDE_SECONDS = 10.0


def write_dagster_home(home: Path, *, storage_url: str | None, base: Path) -> Path:
    """``home / "dagster"`` with the settings of ``base / "dagster.yaml"``; with PostgreSQL as storage unless the URL is None.

    Every process of a deployment may call this at once: the file appears whole, and only when it changes.
    """
    template = base / "dagster.yaml"
    directory = home.expanduser().resolve() / "dagster"
    target = directory / "dagster.yaml"
    try:
        text = template.read_text() + ("" if storage_url is None else _STORAGE)
        directory.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_text() != text:
            draft = target.with_suffix(f".{os.getpid()}")
            draft.write_text(text)
            draft.replace(target)
    except OSError as error:
        raise ConfigurationError(f"Dagster's home {directory} cannot be made from {template}: {error}") from error
    return directory


def dagster_environment(
    home: Path, *, base: Path, storage_url: str | None = None, base_environment: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment of every Dagster process over ``home``, whose settings are written on the way.

    Without ``storage_url`` Dagster lives in the database ``dagster`` of the embedded server, which this process then holds.
    """
    if storage_url is None:
        server = embedded_postgres(home)
        server.ensure_database("dagster")
        storage_url = server.url("dagster")
    environment = dict(base_environment or {})
    # Uncompiled, each run would spend two seconds more on its imports.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment |= {
        "DAGSTER_HOME": str(write_dagster_home(home, storage_url=storage_url, base=base)),
        "DAGSTER_DATABASE_URL": storage_database_url(storage_url),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        # These two make a week's range of partitions a matter of seconds instead of minutes (227 s → 12 s). A batch is all that
        # a run tells of one asset: each is a statement, and two connections made for it.
        "DAGSTER_EVENT_BATCH_SIZE": str(PARTITIONS_A_RUN),
        "DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS": "1",
    }
    return environment


def storage_database_url(url: str) -> str:
    """``url`` for dagster-postgres, which speaks through psycopg2 only; SQLAlchemy 2.1 would choose another driver."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in {"postgres", "postgresql"}:
        raise ConfigurationError(f"DAGSTER_DATABASE_URL must be a PostgreSQL URL, not {scheme}: postgresql://user@host/database")
    try:
        make_url(f"postgresql://{rest}")
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError("DAGSTER_DATABASE_URL cannot be read; form: postgresql://user@host:port/database") from error
    return f"postgresql+psycopg2://{rest}"


def set_pool_limits(instance: DagsterInstance, limits: Mapping[str, int]) -> None:
    """State each pool's limit, before the daemon starts.

    ``default_limit`` is not enough: the queue does not apply it in the pass that first meets a pool.
    """
    storage = instance.event_log_storage
    stated = {pool.name: pool.limit for pool in storage.get_pool_limits() if not pool.from_default}
    for pool, limit in limits.items():
        if stated.get(pool) != limit:
            storage.set_concurrency_slots(pool, limit)


def run_dev(environment: Mapping[str, str], *, host: str, port: int, workspace: Path, beside: Sequence[Beside] = ()) -> int:
    """Webserver, daemon and code server until a signal comes or one of them ends; ``beside`` runs in threads meanwhile.

    ``dagster dev`` and not three processes of our own: it shares one code server, where a daemon on a ``python_module``
    workspace would start a new one every minute. Returns the exit code; 0 after a signal.
    """
    command = [sys.executable, "-m", "dagster", "dev", "-h", host, "-p", str(port), "-w", str(workspace.resolve())]
    stop = threading.Event()
    with _signals_set(stop), _running_beside(beside, stop):
        # In a session of its own: a terminal's Ctrl-C reaches this process only, which passes it on once, in order.
        place = workspace.resolve().parent
        process = subprocess.Popen(command, env=dict(environment), cwd=place, start_new_session=True)  # noqa: S603
        with _not_orphaned(process):
            try:
                while process.poll() is None and not stop.wait(_POLL_SECONDS):
                    pass
                asked = stop.is_set()
            finally:
                _end(process)
        return 0 if asked else process.returncode or 1


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Interrupt ``dagster dev``, which ends its services in order, and then whatever run is still at work.

    A run worker outlives its code server. Asked first, it records its run as failed; killed at once, its run would count
    as running, and keep its lane closed, until ``max_runtime`` is over.
    """
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_SERVICES_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + _WORKERS_SECONDS
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(_POLL_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _not_orphaned(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """A shell that reads our end of a pipe: it wakes up if this process is killed, and ends the session in its place."""
    session = f"-{process.pid}"
    last_will = (
        f"read _; kill -2 {process.pid}; sleep 5; kill -15 {session}; "
        f"n=0; while kill -0 {session} && [ $n -lt 10 ]; do sleep 1; n=$((n + 1)); done; kill -9 {session}"
    )
    shell = ["/bin/sh", "-c", last_will]
    silent = subprocess.DEVNULL
    with subprocess.Popen(shell, stdin=subprocess.PIPE, stderr=silent, start_new_session=True) as heir:  # noqa: S603
        try:
            yield
        finally:
            heir.kill()


@contextmanager
def _signals_set(stop: threading.Event) -> Iterator[None]:
    def note(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _running_beside(beside: Sequence[Beside], stop: threading.Event) -> Iterator[None]:
    threads = [threading.Thread(target=work, args=[stop], name=f"beside-{n}", daemon=True) for n, work in enumerate(beside)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(_BESIDE_SECONDS)
