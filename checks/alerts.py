"""The check that every channel takes what it is sent; the sensor of alerts marks it, a person can run it any time.

Belongs here: the check's definition. Does not: the verdict (orchestration/alerting).
"""

import dagster as dg

from vici_brain.brain.alert_windows import AlertWindows
from vici_brain.orchestration.alerting import CHECK, verdict
from vici_brain.orchestration.asset_keys import OUTGOING_MESSAGES
from vici_brain.orchestration.reporting import as_failures
from vici_brain.orchestration.resources import Connections


def alert_check() -> dg.AssetChecksDefinition:
    """``alerts_reach_people``, on the outbox."""

    @dg.asset_check(
        name=CHECK,
        asset=OUTGOING_MESSAGES,
        description="Every address of ALERT_URLS took the last message sent to it. If not: the reason stands beside its name; "
        "put the address right and try it with `vici-brain alerts test`.",
    )
    def alerts_reach_people(
        context: dg.AssetCheckExecutionContext, connections: dg.ResourceParam[Connections]
    ) -> dg.AssetCheckResult:
        with as_failures(context):
            states = AlertWindows(connections.brain).channels()
        passed, told, metadata = verdict(states, configured=bool(connections.settings.alert_urls))
        return dg.AssetCheckResult(passed=passed, severity=dg.AssetCheckSeverity.ERROR, description=told, metadata=metadata)

    return alerts_reach_people
