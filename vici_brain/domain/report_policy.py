"""What the operator decides about the daily report: whose midnights, when it runs, and what counts as odd.

Belongs here: the section ``[reports]`` of the TOML file. Does not: reading the file (settings) or judging a day (call_report).
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from vici_brain.domain.cron import is_cron
from vici_brain.domain.windows import Window


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is no IANA time zone; write it like America/New_York")
    return name


def _cron(expression: str) -> str:
    if not is_cron(expression):
        raise ValueError(f"{expression!r} is no schedule; write minute, hour, day, month and weekday in numbers, like 30 3 * * *")
    return expression


class ReportPolicy(BaseModel):
    """One zone for all dialers: a day of the total is one day, and a site east and one west would otherwise never add up."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    cron: Annotated[str, AfterValidator(_cron)] = "45 1 * * *"
    """After the last calls of the day were dispositioned and the hourly proof has been over them."""
    look_back_days: Annotated[int, Field(ge=1, le=31)] = 7
    """Reports of so many days are made again when something of their day changed after them."""
    weeks: Annotated[int, Field(ge=1, le=12)] = 4
    """How many of the same weekday a day is compared with."""
    least_calls: Annotated[int, Field(ge=1)] = 50
    """Days and hours below this are too small to be odd."""
    volume_change_percent: Annotated[float, Field(gt=0)] = 50.0
    rate_change_points: Annotated[float, Field(gt=0)] = 5.0
    most_drop_percent: Annotated[float, Field(gt=0, le=100)] = 3.0
    """Of answered calls; where calls are regulated, 3 is the usual limit."""

    def window(self, day: date) -> Window:
        """``day`` from midnight to midnight as the people of the zone see it: 23 or 25 hours where clocks change."""
        zone = ZoneInfo(self.time_zone)
        first, after = (datetime.combine(each, time(), zone).astimezone(UTC) for each in (day, day + timedelta(days=1)))
        return Window(first, after)

    def newest_day(self, now: datetime) -> date:
        """The last day that was over at ``now``."""
        return now.astimezone(ZoneInfo(self.time_zone)).date() - timedelta(days=1)
