"""Reporting one day: count it, compare it, judge it, store it, and tell people of the newest.

Belongs here: the order of these. Does not: pictures and files (orchestration/call_report), or sending (flows/send_alerts).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import reduce
from operator import add

from sqlalchemy import Engine

from vici_brain.brain.daily_calls import DailyCalls, put_report
from vici_brain.brain.database import brain_errors
from vici_brain.brain.outbox import Message, tell, was_told
from vici_brain.domain.call_report import InstanceDay, anomalies
from vici_brain.domain.call_report_page import summary, title
from vici_brain.domain.report_policy import ReportPolicy
from vici_brain.errors import ConfigurationError
from vici_brain.vici.call_tables import CALL_TABLES

KIND = "daily_call_report"


@dataclass(frozen=True, slots=True)
class CallReport:
    """All dialers together first, then each; ``told`` if this call put the message out."""

    day: date
    total: InstanceDay
    instances: tuple[InstanceDay, ...]
    told: bool

    @property
    def all(self) -> tuple[InstanceDay, ...]:
        """With one dialer the total is that dialer's report under another name, and is left out of what people read."""
        return (self.total, *self.instances) if len(self.instances) > 1 else self.instances


def report_calls(
    brain: Engine,
    instances: Sequence[str],
    day: date,
    policy: ReportPolicy,
    now: datetime,
    *,
    link: str | None = None,
    tells: bool = True,
) -> CallReport:
    """Makes the report of ``day`` anew and stores it; the message goes out once, and only for the newest day that is over.

    Without ``tells`` it goes out with a later report of that day, if one is made in time.

    Raises ConfigurationError for a day that is not over.
    """
    if day > policy.newest_day(now):
        raise ConfigurationError(
            f"{day} is not over in {policy.time_zone}; the newest day with a report is {policy.newest_day(now)}"
        )
    each = tuple(_instance_day(brain, instance, day, policy) for instance in instances)
    total = _together(each, policy)
    with brain_errors(), brain.begin() as connection:
        for report in (total, *each):
            put_report(connection, report, now)
        fingerprint = f"{KIND}/{day}"
        told = tells and day == policy.newest_day(now) and not was_told(connection, fingerprint)
        made = CallReport(day, total, each, told)
        if told:
            shown = made.all
            severity = "warning" if any(report.anomalies for report in shown) else "info"
            tell(connection, Message(KIND, fingerprint, f"Calls of {title(shown[0])}", summary(shown), severity, link), now)
    return made


def _instance_day(brain: Engine, instance: str, day: date, policy: ReportPolicy) -> InstanceDay:
    counted = DailyCalls(brain, instance, [table.name for table in CALL_TABLES])
    window = policy.window(day)
    calls, care = counted.calls(window, policy.time_zone), counted.care(window)
    earlier = [day - timedelta(days=1), *(day - timedelta(weeks=week) for week in range(1, policy.weeks + 1))]
    before, *weekdays = (counted.calls(policy.window(each), policy.time_zone) for each in earlier)
    odd = anomalies(calls, care, weekdays, policy)
    return InstanceDay(instance, day, policy.time_zone, window, calls, care, before, tuple(weekdays), odd)


def _together(reports: Sequence[InstanceDay], policy: ReportPolicy) -> InstanceDay:
    """All dialers as one, judged as one."""
    first = reports[0]
    calls, care = reduce(add, (each.calls for each in reports)), reduce(add, (each.care for each in reports))
    before = reduce(add, (each.day_before for each in reports))
    weekdays = tuple(reduce(add, days) for days in zip(*(each.weekdays for each in reports), strict=True))
    found = anomalies(calls, care, weekdays, policy)
    return replace(first, instance="", calls=calls, care=care, day_before=before, weekdays=weekdays, anomalies=found)
