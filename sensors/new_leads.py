"""Leads that just arrived: those that a waiting orphan fits start a pass at once, instead of within ten minutes.

Belongs here: what to do about leads seen since the cursor. Does not: counting them (brain/arrivals) or matching (brain_assets).

The cursor is the highest lead id looked at, kept with the requests of the same tick; a lead whose id became visible late is
found by the ten-minute pass.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg

from vici_brain.brain.arrivals import Arrivals, arrivals_after
from vici_brain.errors import ViciBrainError
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.orchestration.automation import is_unfinished
from vici_brain.orchestration.resources import Connections

# Leads that claim to be older came by an import: asking which of them are new costs more than asking all orphans.
OLDEST_SINCE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Decision:
    """Which dialers' orphans get a pass, from which lead on (``None``: all orphans), and why."""

    cursor: int
    instances: tuple[str, ...]
    since: datetime | None
    reason: str


def decide(cursor: int | None, seen: Arrivals, busy: Collection[str], instances: Sequence[str], now: datetime) -> Decision:
    """A pass for each dialer with an orphan that an arrived lead can claim; while one is at work the cursor stays."""
    if cursor is None or seen.newest_id < cursor:
        return Decision(seen.newest_id, (), None, f"begins at lead {seen.newest_id}: earlier ones are the ten-minute pass's")
    if not seen.leads:
        return Decision(seen.newest_id, (), None, f"no lead after {cursor}")
    claimable = seen.claimable
    wanted = [name for name in instances if claimable is None or claimable.get(name)]
    if not wanted:
        return Decision(seen.newest_id, (), None, f"{seen.leads} new leads, and no orphan fits one of them")
    waiting = [name for name in wanted if name in busy]
    reason = f"{seen.leads} new leads for orphans of {', '.join(wanted)}" + (
        f"; a pass is at work on {', '.join(waiting)}, so they wait for the next tick" if waiting else ""
    )
    recent = claimable is not None and seen.oldest is not None and seen.oldest >= now - OLDEST_SINCE
    return Decision(
        cursor if waiting else seen.newest_id,
        tuple(name for name in wanted if name not in busy),
        seen.oldest if recent else None,
        reason,
    )


def leads_that_arrived(jobs: Sequence[dg.JobDefinition], instances: Sequence[str]) -> dg.SensorDefinition:
    """Watches the CRM's leads for all dialers; ``jobs`` are their ``match_orphans`` jobs."""

    @dg.sensor(
        name="leads_that_arrived",
        jobs=jobs,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Leads created since the last look; starts a pass over the orphans of each dialer that one of them fits",
    )
    def watch(context: dg.SensorEvaluationContext, connections: dg.ResourceParam[Connections]) -> dg.SensorResult | dg.SkipReason:
        cursor = int(context.cursor) if context.cursor else None
        try:
            seen = arrivals_after(connections.brain, cursor)
        except ViciBrainError as error:
            return dg.SkipReason(f"unknown, because Brain could not be asked: {error}")
        busy = [name for name in instances if is_unfinished(context.instance, InstanceNames(name).orphan_job)]
        decision = decide(cursor, seen, busy, instances, connections.clock())
        requests = [_request(name, seen.newest_id, decision.since) for name in decision.instances]
        return dg.SensorResult(
            run_requests=requests or None, skip_reason=None if requests else decision.reason, cursor=str(decision.cursor)
        )

    return watch


def _request(instance: str, newest_id: int, since: datetime | None) -> dg.RunRequest:
    names = InstanceNames(instance)
    config = {} if since is None else {"since": since.isoformat()}
    return dg.RunRequest(
        # Once for these leads, however often they are seen; a pass that fails is made good by the ten-minute one.
        run_key=f"{instance}/{newest_id}",
        job_name=names.orphan_job,
        run_config={"ops": {names.orphan_op: {"config": config}}},
    )
