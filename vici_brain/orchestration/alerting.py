"""One look at everything that people may have to be told of, and the round that tells them; for sensor, check and command.

Belongs here: gathering, the cursor, and the state of the channels in Dagster's words. Does not: deciding or sending (flows).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from vici_brain.brain.alert_windows import AlertWindows, ChannelState
from vici_brain.brain.troubles import Watched, troubles
from vici_brain.domain.alert_text import compose
from vici_brain.domain.throttle import Announcement, Matter
from vici_brain.errors import BusyError, ConfigurationError, ViciBrainError
from vici_brain.flows.alert_channels import AppriseChannels
from vici_brain.flows.send_alerts import send_alerts
from vici_brain.flows.tell_consistency import tell_untold
from vici_brain.orchestration.alert_sources import failed_runs, red_checks
from vici_brain.orchestration.asset_keys import OUTGOING_MESSAGES
from vici_brain.orchestration.reporting import as_value
from vici_brain.orchestration.resources import Connections
from vici_brain.vici.call_tables import CALL_TABLES

CHECK = "alerts_reach_people"
# Their matters come from Brain itself, sooner and with figures.
_TOLD_OTHERWISE = frozenset({CHECK, "nothing_unproven_past_due", "calls_are_fresh", "dialer_is_as_busy_as_usual"})
_FIRST_LOOK = timedelta(hours=1)
_OVERLAP = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to when failed runs were put into the outbox, and when people last heard that Brain is away, which Brain cannot keep."""

    runs_until: datetime
    away_told_at: datetime | None = None

    @classmethod
    def of(cls, text: str | None, now: datetime) -> "Cursor":
        if not text:
            return cls(now - _FIRST_LOOK)
        held = json.loads(text)
        away = held.get("away_told_at")
        return cls(datetime.fromisoformat(held["runs_until"]), datetime.fromisoformat(away) if away else None)

    def __str__(self) -> str:
        away = self.away_told_at
        return json.dumps({"runs_until": self.runs_until.isoformat(), "away_told_at": away.isoformat() if away else None})


def watched(connections: Connections) -> Watched:
    settings = connections.settings
    return Watched(
        [dialer.name for dialer in settings.dialers],
        [table.name for table in CALL_TABLES],
        settings.stale_after,
        settings.slow_sync_seconds,
        settings.alerts,
        settings.consistency.sweep_overdue_minutes * timedelta(minutes=1),
    )


def one_round(
    connections: Connections, instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey], cursor: Cursor
) -> tuple[str, Cursor]:
    """What happened in one line, and where the next round goes on."""
    now, settings = connections.clock(), connections.settings
    channels = AppriseChannels(settings.alert_urls)
    try:
        until = _put_failed_runs(connections, instance, cursor, now)
        tell_untold(connections.brain, now, settings.consistency.throttle)
        matters = [*troubles(connections.brain, watched(connections), now), *red_checks(instance, checks, _TOLD_OTHERWISE)]
        done = send_alerts(connections.brain, matters, channels, settings.alerts, now)
    except BusyError as busy:
        return f"nothing told: {busy}", cursor
    except ViciBrainError as error:
        return _away(connections, channels, str(error), cursor, now)
    nowhere = "" if settings.alert_urls else "; ALERT_URLS names nobody to tell"
    return f"{done}{nowhere}", Cursor(until)


def _put_failed_runs(connections: Connections, instance: dg.DagsterInstance, cursor: Cursor, now: datetime) -> datetime:
    """The newest run that was put; a run is put once, however often it is seen."""
    windows, until = AlertWindows(connections.brain), cursor.runs_until
    for failed_at, matter in failed_runs(instance, cursor.runs_until - _OVERLAP):
        windows.put_run(matter, now)
        until = max(until, failed_at)
    return until


def _away(connections: Connections, channels: AppriseChannels, error: str, cursor: Cursor, now: datetime) -> tuple[str, Cursor]:
    """Brain remembers what was told; while it is away the cursor does, for this one matter."""
    policy = connections.settings.alerts
    since = cursor.away_told_at
    if since is not None and now - since < policy.reminder:
        return f"unknown, because Brain could not be asked (told at {since:%H:%M} UTC): {error}", cursor
    told = "Brain cannot be asked: no call is kept and no alert is known"
    matter = Matter("brain_away", "brain_away", "critical", told, error, "/runs")
    fared = channels.deliver(compose([Announcement(matter, "new")], policy))
    if any(failed is None for failed in fared.values()):
        return f"Brain could not be asked, and people were told: {error}", Cursor(cursor.runs_until, now)
    return f"Brain could not be asked, and nobody could be told: {error}", cursor


def verdict(channels: Sequence[ChannelState], *, configured: bool) -> tuple[bool, str, dict[str, dg.MetadataValue[Any]]]:
    """Whether every channel took the last message sent to it, and what is said of those that did not."""
    broken = [each for each in channels if each.broken_since is not None]
    metadata = {
        each.channel: as_value(each.last_error or f"delivered {each.delivered_at:%Y-%m-%d %H:%M} UTC") for each in channels
    }
    if not configured:
        return True, "ALERT_URLS names nobody to tell", metadata
    told = "; ".join(f"{each.channel} since {each.broken_since:%Y-%m-%d %H:%M} UTC: {each.last_error}" for each in broken)
    return not broken, told or "every channel took the last message", metadata


def mark(connections: Connections) -> dg.AssetCheckEvaluation | None:
    """The verdict as a mark that needs no run; None while Brain is away."""
    try:
        states = AlertWindows(connections.brain).channels()
    except ViciBrainError:
        return None
    passed, told, metadata = verdict(states, configured=bool(connections.settings.alert_urls))
    return dg.AssetCheckEvaluation(
        asset_key=OUTGOING_MESSAGES,
        check_name=CHECK,
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=told,
        metadata=metadata,
    )


def try_channels(connections: Connections) -> dict[str, str | None]:
    """A message of no meaning to every address; what went wrong at each is remembered as of any other."""
    channels = AppriseChannels(connections.settings.alert_urls)
    if not channels.names:
        raise ConfigurationError("ALERT_URLS is not set: give Apprise URLs, separated by commas, like mailto://… or slack://…")
    matter = Matter("test", "test", "info", "a test of alerts", "If you read this, alerts reach you here. Nothing is wrong.")
    fared = channels.deliver(compose([Announcement(matter, "new")], connections.settings.alerts))
    AlertWindows(connections.brain).record_channels(fared, connections.clock())
    return fared
