"""Calls of every system beside their appointments: the asset that is fed from the dialers, and the one that others write.

Belongs here: feeding and sweeping as a run does it. Does not: the rules (brain/consistency), or their standing checks (checks).
"""

import dagster as dg
from pydantic import Field

from vici_brain.brain.crm_calls import BATCH, CrmCalls
from vici_brain.brain.shown_tables import appointments as appointments_table
from vici_brain.brain.shown_tables import calls as calls_table
from vici_brain.flows.watch_consistency import sweep
from vici_brain.orchestration.asset_keys import APPOINTMENTS, CALLS, CONSISTENCY_GROUP, OWNERS, InstanceNames
from vici_brain.orchestration.reporting import as_failures, as_metadata, table_metadata
from vici_brain.orchestration.resources import Connections
from vici_brain.settings import Settings


class Feeding(dg.Config):
    """How calls are fed; as it stands, in transactions that no other writer waits for long."""

    batch: int = Field(default=BATCH, ge=100, le=100_000, description="Calls that one transaction feeds")


def calls(settings: Settings) -> dg.AssetsDefinition:
    """``calls``: matched calls in, and the sweep over whatever changed in it, by whomever."""

    @dg.asset(
        key=CALLS,
        deps=[InstanceNames(dialer.name).call_metrics for dialer in settings.dialers],
        description="Calls of every system, one row each: fed from the dialers' matched calls, and written by AI calls and web "
        "bookings, whose rows the feed never touches. Each run feeds what changed and sweeps it for disagreement.",
        group_name=CONSISTENCY_GROUP,
        owners=OWNERS,
        kinds={"postgres", "table"},
        metadata=table_metadata(calls_table),
    )
    def feed_and_sweep(
        context: dg.AssetExecutionContext, config: Feeding, connections: dg.ResourceParam[Connections]
    ) -> dg.MaterializeResult[None]:
        with as_failures(context):
            fed = CrmCalls(connections.brain).feed(config.batch)
            done = sweep(connections.brain, connections.clock(), connections.settings.consistency)
        for rule, count in done.found.items():
            if count:
                context.log.warning("consistency: rule=%s found=%d", rule, count)
        return dg.MaterializeResult(metadata={**as_metadata(fed, prefix="feed/"), **as_metadata(done, prefix="sweep/")})

    return feed_and_sweep


def appointments() -> dg.AssetSpec:
    """``appointments``, written by the systems that book."""
    return dg.AssetSpec(
        APPOINTMENTS,
        deps=[CALLS],
        description="Appointments of every system, written by those that book; the evidence that a call made one",
        group_name=CONSISTENCY_GROUP,
        kinds={"postgres", "table"},
        metadata=table_metadata(appointments_table),
        owners=OWNERS,
    )
