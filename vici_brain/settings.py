"""What the operator decides, read once: environment variables and an optional TOML file. Nothing else reads either.

Belongs here: names, defaults, validation, and opening what a setting names. Does not: secrets in files (a file names the
environment variable that holds one), nor anything that happens at import.
"""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import Engine, make_url
from sqlalchemy.exc import ArgumentError

from vici_brain.brain.breakers import Breaker
from vici_brain.brain.consistency_log import keep_log
from vici_brain.brain.database import migrate, open_brain
from vici_brain.domain.alert_policy import AlertPolicy
from vici_brain.domain.consistency_policy import ConsistencyPolicy
from vici_brain.domain.expectation_policy import ExpectationPolicy
from vici_brain.domain.lead_policy import LeadPolicy
from vici_brain.domain.report_policy import ReportPolicy
from vici_brain.domain.write_back_policy import WriteAccess, WriteBackPolicy
from vici_brain.errors import ConfigurationError
from vici_brain.flows.guarding import GuardedDialer
from vici_brain.flows.writing import Site
from vici_brain.settings_file import PROOF_TIERS, ConfigFile, DialerTable, ProofTier, read_file, zone_name
from vici_brain.vici.connect import ReadPolicy
from vici_brain.vici.dialer import Dialer

PROJECT = Path(__file__).resolve().parent.parent
"""The checkout, where dagster.yaml and workspace.yaml lie."""
SIMULATED_ZONE = "America/New_York"


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class DialerSettings:
    """One dialer: where it is (``None``: the simulated one), and the zone its machines live in."""

    name: str
    time_zone: str
    url: SecretStr | None
    missing: str = ""
    """Which environment variable should have held the address, when it did not."""
    policy: ReadPolicy = field(default_factory=ReadPolicy)
    write_access: WriteAccess | None = None
    """``None``: nothing is ever written to this dialer."""

    @property
    def simulated(self) -> bool:
        return self.url is None and not self.missing


