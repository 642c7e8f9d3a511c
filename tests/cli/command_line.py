"""The command line as a shell starts it: the entry point, an environment of its own, and what it printed where.

The last three functions are made fixtures by the files that need them: a second conftest.py would be a second module of its name.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from builders import NEW_YORK, Exchange, exchange
from sqlalchemy import Engine, create_engine, text

from vici_brain.cli.main import main
from vici_brain.flows.simulate_site import SimulatedSite, SiteSize, days_back

VARIABLES = (
    *("BRAIN_DATABASE_URL", "DAGSTER_DATABASE_URL", "VICI_DATABASE_URL", "VICI_TIME_ZONE", "VICI_BRAIN_CONFIG"),
    *("VICI_SYNC_START", "VICI_BRAIN_HOME", "VICI_SIMULATED_DATABASE_URL", "ALERT_URLS"),
)


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class CommandLine:
    """Starts commands in this process, through the same function that the console script calls."""

    def __init__(
        self, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        self.set(COLUMNS="400", **environment)

    def set(self, **environment: str) -> None:
        for name, value in environment.items():
            self._monkeypatch.setenv(name, value)

    def __call__(self, *arguments: str) -> Done:
        self._monkeypatch.setattr(sys, "argv", ["vici-brain", *arguments])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        return Done(int(end.value.code or 0), *self._capsys.readouterr())


@contextmanager
def second_engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def a_dialer(folder: Path, name: str = "vici") -> Iterator[Exchange]:
    """A dialer in a SQLite file, without a call."""
    with exchange(f"sqlite:///{folder}/{name}.db") as opened:
        yield opened


def simulated_site(home: Path, brain: Engine, *, days: int = 8, calls_per_day: int = 40) -> None:
    """A simulated call centre in ``home`` as the demo leaves it there: at least five of its days are working days."""
    now = datetime.now(UTC)
    memory, url = home / "dialer-vici.json", f"sqlite:///{home}/dialer-vici.sqlite3"
    site = SimulatedSite(url, memory, "vici", "America/New_York", SiteSize(days_back(now, days), calls_per_day, leads=300))
    try:
        site.open_doors(now)
        site.tell_brain(brain, None, now)
    finally:
        site.close()


def keys_at_the_dialer(home: Path) -> set[str]:
    """Counted with plain SQL on the simulated dialer's file."""
    with second_engine(f"sqlite:///{home}/dialer-vici.sqlite3") as engine, engine.connect() as connection:
        return {
            f"{table}/{key}"
            for table, column in (("vicidial_log", "uniqueid"), ("vicidial_closer_log", "closecallid"))
            for copy in ("", "_archive")
            for (key,) in connection.execute(text(f"SELECT {column} FROM {table}{copy}"))
        }


def empty_dialer(tmp_path: Path) -> Iterator[Exchange]:
    """The dialer of ``one_dialer``, to be given calls."""
    with a_dialer(tmp_path) as opened:
        yield opened


def one_dialer(
    brain_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """A command line over a migrated Brain and one dialer in a SQLite file."""
    environment = {
        "BRAIN_DATABASE_URL": brain_url,
        "VICI_DATABASE_URL": f"sqlite:///{tmp_path}/vici.db",
        "VICI_TIME_ZONE": NEW_YORK,
        "VICI_BRAIN_HOME": str(tmp_path),
    }
    return CommandLine(environment, monkeypatch, capsys)


def no_dialer(brain_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The same where no dialer is configured, so that the simulated one is meant."""
    return CommandLine({"BRAIN_DATABASE_URL": brain_url, "VICI_BRAIN_HOME": str(tmp_path)}, monkeypatch, capsys)
