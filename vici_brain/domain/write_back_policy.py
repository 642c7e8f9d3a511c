"""What the operator decides about writing to a dialer: which way, which campaigns, how often a lost code is written again.

Belongs here: the settings' shape and their defaults; without such a section nothing is ever written to a dialer. Does not:
reading them (settings), nor opening what they name (flows/writers).
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


class PushPolicy(BaseModel):
    """``[dialers.write_back.push]``: where leads that are new in Brain go."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    list_id: Annotated[int, Field(ge=100)]
    campaign_id: Annotated[str, Field(min_length=1, max_length=8)]
    phone_code: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}$")] = "1"
    most_per_run: Annotated[int, Field(ge=1, le=10_000)] = 500


class WriteBackPolicy(BaseModel):
    """``[dialers.write_back]``: the separate, narrow login that codes are written with."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    write_database_url_env: str | None = None
    """Name of the variable that holds the write login's whole URL; codes are then written by SQL."""
    api_url: Annotated[str, Field(pattern=r"^https?://[^/@\s]+/\S*$")] | None = None
    """Address of non_agent_api.php; leads are added by it, and codes written by it where there is no write login."""
    api_user: str | None = None
    api_password_env: str | None = None
    api_source: Annotated[str, Field(min_length=2, max_length=20)] = "brain"
    api_seconds: Annotated[float, Field(gt=0, le=120)] = 10.0
    campaigns: tuple[str, ...] = ()
    """Campaigns whose leads the schedule writes; the command names its own."""
    batch: Annotated[int, Field(ge=1, le=500)] = 200
    verify_after_hours: Annotated[float, Field(gt=0, le=72)] = 4.0
    """The agent screen may put back what it loaded when the call began."""
    most_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    push: PushPolicy | None = None

    @model_validator(mode="after")
    def _some_way(self) -> Self:
        if self.write_database_url_env is None and self.api_url is None:
            raise ValueError("give write_database_url_env, or api_url with api_user and api_password_env")
        if (self.api_url is None) != (self.api_user is None) or (self.api_url is None) != (self.api_password_env is None):
            raise ValueError("api_url, api_user and api_password_env belong together")
        if self.push is not None and self.api_url is None:
            raise ValueError("push needs api_url: new leads are added through the dialer's API")
        return self

    @property
    def verify_after(self) -> timedelta:
        return timedelta(hours=self.verify_after_hours)


@dataclass(frozen=True, slots=True)
class WriteAccess:
    """The policy with the secrets that it names; ``missing`` are variables that should have held one and do not."""

    policy: WriteBackPolicy
    url: SecretStr | None = None
    api_password: SecretStr | None = None
    missing: tuple[str, ...] = ()
