"""When runs happen and how many at once: jobs, schedules, the one retry policy, pools and freshness.

Belongs here: policies and what starts by the clock. Does not: what a run does (assets), or what starts by an event (sensors).

Retries in all: a flow repeats a slice within seconds; a step repeats itself as RETRY says; a run is repeated only after a crash
(dagster.yaml). Nothing of this helps a wrong setting, whose failure forbids it.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from vici_brain.orchestration.asset_keys import LANE_TAG, SHOW_TAG, InstanceNames
from vici_brain.orchestration.partitions import key_of, newest_closed
from vici_brain.settings import Settings

# A restart of a database is over in half a minute; longer outages are the ledger's business, not a retry's.
RETRY = dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL)
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def job_tags(lane: str, *, seconds: int) -> dict[str, str]:
    """A lane holds one run at a time; the longest run is stated, because only it frees the lane after a host died."""
    return {LANE_TAG: lane, "dagster/max_runtime": str(seconds)}


def pool_limits(settings: Settings) -> dict[str, int]:
    """What each pool may hold: a dialer two reading runs (the tick and a backfill), its orphans one pass."""
    names = [InstanceNames(dialer.name) for dialer in settings.dialers]
    return (
        {each.dialer_pool: 2 for each in names} | {each.orphan_pool: 1 for each in names} | {each.write_pool: 1 for each in names}
    )


def freshness(settings: Settings) -> dg.FreshnessPolicy:
    """Dagster's own view, which a backfill keeps green; the check ``calls_are_fresh`` asks the ledger instead."""
    return dg.FreshnessPolicy.time_window(fail_window=settings.stale_after, warn_window=settings.stale_after * 2 / 3)


def is_unfinished(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether a run of ``job`` is queued or at work."""
    return bool(instance.get_run_records(dg.RunsFilter(job_name=job, statuses=_UNFINISHED), limit=1))


def sync_job(instance: str, window_checks: Sequence[dg.AssetCheckKey]) -> Any:
    """``sync_calls_<instance>``: read, match and check one partition in one process (Dagster keeps the type to itself)."""
    names = InstanceNames(instance)
    return dg.define_asset_job(
        names.sync_job,
        # The checks of its window; the standing ones have a job of their own.
        selection=dg.AssetSelection.assets(*names.pipeline).without_checks() | dg.AssetSelection.checks(*window_checks),
        description=f"Reads five minutes of calls from the dialer {instance}, matches them with leads and checks both; "
        f"it ends after four minutes, so ranges are for {names.backfill_job}",
        tags=job_tags(names.sync_lane, seconds=240),
        executor_def=dg.in_process_executor,
    )


def backfill_job(instance: str) -> Any:
    """``backfill_calls_<instance>``: read and match ranges, a week a run, behind the ticks.

    Without checks, for each of which Dagster would plan every partition by itself: seven seconds and 42 MB a week.
    """
    names = InstanceNames(instance)
    return dg.define_asset_job(
        names.backfill_job,
        selection=dg.AssetSelection.assets(*names.pipeline).without_checks(),
        description=f"Reads and matches any stretch of the history of the dialer {instance}, seven days a run, without checks",
        tags=job_tags(names.backfill_lane, seconds=6 * 3600) | {"dagster/priority": "-10"},
        executor_def=dg.in_process_executor,
    )


def show_job(instance: str) -> Any:
    """``show_calls_<instance>``: marks partitions that Brain has and Dagster does not know of; asks no dialer."""
    names = InstanceNames(instance)
    return dg.define_asset_job(
        names.show_job,
        selection=dg.AssetSelection.assets(*names.pipeline).without_checks(),
        description=f"Shows in Dagster what the ledger of the dialer {instance} has and Dagster does not know of; reads no call",
        tags=job_tags(names.show_lane, seconds=1800) | {"dagster/priority": "-20", SHOW_TAG: "ledger"},
        executor_def=dg.in_process_executor,
    )


def sync_schedule(instance: str, settings: Settings) -> dg.ScheduleDefinition:
    """Asks for the newest closed partition, a minute after it closed: the dialer's clock may be half a minute behind."""
    names, start = InstanceNames(instance), settings.sync_start

    @dg.schedule(
        name=names.sync_schedule,
        job_name=names.sync_job,
        cron_schedule="1-59/5 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Every five minutes, the calls of the five minutes that just ended on the dialer {instance}",
    )
    def every_5_minutes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        window = newest_closed(context.scheduled_execution_time)
        if window.start.date() < start:
            return dg.SkipReason(f"{window} lies before the first partition, {start}: see VICI_SYNC_START")
        return dg.RunRequest(run_key=key_of(window.start), partition_key=key_of(window.start))

    return every_5_minutes


def audit_job(instance: str, standing_checks: Sequence[dg.AssetCheckKey]) -> Any:
    """``audit_ledger_<instance>``: the standing checks of one dialer, which concern no partition."""
    names = InstanceNames(instance)
    return dg.define_asset_job(
        names.audit_job,
        selection=dg.AssetSelection.checks(*standing_checks),
        description=f"Asks what is unread, unproven or wrong with the clock of the dialer {instance}, now",
        tags=job_tags(names.audit_lane, seconds=300),
        executor_def=dg.in_process_executor,
    )


def audit_schedule(instance: str) -> dg.ScheduleDefinition:
    """Every quarter of an hour, between two ticks."""
    names = InstanceNames(instance)

    @dg.schedule(
        name=f"{names.audit_job}_every_15_minutes",
        job_name=names.audit_job,
        cron_schedule="4-59/15 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Every fifteen minutes, the standing checks of the dialer {instance}",
    )
    def every_15_minutes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())

    return every_15_minutes


def orphan_schedule(instance: str) -> dg.ScheduleDefinition:
    """A pass over all orphans; left out, not queued, while one is at work: the next is never far."""
    names = InstanceNames(instance)

    @dg.schedule(
        name=names.orphan_schedule,
        job_name=names.orphan_job,
        cron_schedule="*/10 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Every ten minutes, a pass over every orphan of the dialer {instance}, unless one is at work",
    )
    def every_10_minutes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if is_unfinished(context.instance, names.orphan_job):
            return dg.SkipReason(f"a run of {names.orphan_job} is queued or at work")
        return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())

    return every_10_minutes
