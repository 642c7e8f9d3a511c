"""The daily report on calls and appointments, as the catalog shows it: words, goals and two pictures.

Belongs here: the asset. Does not: counting and judging (flows/report_consistency), drawing (orchestration/consistency).
"""

from datetime import date

import dagster as dg
from pydantic import Field, field_validator

from vici_brain.brain.shown_tables import daily_consistency_reports
from vici_brain.flows.report_consistency import report_consistency
from vici_brain.orchestration.asset_keys import APPOINTMENTS, CALLS, CONSISTENCY_GROUP, CONSISTENCY_REPORT, OWNERS
from vici_brain.orchestration.consistency import report_metadata
from vici_brain.orchestration.reporting import as_failures, table_metadata
from vici_brain.orchestration.resources import Connections


class ReportedDay(dg.Config):
    """Which day; as it stands, yesterday."""

    day: str | None = Field(default=None, description="A day like 2026-01-31; unset: the one before today in the report's zone")

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
        zone = connections.settings.consistency.report_time_zone
        day = None if config.day is None else date.fromisoformat(config.day)
        with as_failures(context):
            done = report_consistency(connections.brain, connections.clock(), zone, day)
        return dg.MaterializeResult(metadata=report_metadata(done))

    return report