@dataclass(frozen=True, slots=True)
class Settings:
    home: Path
    brain_url: SecretStr | None
    dagster_url: SecretStr | None
    dialers: tuple[DialerSettings, ...]
    sync_start: date
    slow_sync_seconds: float = 60.0
    stale_after: timedelta = timedelta(minutes=15)
    alert_urls: tuple[SecretStr, ...] = ()
    simulated_url: SecretStr | None = None
    trailing_proof: timedelta = timedelta(minutes=30)
    pages_url: str | None = None
    """Where people reach what `vici-brain pages` serves."""
    proof_tiers: tuple[ProofTier, ...] = PROOF_TIERS
    reports: ReportPolicy = field(default_factory=ReportPolicy)
    alerts: AlertPolicy = field(default_factory=AlertPolicy)
    expectations: ExpectationPolicy = field(default_factory=ExpectationPolicy)
    leads: LeadPolicy = field(default_factory=LeadPolicy)
    consistency: ConsistencyPolicy = field(default_factory=ConsistencyPolicy)

    def dialer_settings(self, instance: str) -> DialerSettings:
        for dialer in self.dialers:
            if dialer.name == instance:
                return dialer
        raise ConfigurationError(f"there is no dialer {instance!r}; configured are: {', '.join(d.name for d in self.dialers)}")

    def simulated_dialer_url(self, instance: str) -> str:
        """Where the simulated dialer lives: a SQLite file under ``home``, or the server that was named for it."""
        if self.simulated_url is not None:
            return self.simulated_url.get_secret_value().replace("{instance}", instance)
        return f"sqlite:///{self.home / f'dialer-{instance}.sqlite3'}"

    def simulated_dialer_memory(self, instance: str) -> Path:
        """See :func:`memory_of`."""
        return memory_of(self.home, instance)

    def open_dialer(self, instance: str) -> Dialer:
        """The dialer, not yet connected; raises ConfigurationError when the variable with its address is not set."""
        found = self.dialer_settings(instance)
        if found.missing:
            raise ConfigurationError(f"{instance}: the environment variable {found.missing}, which holds its address, is not set")
        if found.simulated and not self.simulated_dialer_memory(instance).exists():
            raise ConfigurationError(
                f"{instance}: no dialer is configured and the simulated one was not made yet: "
                "run `make demo`, or set VICI_DATABASE_URL and VICI_TIME_ZONE"
            )
        url = found.url.get_secret_value() if found.url else self.simulated_dialer_url(instance)
        return Dialer(instance, url, found.time_zone, found.policy)

    def breaker(self, brain: Engine, key: str, clock: Callable[[], datetime] = _utc_now) -> Breaker:
        """The breaker of ``key`` (``dialer:east``, ``network:admitad``, ``appointment_booking:service:7``), one for everybody."""
        return Breaker(brain, key, self.consistency.breaker, clock)

    def guarded_dialer(self, instance: str, brain: Callable[[], Engine], clock: Callable[[], datetime] = _utc_now) -> Dialer:
        """The dialer behind its breaker; Brain, which keeps that, is asked for when a session is opened."""
        return GuardedDialer(self.open_dialer(instance), lambda: self.breaker(brain(), f"dialer:{instance}", clock))

    def site(self, instance: str, dialer: Dialer, brain: Engine, clock: Callable[[], datetime]) -> Site:
        """What a write to ``instance`` works with; the calls of every configured dialer count for the 30-day rule."""
        access, names = self.dialer_settings(instance).write_access, [each.name for each in self.dialers]
        return Site(dialer, brain, access, names, clock, self.stale_after)

    def open_brain(self) -> Engine:
        """Brain's engine; starts the embedded PostgreSQL, and migrates that one, when no other is configured."""
        keep_log(self.home)
        if self.brain_url is not None:
            return open_brain(self.brain_url.get_secret_value())
        # Only the embedded server needs the wheel, and only here.
        from vici_brain.brain.embedded import embedded_postgres  # noqa: PLC0415

        server = embedded_postgres(self.home)
        server.ensure_database("brain")
        engine = open_brain(server.url("brain"))
        migrate(engine)
        return engine


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from ``environment`` (default: the process's own) and the TOML file it names; raises ConfigurationError."""
    variables = os.environ if environment is None else environment  # noqa: TID251 - the one place
    given = {name: value for name, value in variables.items() if value.strip()}
    file = read_file(given["VICI_BRAIN_CONFIG"]) if "VICI_BRAIN_CONFIG" in given else ConfigFile()
    home = Path(given.get("VICI_BRAIN_HOME", ".vici-brain")).expanduser().resolve()
    dialers = _dialers(file, given)
    return Settings(
        home=home,
        brain_url=_secret(given.get("BRAIN_DATABASE_URL")),
        dagster_url=_secret(given.get("DAGSTER_DATABASE_URL")),
        dialers=dialers,
        sync_start=_sync_start(given.get("VICI_SYNC_START"), file, [memory_of(home, it.name) for it in dialers if it.simulated]),
        slow_sync_seconds=file.slow_sync_seconds,
        stale_after=timedelta(minutes=file.stale_after_minutes),
        trailing_proof=timedelta(minutes=file.trailing_proof_minutes),
        proof_tiers=file.proof_tiers,
        reports=file.reports,
        alerts=file.alerts,
        expectations=file.expectations,
        leads=file.leads,
        consistency=file.consistency,
        simulated_url=_secret(given.get("VICI_SIMULATED_DATABASE_URL")),
        pages_url=_pages_url(given.get("PAGES_URL")),
        alert_urls=tuple(SecretStr(url) for url in re.split(r"[,\s]+", given.get("ALERT_URLS", "")) if url),
    )


def export(environment: Mapping[str, str]) -> None:
    """Puts variables that other software reads by itself (Dagster's own) into this process's environment."""
    os.environ.update(environment)  # noqa: TID251 - the one place


def inherited_environment() -> dict[str, str]:
    """The environment that processes started from here inherit."""
    return dict(os.environ)  # noqa: TID251 - the one place


def _dialers(file: ConfigFile, given: Mapping[str, str]) -> tuple[DialerSettings, ...]:
    if file.dialers is None:
        zone = given.get("VICI_TIME_ZONE")
        url = _secret(given.get("VICI_DATABASE_URL"))
        if url is not None and zone is None:
            raise ConfigurationError(
                "VICI_TIME_ZONE is not set: name the zone the dialer's machines live in, like America/New_York"
            )
        try:
            return (DialerSettings("vici", zone_name(zone or SIMULATED_ZONE), url),)
        except ValueError as error:
            raise ConfigurationError(f"VICI_TIME_ZONE: {error}") from None
    names = [table.name for table in file.dialers]
    if len(set(names)) < len(names):
        raise ConfigurationError(f"two dialers have the same name: {', '.join(sorted(names))}")
    return tuple(replace(_dialer(table, given), write_access=_write_access(table.write_back, given)) for table in file.dialers)


def _write_access(policy: WriteBackPolicy | None, given: Mapping[str, str]) -> WriteAccess | None:
    if policy is None:
        return None
    named = [name for name in (policy.write_database_url_env, policy.api_password_env) if name is not None]
    url, password = (_secret(given.get(name or "")) for name in (policy.write_database_url_env, policy.api_password_env))
    return WriteAccess(policy, url, password, tuple(name for name in named if name not in given))


def _dialer(table: DialerTable, given: Mapping[str, str]) -> DialerSettings:
    policy = ReadPolicy(
        timedelta(minutes=table.slice_minutes),
        table.page_rows,
        table.statement_seconds,
        replication_channel=table.replication_channel,
    )
    if table.database_url_env is not None:
        url = given.get(table.database_url_env)
        return DialerSettings(table.name, table.time_zone, _secret(url), "" if url else table.database_url_env, policy)
    if table.database_url is None:
        return DialerSettings(table.name, table.time_zone, None, "", policy)
    try:
        parsed = make_url(table.database_url)
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            f"{table.name}: database_url cannot be read; its form is mysql+pymysql://USER@HOST:3306/asterisk"
        ) from None
    if parsed.password or {"password", "passwd"} & parsed.query.keys():
        raise ConfigurationError(
            f"{table.name}: database_url holds a password; name its environment variable in password_env instead"
        )
    if table.password_env is None:
        return DialerSettings(table.name, table.time_zone, SecretStr(table.database_url), "", policy)
    password = given.get(table.password_env)
    url = parsed.set(password=password).render_as_string(hide_password=False)
    return DialerSettings(table.name, table.time_zone, SecretStr(url), "" if password else table.password_env, policy)


