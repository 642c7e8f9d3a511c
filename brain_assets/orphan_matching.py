"""Passes over orphans of any age: the job that gives calls the leads that came after them.

Belongs here: the job and its options. Does not: when it runs (automation, sensors/new_leads), or the rules of matching (brain).
"""

from datetime import UTC, datetime

import dagster as dg
from pydantic import Field, field_validator

from vici_brain.brain.journal import SyncIdentity
from vici_brain.errors import BusyError
from vici_brain.flows.match_calls import OrphanMatch, rematch_orphans
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.orchestration.automation import job_tags
from vici_brain.orchestration.reporting import as_failures, as_metadata, trigger_of
from vici_brain.orchestration.resources import Connections


class OrphanPass(dg.Config):
    """What a pass looks at; as it stands, every orphan, and matches are written."""

    limit: int | None = Field(default=None, ge=1, description="Look at so many orphans at most; unset: all of them")
    dry_run: bool = Field(default=False, description="Match and count, but write nothing, not even a row of sync_logs")
    since: str | None = Field(
        default=None,
        description="Only orphans that leads created since this instant can claim, like 2026-01-31T12:00:00Z; unset: all",
    )

    @field_validator("since")
    @classmethod
    def _an_instant(cls, since: str | None) -> str | None:
        if since is not None:
            datetime.fromisoformat(since)
        return since

    @property
    def since_instant(self) -> datetime | None:
        """``since`` as an instant; without a zone it is UTC."""
        given = None if self.since is None else datetime.fromisoformat(self.since)
        return given if given is None or given.tzinfo else given.replace(tzinfo=UTC)


def match_orphans_job(instance: str) -> dg.JobDefinition:
    """``match_orphans_<instance>``; a second pass beside a running one ends at once, without an error."""
    names = InstanceNames(instance)

    @dg.op(
        name=names.orphan_op,
        description=f"Gives orphans of the dialer {instance} their lead, whatever the calls' age",
        pool=names.orphan_pool,
    )
    def rematch(context: dg.OpExecutionContext, config: OrphanPass, connections: dg.ResourceParam[Connections]) -> None:
        identity = SyncIdentity(instance, "match_orphans", trigger_of(context.run.tags), run_id=context.run_id)
        with as_failures(context):
            try:
                done = rematch_orphans(
                    connections.brain, identity, since=config.since_instant, limit=config.limit, dry_run=config.dry_run
                )
            except BusyError as busy:
                context.log.info("nothing done: %s", busy)
                context.add_output_metadata({"skipped": str(busy)})
                return
        _report(context, names, done, config)

    @dg.job(
        name=names.orphan_job,
        description=f"One pass over the orphans of the dialer {instance}; options: limit, dry_run, since",
        tags=job_tags(names.orphan_lane, seconds=540),
        executor_def=dg.in_process_executor,
    )
    def match_orphans() -> None:
        rematch()

    return match_orphans


def _report(context: dg.OpExecutionContext, names: InstanceNames, done: OrphanMatch, config: OrphanPass) -> None:
    shown = {
        **as_metadata(done.counts),
        **as_metadata(done, without=("counts",)),
        "matched": dg.MetadataValue.int(done.counts.matched),
        "dry_run": dg.MetadataValue.bool(config.dry_run),
    }
    counts = done.counts
    context.log.info("%d orphans looked at, %d matched: %s", counts.examined, counts.matched, counts.by_rule)
    context.add_output_metadata(shown)
    context.log_event(dg.AssetObservation(names.orphan_call_logs, metadata=shown))
