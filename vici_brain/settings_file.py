"""The TOML file named by ``VICI_BRAIN_CONFIG``: its tables, their defaults, and what they may say.

Belongs here: shapes and validation of the file. Does not: the environment, or opening what a setting names (settings).
"""

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from vici_brain.domain.alert_policy import AlertPolicy
from vici_brain.domain.consistency_policy import ConsistencyPolicy
from vici_brain.domain.cron import is_cron
from vici_brain.domain.expectation_policy import ExpectationPolicy
from vici_brain.domain.lead_policy import LeadPolicy
from vici_brain.domain.report_policy import ReportPolicy
from vici_brain.domain.write_back_policy import WriteBackPolicy
from vici_brain.errors import ConfigurationError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}\Z")


def zone_name(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is no IANA time zone; write it like America/New_York")
    return name


def _instance(name: str) -> str:
    if not _NAME.match(name):
        raise ValueError(f"{name!r} is no instance name: lower-case letters, digits and _, at most 31, a letter first")
    return name


def _cron(expression: str) -> str:
    if not is_cron(expression):
        raise ValueError(f"{expression!r} is no schedule; write minute, hour, day, month and weekday in numbers, like 30 3 * * *")
    return expression


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DialerTable(_Strict):
    """One ``[[dialers]]`` table of the TOML file."""

    name: Annotated[str, AfterValidator(_instance)]
    time_zone: Annotated[str, AfterValidator(zone_name)]
    database_url_env: str | None = None
    """Name of the environment variable that holds the whole SQLAlchemy URL, password included."""
    database_url: str | None = None
    """URL without a password; ``password_env`` names the variable that holds it."""
    password_env: str | None = None
    slice_minutes: Annotated[int, Field(ge=5, le=60, multiple_of=5)] = 60
    """A multiple of the ledger's 5 minutes: a bucket that no slice holds whole would never count as read."""
    page_rows: Annotated[int, Field(ge=100, le=50_000)] = 5_000
    statement_seconds: Annotated[int, Field(ge=1, le=60)] = 5
    replication_channel: str | None = None
    write_back: WriteBackPolicy | None = None

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if self.database_url_env is not None and (self.database_url is not None or self.password_env is not None):
            raise ValueError("database_url_env holds the whole address; leave out database_url and password_env")
        if self.password_env is not None and self.database_url is None:
            raise ValueError("password_env needs a database_url, which it completes")
        return self


class ProofTier(_Strict):
    """A proof that looks further back than a tick: how far, and when by the wall clock of the dialer's zone."""

    name: Annotated[str, AfterValidator(_instance)]
    cron: Annotated[str, AfterValidator(_cron)]
    hours: Annotated[float, Field(gt=0, le=24 * 366)]


PROOF_TIERS = (
    ProofTier(name="hourly", cron="12 * * * *", hours=5),
    # After the hour in which most sites archive, whose job empties tables that it has copied.
    ProofTier(name="nightly", cron="30 3 * * *", hours=48),
    ProofTier(name="weekly", cron="30 4 * * 0", hours=24 * 90),
)


class ConfigFile(_Strict):
    """The whole TOML file named by ``VICI_BRAIN_CONFIG``."""

    sync_start: date | None = None
    slow_sync_seconds: Annotated[float, Field(gt=0)] = 60.0
    stale_after_minutes: Annotated[int, Field(ge=5)] = 15
    trailing_proof_minutes: Annotated[int, Field(ge=5, le=240, multiple_of=5)] = 30
    proof_tiers: tuple[ProofTier, ...] = PROOF_TIERS
    reports: ReportPolicy = ReportPolicy()
    alerts: AlertPolicy = AlertPolicy()
    expectations: ExpectationPolicy = ExpectationPolicy()
    leads: LeadPolicy = LeadPolicy()
    consistency: ConsistencyPolicy = ConsistencyPolicy()
    dialers: Annotated[tuple[DialerTable, ...], Field(min_length=1)] | None = None

    @field_validator("proof_tiers")
    @classmethod
    def _different_names(cls, tiers: tuple[ProofTier, ...]) -> tuple[ProofTier, ...]:
        if len({tier.name for tier in tiers}) < len(tiers):
            raise ValueError(f"two tiers have the same name: {', '.join(tier.name for tier in tiers)}")
        return tiers


def read_file(name: str) -> ConfigFile:
    """Raises ConfigurationError for a file that cannot be read, is no TOML or says what cannot be used."""
    path = Path(name).expanduser()
    try:
        return ConfigFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError(f"VICI_BRAIN_CONFIG names {path}, which cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no TOML: {error}") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_input=False))
        raise ConfigurationError(f"{path} has settings that cannot be used: {faults}") from None
