"""Watching one dialer for silence: the verdict on its last hour, and the alert that is raised or resolved by it.

Belongs here: which hours are judged, and keeping the alerts in step. Does not: the verdict
(domain/silence), or when to watch (sensors).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from vici_brain.brain.activity import Activity
from vici_brain.brain.alerts import DialerAlert, DialerAlerts
from vici_brain.brain.ledger import Ledger
from vici_brain.domain.silence import DIALER, Verdict, change, judge
from vici_brain.domain.windows import BUCKET, floor_to
from vici_brain.vici.call_tables import CALL_TABLES

# The watch comes by every quarter of an hour; an outage of exactly an hour shows only at the right five minutes.
_MARKS = 3
_STALE_AFTER = timedelta(minutes=15)
_TYPES = {True: ("dialer_silent", "critical"), False: ("campaign_silent", "warning")}


@dataclass(frozen=True, slots=True)
class SilenceWatch:
    """What one look found; silences are named by campaign, blank for the whole dialer."""

    instance: str
    until: datetime
    verdict: Verdict
    raised: tuple[str, ...] = ()
    resolved: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()

    @property
    def is_busy_as_usual(self) -> bool:
        return not self.opened

    @property
    def is_whole_dialer(self) -> bool:
        return DIALER in self.opened


def watch_silence(
    brain: Engine, instance: str, zone: str, now: datetime, *, stale_after: timedelta = _STALE_AFTER
) -> SilenceWatch:
    """Judges the hours that ended within the last quarter of one, oldest first, up to where the ledger has read the dialer.

    Where the ledger is older than ``stale_after`` the last hour is asked about all the same, and is unknown. A second look at the
    same hours changes nothing.
    """
    tables = [table.name for table in CALL_TABLES]
    activity, alerts = Activity(brain, instance, ZoneInfo(zone), tables), DialerAlerts(brain, instance)
    newest, now = Ledger(brain).newest(instance, tables), floor_to(now, BUCKET)
    end = newest if newest is not None and now - stale_after <= newest <= now else now
    raised: list[str] = []
    resolved: list[str] = []
    for at in (end - mark * BUCKET for mark in range(_MARKS - 1, -1, -1)):
        verdict = judge(activity.signals(at))
        done = change(_opened(alerts), verdict, at)
        raised += [name for name in done.raised if alerts.raise_once(_alert(instance, name, verdict), at)]
        resolved += [name for name, note in done.resolved.items() if alerts.resolve(_TYPES[name == DIALER][0], name, note, at)]
    return SilenceWatch(instance, end, verdict, tuple(raised), tuple(resolved), tuple(sorted(_opened(alerts))))


def _opened(alerts: DialerAlerts) -> dict[str, datetime]:
    return alerts.opened(*(kind for kind, _ in _TYPES.values()))


def _alert(instance: str, name: str, verdict: Verdict) -> DialerAlert:
    kind, severity = _TYPES[name == DIALER]
    who = f"dialer {instance}" if name == DIALER else f"campaign {name} of dialer {instance}"
    details = {"calls": verdict.calls, "expected": round(verdict.expected, 1), "reasons": list(verdict.reasons)}
    return DialerAlert(kind, severity, name, f"{who} is silent: {'; '.join(verdict.reasons)}", details)
