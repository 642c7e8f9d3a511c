"""Dialers that have gone silent: a look every quarter of an hour, an alert, and the mark of a check on the dialer's own table.

Belongs here: when to look, and what a tick reports. Does not: the verdict (domain/silence), the alerts (flows/watch_silence), or
the check's definition (checks/silence), which a person can run by hand. The mark is reported without a run: one of those costs
three seconds.
"""

from collections.abc import Sequence

import dagster as dg

from vici_brain.errors import ViciBrainError
from vici_brain.flows.watch_silence import SilenceWatch, watch_silence
from vici_brain.orchestration.resources import Connections
from vici_brain.orchestration.silence import evaluation_of, told
from vici_brain.settings import DialerSettings


def dialer_silence(dialers: Sequence[DialerSettings]) -> dg.SensorDefinition:
    """Watches every dialer; one that cannot be judged does not hide the others."""

    @dg.sensor(
        name="dialer_silence",
        minimum_interval_seconds=900,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Raises an alert when a dialer has no calls for an hour in which its past eight weeks say that it should",
    )
    def watch(_context: dg.SensorEvaluationContext, connections: dg.ResourceParam[Connections]) -> dg.SensorResult:
        looks = [look(connections, dialer) for dialer in dialers]
        marks = [mark for seen in looks if isinstance(seen, SilenceWatch) and (mark := evaluation_of(seen)) is not None]
        return dg.SensorResult(skip_reason="; ".join(told(seen) for seen in looks), asset_events=marks)

    return watch


def look(connections: Connections, dialer: DialerSettings) -> SilenceWatch | str:
    """One dialer, or why it is not known how it fares."""
    try:
        return watch_silence(
            connections.brain, dialer.name, dialer.time_zone, connections.clock(), stale_after=connections.settings.stale_after
        )
    except ViciBrainError as error:
        return f"{dialer.name}: unknown, because Brain could not be asked: {error}"
