"""The daily report on calls and appointments, as the catalog shows it: words, goals and two pictures.

Belongs here: the asset. Does not: counting and judging (flows/report_consistency), drawing (orchestration/consistency).
"""

from datetime import date

import dagster as dg
from pydantic import Field, field_validator

from vici_brain.brain.shown_tables import daily_consistency_reports
from vici_brain.flows.report_consistency import report_consistency, report_what_is_due
from vici_brain.orchestration.asset_keys import APPOINTMENTS, CALLS, CONSISTENCY_GROUP, CONSISTENCY_REPORT, OWNERS
from vici_brain.orchestration.consistency import report_metadata
from vici_brain.orchestration.reporting import as_failures, table_metadata
from vici_brain.orchestration.resources import Connections


class ReportedDay(dg.Config):
    """Which day; as it stands, yesterday."""

    day: str | None = Field(
        default=None, description="A day like 2026-01-31; unset: yesterday in the report's zone, and days of its week left out"
    )

    @field_validator("day")
    @classmethod
    def _a_day(cls, day: str | None) -> str | None:
        if day is not None:
            date.fromisoformat(day)
        return day


def daily_consistency_report() -> dg.AssetsDefinition:
    """``daily_consistency_report``: kept in daily_consistency_reports, told through outgoing_messages."""

    @dg.asset(
        key=CONSISTENCY_REPORT,
        deps=[CALLS, APPOINTMENTS],
        description="One report a day: totals, inconsistencies by type, corrections, top offenders, breaker events, and "
        "six goals with what was measured.",
        group_name=CONSISTENCY_GROUP,
        owners=OWNERS,
        kinds={"postgres", "table"},
        metadata=table_metadata(daily_consistency_reports),
    )
    def report(
        context: dg.AssetExecutionContext, config: ReportedDay, connections: dg.ResourceParam[Connections]
    ) -> dg.MaterializeResult[None]:
        zone, now = connections.settings.consistency.report_time_zone, connections.clock()
        with as_failures(context):
            if config.day is None:
                *missed, done = report_what_is_due(connections.brain, now, zone)
            else:
                missed, done = [], report_consistency(connections.brain, now, zone, date.fromisoformat(config.day))
        for each in missed:
            context.log.warning("the report of %s had been left out, and was made now", each.day)
        return dg.MaterializeResult(metadata=report_metadata(done))

    return report
