"""The check that shows a silent dialer in the catalog; a sensor marks it every quarter of an hour, a person can run it any time.

Belongs here: the check's definition. Does not: looking (flows/watch_silence) or the marks without a run (sensors/silence).
"""

import dagster as dg

from vici_brain.flows.watch_silence import watch_silence
from vici_brain.orchestration.reporting import as_failures
from vici_brain.orchestration.resources import Connections
from vici_brain.orchestration.silence import CHECK, checked_asset, metadata_of, severity_of, told
from vici_brain.settings import DialerSettings


def silence_check(dialer: DialerSettings) -> dg.AssetChecksDefinition:
    """``dialer_is_as_busy_as_usual`` on the dialer's own table of calls."""

    @dg.asset_check(
        name=CHECK,
        asset=checked_asset(dialer.name),
        description="No alert is open about the dialer or one of its campaigns having gone silent. If not: is the dialer on, do "
        "agents log in, does its hopper have leads? The alert ends by itself when calls come again.",
    )
    def dialer_is_as_busy_as_usual(
        context: dg.AssetCheckExecutionContext, connections: dg.ResourceParam[Connections]
    ) -> dg.AssetCheckResult:
        with as_failures(context):
            settings, now = connections.settings, connections.clock()
            seen = watch_silence(connections.brain, dialer.name, dialer.time_zone, now, stale_after=settings.stale_after)
        return dg.AssetCheckResult(
            passed=seen.is_busy_as_usual, severity=severity_of(seen), description=told(seen), metadata=metadata_of(seen)
        )

    return dialer_is_as_busy_as_usual
