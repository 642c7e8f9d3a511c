"""Calls with a lead and calls without: the two halves of a dialer's call logs, made by one match.

Belongs here: the step that matches a window. Does not: the rules (brain/sql/match_calls.sql), or later passes (orphan_matching).
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

import dagster as dg

from vici_brain.brain.bucket_counts import BucketCount, calls_per_bucket
from vici_brain.brain.schema import orphan_call_logs, vici_call_logs, vici_call_metrics
from vici_brain.flows.sync_calls import match_read_window
from vici_brain.orchestration.asset_keys import LEADS, OWNERS, InstanceNames
from vici_brain.orchestration.automation import freshness
from vici_brain.orchestration.partitions import BACKFILL_POLICY, five_minutes, window_of
from vici_brain.orchestration.reporting import (
    ROW_COUNT,
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

_OF_ORPHANS_ONLY = ("orphaned_total",)
_OF_MATCHES_ONLY = (
    *("matched_by_vendor_lead_code", "matched_by_vici_lead_link", "matched_by_phone"),
    *("ambiguous", "matched_total"),
)


def call_matches(instance: str, settings: Settings) -> dg.AssetsDefinition:
    """``[instance, vici_call_metrics]`` and ``[instance, orphan_call_logs]``, always made together."""
    names = InstanceNames(instance)

    @dg.multi_asset(
        name=f"{instance}__match_calls",
        specs=_specs(names, settings),
        partitions_def=five_minutes(settings),
        backfill_policy=BACKFILL_POLICY,
    )
    def match_calls(
        context: dg.AssetExecutionContext, connections: dg.ResourceParam[Connections]
    ) -> Iterator[dg.MaterializeResult[None]]:
        with as_failures(context):
            shown_only = is_only_shown(context)
            single = len(context.partition_keys) == 1 and not shown_only
            result = None if shown_only else match_read_window(connections.syncing(instance), identity_of(context, instance))
            if not single:
                _show(context, names, calls_per_bucket(connections.brain, instance, window_of(context)))
        for key, without, rows in (
            (names.call_metrics, _OF_ORPHANS_ONLY, "matched_total"),
            (names.orphan_call_logs, _OF_MATCHES_ONLY, "orphaned_total"),
        ):
            if result is None:
                yield dg.MaterializeResult(
                    asset_key=key, metadata=nothing_counted() | {"shown_from_ledger": dg.MetadataValue.bool(True)}
                )
                continue
            of_one = as_metadata(result, without=without, rows=rows) if single else {}
            yield dg.MaterializeResult(
                asset_key=key, metadata=of_one or nothing_counted() | of_whole_run(result, without=without)
            )

    return match_calls


def _show(context: dg.AssetExecutionContext, names: InstanceNames, buckets: Mapping[datetime, BucketCount]) -> None:
    each_partition(context, names.call_metrics, {start: {ROW_COUNT: bucket.matched} for start, bucket in buckets.items()})
    each_partition(context, names.orphan_call_logs, {start: {ROW_COUNT: bucket.orphaned} for start, bucket in buckets.items()})


def _specs(names: InstanceNames, settings: Settings) -> list[dg.AssetSpec]:
    described = {
        names.call_metrics: (
            vici_call_metrics,
            [names.call_logs, LEADS],
            f"Calls of the dialer {names.instance} that belong to a lead: by 13-digit vendor code, stored link or phone.",
        ),
        # What no lead took: drawn from the leads too, its line would cross that of the calls to their metrics.
        names.orphan_call_logs: (
            orphan_call_logs,
            [names.call_logs],
            f"Calls of the dialer {names.instance} whose lead Brain does not know yet; a later pass gives them one.",
        ),
    }
    return [
        dg.AssetSpec(
            key,
            deps=deps,
            description=description,
            group_name=names.calls_group,
            owners=OWNERS,
            kinds={"postgres", "view"},
            metadata=table_metadata(table, cut_by="called_at", half_of=vici_call_logs),
            freshness_policy=freshness(settings),
        )
        for key, (table, deps, description) in described.items()
    ]
