"""Calls and appointments in Dagster's words: jobs, schedules, and reports as metadata with pictures.

Belongs here: what starts by the clock, and translation. Does not: assets, checks, or any rule.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from vici_brain.brain.reviews import OpenReviews, QueuedItem
from vici_brain.flows.report_consistency import ConsistencyReport
from vici_brain.orchestration.asset_keys import CALLS, CONSISTENCY_JOB, CONSISTENCY_REPORT, CONSISTENCY_REPORT_JOB, REVIEW_JOB
from vici_brain.orchestration.automation import is_unfinished, job_tags
from vici_brain.orchestration.charts import AMBER, BLUE, GREEN, GREY, RED, as_markdown, new_figure
from vici_brain.orchestration.reporting import as_value
from vici_brain.settings import Settings


def consistency_job(checks: Sequence[dg.AssetCheckKey]) -> Any:
    """``watch_consistency``: feed, sweep, then the standing checks, in one process."""
    return dg.define_asset_job(
        CONSISTENCY_JOB,
        selection=dg.AssetSelection.assets(CALLS).without_checks() | dg.AssetSelection.checks(*checks),
        description="Feeds calls from the dialers' matched calls, sweeps what changed, and runs the standing checks",
        tags=job_tags("watch_consistency", seconds=1800),
        executor_def=dg.in_process_executor,
    )


def report_job() -> Any:
    """``report_consistency``: the report of yesterday, or of a day that is named."""
    return dg.define_asset_job(
        CONSISTENCY_REPORT_JOB,
        selection=dg.AssetSelection.assets(CONSISTENCY_REPORT),
        description="Reports a day of calls and appointments: kept, shown and told; option: day",
        tags=job_tags("report_consistency", seconds=600),
        executor_def=dg.in_process_executor,
    )


def consistency_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    policy = settings.consistency
    return [
        _schedule(
            "watch_consistency_every_15_minutes", CONSISTENCY_JOB, policy.sweep_cron, "UTC", "Feeds, sweeps and checks calls"
        ),
        _schedule("process_reviews_hourly", REVIEW_JOB, policy.review_cron, "UTC", "Tries the review queue again"),
        _schedule(
            "report_consistency_daily",
            CONSISTENCY_REPORT_JOB,
            policy.report_cron,
            policy.report_time_zone,
            "Reports yesterday's calls and appointments",
        ),
    ]


def _schedule(name: str, job: str, cron: str, zone: str, description: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=name,
        job_name=job,
        cron_schedule=cron,
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )
    def due(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if is_unfinished(context.instance, job):
            return dg.SkipReason(f"a run of {job} is queued or at work; the next goes on where it ends")
        return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())

    return due


def report_metadata(report: ConsistencyReport) -> dict[str, dg.MetadataValue[Any]]:
    """Words, pictures and the figures that the catalog plots over the days."""
    figures = report.figures
    measured = {goal.name.replace(" ", "_"): as_value(goal.measured) for goal in report.goals if goal.measured is not None}
    return {
        "report": dg.MetadataValue.md(report.markdown),
        "pictures": dg.MetadataValue.md(_pictures(report)),
        "day": as_value(str(report.day)),
        "calls": as_value(figures.calls),
        "appointments": as_value(figures.appointments),
        "inconsistencies": as_value(figures.inconsistencies),
        "told": as_value(report.told),
        **measured,
    }


def _pictures(report: ConsistencyReport) -> str:
    figure, (types, hours) = new_figure(columns=2)
    names = [f"{each.alert_type} ({each.severity})" for each in report.figures.alerts][::-1]
    left = [0] * len(names)
    for label, colour, field in (("corrected", GREEN, "corrected"), ("otherwise", BLUE, "by_hand"), ("open", RED, "open")):
        widths = [getattr(each, field) for each in report.figures.alerts][::-1]
        types.barh(names, widths, left=left, color=colour, label=label)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    types.set_title("inconsistencies by type")
    if names:
        types.legend(fontsize=8, frameon=False, labelcolor=GREY)
    counts = {(hour - report.start).total_seconds() // 3600: count for hour, count in report.figures.hours.items()}
    hours.bar(list(counts), list(counts.values()), color=AMBER)
    hours.set_title("found, by hour of the day")
    hours.set_xlim(-0.5, 24.5)
    return as_markdown(figure, f"inconsistencies of {report.day} by type and by hour")


def overview_metadata(left: Sequence[OpenReviews], urgent: Sequence[QueuedItem]) -> dict[str, dg.MetadataValue[Any]]:
    """What is open in the review queue by reason, and the most urgent items with the number that settles them."""
    reasons = [
        dg.TableRecord(
            {
                "reason": each.reason,
                "priority": each.priority,
                "pending": each.pending,
                "in_progress": each.in_progress,
                "oldest_utc": _minute(each.oldest),
            }
        )
        for each in left
    ]
    items = [
        dg.TableRecord(
            {
                "item": each.id,
                "priority": each.priority,
                "reason": each.reason,
                "about": f"{each.entity_type} {each.entity_key}",
                "status": each.status,
                "assigned_to": each.assigned_to or "",
                "since_utc": _minute(each.created_at),
            }
        )
        for each in urgent
    ]
    shown: dict[str, dg.MetadataValue[Any]] = {"open_items": as_value(sum(each.pending + each.in_progress for each in left))}
    if reasons:
        shown |= {"by_reason": dg.MetadataValue.table(reasons), "most_urgent": dg.MetadataValue.table(items)}
    return shown


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"
