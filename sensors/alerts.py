"""Everything that people must be told of: a look every minute, one message for all of it, and the mark of the check on channels.

Belongs here: when to look, and what a tick reports. Does not: what is looked at and told (orchestration/alerting, flows).
"""

from collections.abc import Sequence

import dagster as dg

from vici_brain.orchestration.alerting import Cursor, mark, one_round
from vici_brain.orchestration.resources import Connections


def alerts(checks: Sequence[dg.AssetCheckKey]) -> dg.SensorDefinition:
    """``checks`` are those whose failures of severity ERROR are told."""

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Failed runs, red checks, open alerts and standing troubles; tells ALERT_URLS of what is new, worse or over, "
        "throttled by matter, and sends what waits in the outbox",
    )
    def tell(context: dg.SensorEvaluationContext, connections: dg.ResourceParam[Connections]) -> dg.SensorResult:
        said, cursor = one_round(connections, context.instance, checks, Cursor.of(context.cursor, connections.clock()))
        context.log.info(said)
        marked = mark(connections)
        return dg.SensorResult(skip_reason=said, cursor=str(cursor), asset_events=[marked] if marked else [])

    return tell
