"""What the operator decides about alerts: how often, when to be quiet, and what is a trouble at all.

Belongs here: the section ``[alerts]`` of the TOML file. Does not: the decisions made by it (domain/throttle), nor where alerts go
(``ALERT_URLS``, because addresses hold secrets).
"""

from datetime import datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is no IANA time zone; write it like America/New_York")
    return name


class AlertPolicy(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    ui_url: str = "http://127.0.0.1:3000"
    """Where people reach the UI; links in messages begin with it."""
    throttle_minutes: Annotated[float, Field(ge=0)] = 5.0
    """Two messages of one matter are this far apart at least."""
    remind_hours: Annotated[float, Field(gt=0)] = 4.0
    """A matter that stays open is told again this often."""
    most_in_one: Annotated[int, Field(ge=1, le=50)] = 10
    quiet_from: time | None = None
    quiet_until: time | None = None
    """Between the two only critical matters are sent; the others wait."""
    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """Of the quiet hours."""
    orphan_growth: Annotated[float, Field(gt=1)] = 2.0
    """A day's orphans over their mean of the week before."""
    least_orphans: Annotated[int, Field(ge=1)] = 100
    review_age_hours: Annotated[float, Field(gt=0)] = 24.0

    @property
    def throttle(self) -> timedelta:
        return timedelta(minutes=self.throttle_minutes)

    @property
    def reminder(self) -> timedelta:
        return timedelta(hours=self.remind_hours)

    def is_quiet(self, now: datetime) -> bool:
        """Whether ``now`` lies in the quiet hours, which may go past midnight; equal bounds mean none."""
        if self.quiet_from is None or self.quiet_until is None or self.quiet_from == self.quiet_until:
            return False
        wall = now.astimezone(ZoneInfo(self.time_zone)).time()
        if self.quiet_from < self.quiet_until:
            return self.quiet_from <= wall < self.quiet_until
        return wall >= self.quiet_from or wall < self.quiet_until
