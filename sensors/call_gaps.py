"""Holes in a dialer's history: asks the ledger what was never read or not proven in time, and has it read again.

Belongs here: reading Dagster's runs and turning the decision into requests. Does not: the decision (domain/gaps).

It computes everything anew at each tick and keeps no cursor, so a restart, a deleted run or a week of outage needs no care.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from vici_brain.brain.gaps import GapStore
from vici_brain.domain.gaps import Attempts, GapVerdict, contiguous, decide, origin
from vici_brain.domain.windows import BUCKET, Window, floor_to
from vici_brain.errors import ViciBrainError
from vici_brain.orchestration.asset_keys import SHOW_TAG, InstanceNames
from vici_brain.orchestration.partitions import RANGE_TAGS, key_of, window_of_tags
from vici_brain.orchestration.resources import Connections
from vici_brain.settings import Settings
from vici_brain.vici.call_tables import CALL_TABLES

GAP_TAG = "vici_brain/gap"
AT_ONCE = 2
# A tick has ten minutes to read its partition, and an hour to see it proven, before either is anybody's gap.
_READ_DUE, _PROOF_DUE = timedelta(minutes=10), timedelta(hours=1)
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def call_gaps(instance: str, settings: Settings, backfill_job: Any) -> dg.SensorDefinition:
    """Watches the ledger of one dialer; ``backfill_job`` reads a stretch."""
    names = InstanceNames(instance)

    @dg.sensor(
        name=names.gap_sensor,
        job=backfill_job,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Stretches of the history of the dialer {instance} that were never read or not proven in time, of any age; "
        "has them read again, oldest first, a week a run",
    )
    def watch(context: dg.SensorEvaluationContext, connections: dg.ResourceParam[Connections]) -> dg.SensorResult | dg.SkipReason:
        try:
            holes = find_holes(connections, instance, settings)
        except ViciBrainError as error:
            return dg.SkipReason(f"unknown, because Brain could not be asked: {error}")
        verdict = decide(
            holes,
            under_way(context.instance, names),
            earlier_attempts(context.instance, names),
            now=connections.clock(),
            at_once=AT_ONCE,
        )
        return _as_result(verdict)

    return watch


def find_holes(connections: Connections, instance: str, settings: Settings) -> list[Window]:
    """Everything the ledger lacks between the first partition and a few minutes ago, in runs of at most a week."""
    now = connections.clock()
    first = datetime.combine(settings.sync_start, datetime.min.time(), now.tzinfo)
    end = floor_to(now - _READ_DUE, BUCKET)
    if end <= first:
        return []
    tables = [table.name for table in CALL_TABLES]
    gaps = GapStore(connections.brain).gaps(instance, tables, Window(first, end), now - _PROOF_DUE)
    return contiguous(gap.bucket_start for gap in gaps)


def under_way(instance: dg.DagsterInstance, names: InstanceNames) -> list[Window]:
    """What queued and running runs of this dialer's calls will cover, whoever asked for them."""
    found = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNFINISHED)):
        run = record.dagster_run
        selected = run.asset_selection
        reads = run.job_name in {names.sync_job, names.backfill_job} or (selected and names.call_logs in selected)
        if SHOW_TAG in run.tags or not reads:
            continue
        window = window_of_tags(run.tags)
        if window is not None:
            found.append(window)
    return found


def earlier_attempts(instance: dg.DagsterInstance, names: InstanceNames) -> Callable[[Window], Attempts | None]:
    """Looks up how often a hole was tried already, all of them that are still on record, and when the newest try ended."""

    def tried(hole: Window) -> Attempts | None:
        filters = dg.RunsFilter(job_name=names.backfill_job, tags={GAP_TAG: origin(hole)}, statuses=_ENDED)
        newest = instance.get_run_records(filters, limit=1)
        return Attempts(instance.get_runs_count(filters), newest[0].update_timestamp) if newest else None

    return tried


def _as_result(verdict: GapVerdict) -> dg.SensorResult | dg.SkipReason:
    reason = "; ".join(verdict.reasons)
    if not verdict.repairs:
        return dg.SkipReason(reason)
    requests = []
    for repair in verdict.repairs:
        ends = (key_of(repair.window.start), key_of(repair.window.end - BUCKET))
        tags = dict(zip(RANGE_TAGS, ends, strict=True)) | {GAP_TAG: origin(repair.window)}
        requests.append(dg.RunRequest(run_key=repair.key, tags=tags))
    return dg.SensorResult(run_requests=requests)
