"""Partitions that Brain has and Dagster does not know of: read by the command line, healed by a later tick, lost with a run.

Belongs here: comparing Dagster's view with the ledger, and asking for a run that corrects the view. Does not: reading what is
missing in Brain (call_gaps). The ledger is the truth; this keeps the picture of it true.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import dagster as dg

from vici_brain.brain.gaps import GapStore
from vici_brain.domain.gaps import contiguous
from vici_brain.domain.windows import BUCKET, Window, floor_to
from vici_brain.errors import ViciBrainError
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.orchestration.automation import is_unfinished
from vici_brain.orchestration.partitions import RANGE_TAGS, key_of
from vici_brain.orchestration.resources import Connections
from vici_brain.settings import Settings
from vici_brain.vici.call_tables import CALL_TABLES

# A tick and its retries have shown themselves by then; later than that nobody else will.
_SETTLED = 12 * BUCKET


def unseen_partitions(instance: str, settings: Settings, show_job: Any) -> dg.SensorDefinition:
    """Watches the view of one dialer's partitions; ``show_job`` corrects a stretch of it, a week a run, one run at a time."""
    names = InstanceNames(instance)

    @dg.sensor(
        name=names.unseen_sensor,
        job=show_job,
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Partitions of the dialer {instance} that were read and that Dagster does not show; has them shown",
    )
    def watch(context: dg.SensorEvaluationContext, connections: dg.ResourceParam[Connections]) -> dg.RunRequest | dg.SkipReason:
        if is_unfinished(context.instance, names.show_job):
            return dg.SkipReason(f"a run of {names.show_job} is queued or at work")
        span = _span(settings, connections.clock())
        if span is None:
            return dg.SkipReason("the first partition is too young")
        try:
            unread = _unread(connections, instance, span)
        except ViciBrainError as error:
            return dg.SkipReason(f"unknown, because Brain could not be asked: {error}")
        unseen = missing_from_view(span, unread, context.instance.get_materialized_partitions(names.call_logs))
        if not unseen:
            return dg.SkipReason(f"Dagster shows every partition that was read from {key_of(span.start)} to {key_of(span.end)}")
        oldest = unseen[0]
        ends = (key_of(oldest.start), key_of(oldest.end - BUCKET))
        run_key = f"{ends[0]}..{ends[1]} at {connections.clock():%Y-%m-%dT%H:%M}"
        return dg.RunRequest(run_key=run_key, tags=dict(zip(RANGE_TAGS, ends, strict=True)))

    return watch


def missing_from_view(span: Window, unread: Collection[datetime], shown: Iterable[str]) -> list[Window]:
    """Stretches of ``span``, a week at most, that were read (not in ``unread``) and whose partition keys are not ``shown``."""
    first, end = key_of(span.start), key_of(span.end)
    seen = {key for key in shown if first <= key < end}
    if len(seen) + len(unread) >= span.length / BUCKET and not (set(map(key_of, unread)) & seen):
        return []
    holes = set(unread)
    return contiguous(start for start in span.buckets() if start not in holes and key_of(start) not in seen)


def _span(settings: Settings, now: datetime) -> Window | None:
    first = datetime.combine(settings.sync_start, datetime.min.time(), now.tzinfo)
    end = floor_to(now - _SETTLED, BUCKET)
    return Window(first, end) if first < end else None


def _unread(connections: Connections, instance: str, span: Window) -> list[datetime]:
    """Buckets of ``span`` that the ledger lacks, or has as different."""
    tables = [table.name for table in CALL_TABLES]
    gaps = GapStore(connections.brain).gaps(instance, tables, span, span.end, most=None)
    return [gap.bucket_start for gap in gaps]
