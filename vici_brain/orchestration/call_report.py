"""The daily report in Dagster's words: its partitions, its metadata, its job and when that runs.

Belongs here: translation. Does not: the report (flows/report_calls), its files (call_report_files), or the asset (brain_assets).
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from vici_brain.brain.daily_calls import outdated_days
from vici_brain.domain.report_policy import ReportPolicy
from vici_brain.domain.windows import Window
from vici_brain.errors import ConfigurationError, ViciBrainError
from vici_brain.flows.report_calls import CallReport, report_calls
from vici_brain.orchestration.asset_keys import DAILY_CALL_REPORT, REPORT_JOB, REPORT_LANE
from vici_brain.orchestration.automation import job_tags
from vici_brain.orchestration.call_report_files import ReportFiles, export_report, front_page
from vici_brain.orchestration.page_server import page_link
from vici_brain.orchestration.partitions import PARTITION_TAG, RANGE_TAGS
from vici_brain.orchestration.reporting import ROW_COUNT, as_value
from vici_brain.orchestration.resources import Connections
from vici_brain.settings import Settings

LINK = f"/assets/{DAILY_CALL_REPORT.to_user_string()}"


def days(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Days of the report's zone, from the first partition of calls on."""
    return dg.DailyPartitionsDefinition(start_date=f"{settings.sync_start:%Y-%m-%d}", timezone=settings.reports.time_zone)


def report_day(connections: Connections, day: date, *, tells: bool = True) -> tuple[CallReport, ReportFiles]:
    """Makes, stores and exports the report of ``day``."""
    settings = connections.settings
    instances = [dialer.name for dialer in settings.dialers]
    link = f"{LINK}?view=partitions&partition={day}"
    made = report_calls(connections.brain, instances, day, settings.reports, connections.clock(), link=link, tells=tells)
    return made, export_report(made, settings.home / "reports")


def metadata_of(report: CallReport, files: ReportFiles, settings: Settings) -> dict[str, dg.MetadataValue[Any]]:
    """Numbers that the UI plots over time, and the page with its pictures."""
    calls, care = report.total.calls.total, report.total.care
    numbers: dict[str, object] = {
        **{name: getattr(calls, name) for name in ("calls", "matched", "orphaned", "answered", "contacts", "sales", "dropped")},
        **{
            f"{name}_percent": round(rate, 2)
            for name in ("answer", "contact", "sale", "drop", "matched")
            if (rate := getattr(calls, f"{name}_rate")) is not None
        },
        "proven_percent": care.proven_percent,
        "is_proven": care.is_proven,
        "gaps_healed": care.gaps_healed,
        "median_seconds_to_match": care.match_p50,
    }
    return {
        "report": dg.MetadataValue.md(front_page(report)),
        ROW_COUNT: dg.MetadataValue.int(calls.calls),
        **{name: as_value(value) for name, value in numbers.items() if value is not None},
        **({"dialers": _dialers(report)} if len(report.instances) > 1 else {}),
        "anomalies": dg.MetadataValue.md("\n".join(f"- {each}" for each in report.total.anomalies) or "none"),
        **({"page": dg.MetadataValue.url(url)} if (url := page_link(settings.pages_url, settings.home, files.html)) else {}),
        "html": dg.MetadataValue.path(str(files.html)),
        "parquet": dg.MetadataValue.path(str(files.parquet)),
    }


def _dialers(report: CallReport) -> dg.MetadataValue[Any]:
    """A line for each: what an event can carry of them, whose pages are in the file."""
    records = [
        dg.TableRecord(
            {
                "instance": each.instance,
                **{name: getattr(each.calls.total, name) for name in ("calls", "matched", "orphaned", "answered", "sales")},
                "proven_percent": round(each.care.proven_percent, 2),
                "odd": len(each.anomalies),
            }
        )
        for each in report.instances
    ]
    return dg.MetadataValue.table(records)


def report_job(checks: list[dg.AssetCheckKey]) -> Any:
    """``report_calls``: one day, and the expectations of that day."""
    return dg.define_asset_job(
        REPORT_JOB,
        selection=dg.AssetSelection.assets(DAILY_CALL_REPORT).without_checks() | dg.AssetSelection.checks(*checks),
        description="Reports one day of calls of all dialers, and holds its calls and leads against what is expected of them",
        tags=job_tags(REPORT_LANE, seconds=1800),
        executor_def=dg.in_process_executor,
    )


def report_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Once the day that just ended has settled, by the clock of the report's zone; and the days before it that did only now.

    A night that was missed is made up for in the next: Dagster's own schedules never catch up.
    """
    policy = settings.reports

    @dg.schedule(
        name=f"{REPORT_JOB}_every_night",
        job_name=REPORT_JOB,
        cron_schedule=policy.cron,
        execution_timezone=policy.time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Once a day, the report of the day before, after its last calls were dispositioned and proven; again "
        "that of each day of the last week that changed since",
    )
    def every_night(
        context: dg.ScheduleEvaluationContext, connections: dg.ResourceParam[Connections]
    ) -> list[dg.RunRequest] | dg.SkipReason:
        day = policy.newest_day(context.scheduled_execution_time)
        if day < settings.sync_start:
            return dg.SkipReason(f"{day} lies before the first partition, {settings.sync_start}: see VICI_SYNC_START")
        first = max(settings.sync_start, day - timedelta(days=policy.look_back_days))
        days_due = [*_outdated(context, connections, first, day), day]
        return [dg.RunRequest(run_key=str(each), partition_key=str(each)) for each in days_due]

    return every_night


def _outdated(context: dg.ScheduleEvaluationContext, connections: Connections, first: date, newest: date) -> list[date]:
    """Before ``newest``; none where Brain cannot be asked, whose alert others raise."""
    settings = connections.settings
    names = [dialer.name for dialer in settings.dialers]
    try:
        return outdated_days(connections.brain, names, settings.reports.time_zone, first, newest - timedelta(days=1))
    except ViciBrainError as error:
        context.log.warning("earlier days are not looked at: %s", error)
        return []


def days_of(keys: list[str]) -> list[date]:
    return [date.fromisoformat(key) for key in keys]


def day_window_of_tags(tags: Mapping[str, str], policy: ReportPolicy, now: datetime) -> Window:
    """The days that a run covers, the newest that is over for a run without partitions."""
    first, last = (tags.get(tag) or tags.get(PARTITION_TAG) for tag in RANGE_TAGS)
    if first is None or last is None:
        return policy.window(policy.newest_day(now))
    return Window(policy.window(date.fromisoformat(first)).start, policy.window(date.fromisoformat(last)).end)


def stretch(since: str | None, until: str | None, policy: ReportPolicy, now: datetime) -> Window:
    """What a person asked for, UTC unless it carries an offset; ConfigurationError for what is no time or ends too early."""
    if since is None:
        return policy.window(policy.newest_day(now))
    try:
        start = _instant(since)
        end = start + timedelta(days=1) if until is None else _instant(until)
    except ValueError:
        raise ConfigurationError(
            f"{since!r} or {until!r} is no date or time; write 2026-08-01 or 2026-08-01T13:30 (UTC)"
        ) from None
    if start >= end:
        raise ConfigurationError(f"the stretch begins at {start:%Y-%m-%d %H:%M}, not before its end {end:%Y-%m-%d %H:%M}")
    return Window(start, end)


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
