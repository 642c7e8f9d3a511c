"""The proofs that look further back than a tick: what each covers and when it runs.

Belongs here: jobs and schedules of the tiers. Does not: proving (flows/prove_calls), or the half hour that every tick proves.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field, field_validator

from vici_brain.brain.journal import SyncIdentity
from vici_brain.domain.windows import BUCKET, Window, floor_to
from vici_brain.flows.prove_calls import ProofResult, reconcile
from vici_brain.flows.syncing import SliceProven, Syncing
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.orchestration.automation import job_tags
from vici_brain.orchestration.reporting import as_failures, as_value, trigger_of
from vici_brain.orchestration.resources import Connections
from vici_brain.settings import Settings
from vici_brain.settings_file import ProofTier


class ProofOptions(dg.Config):
    """What to prove; as it stands, the last five hours, repairing what differs."""

    hours: float = Field(default=5, gt=0, le=24 * 366, description="How far back from `until`")
    until: str | None = Field(default=None, description="End of the stretch, like 2026-01-31T12:00:00Z; unset: now")
    repair: bool = Field(default=True, description="Read differing buckets again and stamp calls that are gone at the dialer")

    @field_validator("until")
    @classmethod
    def _an_instant(cls, until: str | None) -> str | None:
        if until is not None:
            datetime.fromisoformat(until)
        return until

    def window(self, now: datetime) -> Window:
        """The stretch; without a zone ``until`` is UTC."""
        end = now if self.until is None else datetime.fromisoformat(self.until)
        end = end if end.tzinfo else end.replace(tzinfo=UTC)
        return Window(floor_to(end - timedelta(hours=self.hours), BUCKET), end)


def prove_job(instance: str) -> dg.JobDefinition:
    """``prove_calls_<instance>``: compares buckets with the dialer by count and checksum, and repairs those that differ."""
    names = InstanceNames(instance)

    @dg.op(
        name=names.prove_op,
        description=f"Proves a stretch of the history of the dialer {instance}, bucket by bucket",
        pool=names.dialer_pool,
    )
    def prove(context: dg.OpExecutionContext, config: ProofOptions, connections: dg.ResourceParam[Connections]) -> None:
        window = config.window(connections.clock())
        identity = SyncIdentity(instance, "prove", trigger_of(context.run.tags), window, context.run_id)
        with as_failures(context):
            plain = connections.syncing(instance)
            sync = Syncing(plain.dialer, plain.brain, plain.clock, plain.slow_seconds, on_proof=_DayByDay(context))
            result = reconcile(sync, identity, repair=config.repair)
        _report(context, names, result)

    @dg.job(
        name=names.prove_job,
        description=f"Proves and repairs a stretch of the history of the dialer {instance}; options: hours, until, repair",
        tags=job_tags(names.prove_lane, seconds=4 * 3600) | {"dagster/priority": "-5"},
        executor_def=dg.in_process_executor,
    )
    def prove_calls() -> None:
        prove()

    return prove_calls


def tier_schedule(instance: str, tier: ProofTier, zone: str) -> dg.ScheduleDefinition:
    """One tier of one dialer, by the wall clock of the dialer's zone, so that the nightly one misses its archive job."""
    names = InstanceNames(instance)
    config = {"ops": {names.prove_op: {"config": {"hours": tier.hours}}}}

    @dg.schedule(
        name=f"{names.prove_job}_{tier.name}",
        job_name=names.prove_job,
        cron_schedule=tier.cron,
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Proves the last {tier.hours:g} hours of the dialer {instance} ({tier.name})",
    )
    def prove_again(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat(), run_config=config)

    return prove_again


def tier_schedules(instance: str, settings: Settings) -> list[dg.ScheduleDefinition]:
    zone = settings.dialer_settings(instance).time_zone
    return [tier_schedule(instance, tier, zone) for tier in settings.proof_tiers]


class _DayByDay:
    """Progress of a long proof: one line a day."""

    def __init__(self, context: dg.OpExecutionContext) -> None:
        self._context = context
        self._buckets = self._differing = 0
        self._day = ""

    def __call__(self, done: SliceProven) -> None:
        self._buckets, self._differing = self._buckets + done.buckets, self._differing + done.differing
        day = f"{done.window.start:%Y-%m-%d}"
        if day != self._day:
            self._day = day
            self._context.log.info("proving %s; so far %d buckets, %d differ", day, self._buckets, self._differing)


def _report(context: dg.OpExecutionContext, names: InstanceNames, result: ProofResult) -> None:
    values: dict[str, object] = {
        "window": str(result.window),
        "buckets": result.buckets,
        "proven": result.proven,
        "differing": len(result.differing),
        "repaired_buckets": result.repaired,
        "rows_repaired": result.merged.new + result.merged.updated,
        "vanished": result.vanished,
        "seconds": round(result.seconds, 3),
        "samples": [sample for each in result.differing for sample in each.samples][:20],
    }
    shown = {name: as_value(value) for name, value in values.items()}
    context.log.info("%d of %d buckets proven, %d repaired", result.proven, result.buckets, result.repaired)
    context.add_output_metadata(shown)
    context.log_event(dg.AssetObservation(names.call_logs, metadata=shown))
    if result.differing:
        worst = [f"{each.bucket_start:%Y-%m-%d %H:%M} {each.source_table}" for each in result.differing[:20]]
        context.log.error("%d buckets still differ from the dialer: %s", len(result.differing), ", ".join(worst))
