"""The daily report of all dialers' calls.

Belongs here: the asset. Does not: counting and judging (flows/report_calls), or when it is made (orchestration/call_report).
"""

import dagster as dg
from pydantic import Field

from vici_brain.brain.shown_tables import daily_call_reports
from vici_brain.orchestration.asset_keys import DAILY_CALL_REPORT, OWNERS, REPORTS_GROUP, InstanceNames
from vici_brain.orchestration.call_report import days, days_of, metadata_of, report_day
from vici_brain.orchestration.reporting import as_failures, table_metadata
from vici_brain.orchestration.resources import Connections
from vici_brain.settings import Settings


class Reporting(dg.Config):
    """Whom a report is for."""

    tell: bool = Field(default=True, description="Tell people of it, if it is the newest day and they were not told yet")


def daily_call_report(settings: Settings) -> dg.AssetsDefinition:
    """Days of the report's zone; a month a backfill run.

    It stands on the ledgers, not on the partitions of calls: Dagster maps no partitions between two time zones, and a day's
    report says itself which of its five minutes are proven.
    """

    @dg.asset(
        key=DAILY_CALL_REPORT,
        deps=[InstanceNames(dialer.name).ledger for dialer in settings.dialers],
        partitions_def=days(settings),
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=31),
        description=f"One day of calls (midnight to midnight in {settings.reports.time_zone}) of each dialer and of all, by "
        "campaign, status, hour and matching rule, rates, proofs, waits, other days beside it, and what is odd",
        group_name=REPORTS_GROUP,
        kinds={"postgres", "table"},
        owners=OWNERS,
        metadata=table_metadata(daily_call_reports, cut_by="day"),
    )
    def report(context: dg.AssetExecutionContext, config: Reporting, connections: dg.ResourceParam[Connections]) -> None:
        for day in days_of(list(context.partition_keys)):
            with as_failures(context):
                made, files = report_day(connections, day, tells=config.tell)
            context.log.info("%s: %d calls, %d odd things", day, made.total.calls.total.calls, len(made.total.anomalies))
            context.add_asset_metadata(
                metadata_of(made, files, connections.settings), asset_key=DAILY_CALL_REPORT, partition_key=str(day)
            )

    return report