def memory_of(home: Path, instance: str) -> Path:
    """The file that remembers how large a simulated site was made; without it there is no simulated dialer yet."""
    return home / f"dialer-{instance}.json"


def _sync_start(given: str | None, file: ConfigFile, memories: Sequence[Path]) -> date:
    """The configured day; else that on which the simulated dialers opened; else the first day of the quarter 90 days ago.

    A start that moved every day would make Dagster rebuild its caches every day.
    """
    if given is not None:
        try:
            return date.fromisoformat(given)
        except ValueError:
            raise ConfigurationError(f"VICI_SYNC_START is {given!r}; write a UTC date like 2026-01-31") from None
    if file.sync_start is not None:
        return file.sync_start
    if made := [memory for memory in memories if memory.exists()]:
        return min(_first_utc_day(json.loads(memory.read_text())) for memory in made)
    day = (datetime.now(UTC) - timedelta(days=90)).date()
    return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)


def _first_utc_day(known: Mapping[str, str]) -> date:
    return date.fromisoformat(known.get("first_utc_day", known["first_day"]))


def _pages_url(given: str | None) -> str | None:
    if given is None or given.startswith(("http://", "https://")):
        return given
    raise ConfigurationError(
        f"PAGES_URL is {given!r}; write the address of `vici-brain pages`, like https://pages.example.internal"
    )


def _secret(value: str | None) -> SecretStr | None:
    return SecretStr(value) if value else None
