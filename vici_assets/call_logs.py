"""Call logs as read from one dialer: the raw half of the pipeline, and the only asset that connects to it.

Belongs here: the asset that reads. Does not: how rows are read and merged (flows), or whom a call belongs to (brain_assets).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from vici_brain.brain.bucket_counts import BucketCount, calls_per_bucket
from vici_brain.brain.schema import vici_call_logs as table
from vici_brain.flows.sync_calls import CallSync, read_window
from vici_brain.orchestration.asset_keys import OWNERS, InstanceNames
from vici_brain.orchestration.automation import freshness
from vici_brain.orchestration.partitions import BACKFILL_POLICY, five_minutes, window_of
from vici_brain.orchestration.reporting import (
    ROW_COUNT,
    DayProgress,
    as_failures,
    as_metadata,
    each_partition,
    identity_of,
    is_only_shown,
    nothing_counted,
    of_whole_run,
    table_metadata,
)
from vici_brain.orchestration.resources import Connections
from vici_brain.settings import Settings

_NONE = nothing_counted("rows_read", "source_count", "target_count")


class Reading(dg.Config):
    """How hard the dialer is read; as it stands, as its settings say."""

    slice_minutes: int | None = Field(
        default=None,
        ge=5,
        le=60,
        multiple_of=5,
        description="Longest stretch a statement reads of which the index told more than a page; unset: as configured (60)",
    )
    page_rows: int | None = Field(
        default=None, ge=100, le=50_000, description="Most rows that one statement fetches; unset: as configured (5000)"
    )

    def policy(self) -> dict[str, Any]:
        """What differs from the dialer's own policy."""
        length = None if self.slice_minutes is None else timedelta(minutes=self.slice_minutes)
        given = {"slice_length": length, "page_rows": self.page_rows}
        return {name: value for name, value in given.items() if value is not None}


def call_logs(instance: str, settings: Settings) -> dg.AssetsDefinition:
    """``[instance, vici_call_logs]``: a run reads its partition, or its range of them, and merges it into Brain."""
    names = InstanceNames(instance)

    @dg.asset(
        key=names.call_logs,
        deps=names.dialer_tables,
        description=f"Every call ever seen on the dialer {instance}, one row each, never deleted: read by 5-minute windows "
        "with a minute of overlap, live tables before archives, and merged so that a second read changes nothing.",
        partitions_def=five_minutes(settings),
        backfill_policy=BACKFILL_POLICY,
        freshness_policy=freshness(settings),
        pool=names.dialer_pool,
        group_name=names.calls_group,
        owners=OWNERS,
        kinds={"mariadb", "postgres"},
        metadata=table_metadata(table, cut_by="called_at"),
    )
    def vici_call_logs(
        context: dg.AssetExecutionContext, config: Reading, connections: dg.ResourceParam[Connections]
    ) -> dg.MaterializeResult[None]:
        progress = DayProgress(context, names.call_logs)
        with as_failures(context):
            if is_only_shown(context):
                _show(context, names, calls_per_bucket(connections.brain, instance, window_of(context)))
                return dg.MaterializeResult(metadata=_NONE | {"shown_from_ledger": dg.MetadataValue.bool(True)})
            sync = connections.syncing(instance, progress, **config.policy())
            result = read_window(sync, identity_of(context, instance))
            progress.finish()
            _warn(context, result, sync.slow_seconds)
            if len(context.partition_keys) == 1:
                return dg.MaterializeResult(metadata=as_metadata(result, rows="target_count"))
            buckets = calls_per_bucket(sync.brain, instance, window_of(context))
        _show(context, names, buckets)
        return dg.MaterializeResult(metadata=_NONE | of_whole_run(result))

    return vici_call_logs


def _show(context: dg.AssetExecutionContext, names: InstanceNames, buckets: Mapping[datetime, BucketCount]) -> None:
    each_partition(context, names.call_logs, {start: _figures(bucket) for start, bucket in buckets.items()})


def _figures(bucket: BucketCount) -> dict[str, int]:
    return {
        ROW_COUNT: bucket.target_count,
        "rows_read": bucket.source_count,
        "source_count": bucket.source_count,
        "target_count": bucket.target_count,
    }


def _warn(context: dg.AssetExecutionContext, result: CallSync, slow_seconds: float) -> None:
    for notice in result.notices:
        context.log.info(notice)
    if result.slow:
        context.log.warning(
            "slow sync: %.1f s for %d records of %s to %s; expected at most %.0f s: is the dialer busy, or archiving?",
            *(result.seconds, result.rows_read, result.window_start, result.window_end, slow_seconds),
        )
