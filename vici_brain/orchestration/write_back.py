"""When dialers are written to: jobs and schedules of the write-back, stopped unless a right to write is configured.

Belongs here: what starts by the clock. Does not: the assets (vici_assets/write_back).
"""

from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.orchestration.automation import is_unfinished, job_tags
from vici_brain.settings import DialerSettings

_WALK_HOUR = 2
"""Of the dialer's day, when no agent is at work: all links are walked; in the other hours only what is due for another look."""


def write_back_jobs(instance: str) -> list[Any]:
    """``write_vendor_codes_<instance>`` and ``push_leads_<instance>``."""
    names = InstanceNames(instance)
    jobs = (
        (names.codes_job, names.vendor_codes, f"Writes Brain's lead ids to vendor_lead_code of the dialer {instance}", 3 * 3600),
        (
            names.push_job,
            names.pushed_leads,
            f"Adds leads that are new in Brain to the dialer {instance}, if they may be called",
            1800,
        ),
    )
    return [
        dg.define_asset_job(
            name,
            selection=dg.AssetSelection.assets(key),
            description=description,
            tags=job_tags(f"{instance}/{name}", seconds=seconds),
            executor_def=dg.in_process_executor,
        )
        for name, key, description, seconds in jobs
    ]


def write_back_schedules(dialer: DialerSettings) -> list[dg.ScheduleDefinition]:
    """Hourly for the codes, every five minutes for new leads."""
    names = InstanceNames(dialer.name)
    access = dialer.write_access
    codes = access is not None and bool(access.policy.campaigns)
    push = access is not None and access.policy.push is not None

    @dg.schedule(
        name=f"{names.codes_job}_every_hour",
        job_name=names.codes_job,
        cron_schedule="37 * * * *",
        execution_timezone=dialer.time_zone,
        default_status=_status(running=codes),
        description=f"Looks again at codes written to the dialer {dialer.name}; at 02:37 walks all links",
    )
    def every_hour(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if is_unfinished(context.instance, names.codes_job):
            return dg.SkipReason(f"a run of {names.codes_job} is queued or at work")
        due_only = context.scheduled_execution_time.astimezone(ZoneInfo(dialer.time_zone)).hour != _WALK_HOUR
        config = {"ops": {names.vendor_codes.to_python_identifier(): {"config": {"due_only": due_only}}}}
        return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat(), run_config=config)

    @dg.schedule(
        name=f"{names.push_job}_every_5_minutes",
        job_name=names.push_job,
        cron_schedule="3-59/5 * * * *",
        execution_timezone="UTC",
        default_status=_status(running=push),
        description=f"Every five minutes, leads that are new in Brain for the dialer {dialer.name}",
    )
    def every_5_minutes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if is_unfinished(context.instance, names.push_job):
            return dg.SkipReason(f"a run of {names.push_job} is queued or at work")
        return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())

    return [every_hour, every_5_minutes]


def _status(*, running: bool) -> dg.DefaultScheduleStatus:
    return dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED
