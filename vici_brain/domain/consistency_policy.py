"""What the operator decides about calls and appointments that agree: limits, delays, schedules and goals.

Belongs here: names, defaults and bounds. Does not: reading them from a file (settings), or acting on them (flows).
"""

from datetime import timedelta
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from vici_brain.domain.breaker import BreakerPolicy
from vici_brain.domain.cron import is_cron


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is no IANA time zone; write it like America/New_York")
    return name


def _cron(expression: str) -> str:
    if not is_cron(expression):
        raise ValueError(f"{expression!r} is no schedule; write minute, hour, day, month and weekday in numbers, like 0 8 * * *")
    return expression


class ConsistencyPolicy(BaseModel):
    """The table ``[consistency]`` of the TOML file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    appointment_age_seconds: Annotated[int, Field(ge=1, le=86_400)] = 300
    alert_throttle_minutes: Annotated[float, Field(ge=0, le=1440)] = 5
    breaker_failures: Annotated[int, Field(ge=1, le=100)] = 3
    breaker_cooldown_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    breaker_successes: Annotated[int, Field(ge=1, le=100)] = 2
    sweep_overdue_minutes: Annotated[int, Field(ge=1, le=10_080)] = 60
    sweep_cron: Annotated[str, AfterValidator(_cron)] = "*/15 * * * *"
    review_cron: Annotated[str, AfterValidator(_cron)] = "7 * * * *"
    report_cron: Annotated[str, AfterValidator(_cron)] = "0 8 * * *"
    report_time_zone: Annotated[str, AfterValidator(_zone)] = "America/New_York"

    @property
    def throttle(self) -> timedelta:
        return timedelta(minutes=self.alert_throttle_minutes)

    @property
    def appointment_age(self) -> timedelta:
        return timedelta(seconds=self.appointment_age_seconds)

    @property
    def breaker(self) -> BreakerPolicy:
        return BreakerPolicy(
            failures=self.breaker_failures,
            cooldown=timedelta(seconds=self.breaker_cooldown_seconds),
            successes=self.breaker_successes,
        )
