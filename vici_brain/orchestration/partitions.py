"""The five-minute partitions that everything about calls shares, and the window a run covers.

Belongs here: partitions, their keys and how many a backfill run takes. Does not: which partitions are due (schedules, sensors).

The start is fixed by the settings: a start that moved with the clock would differ between processes and rebuild Dagster's caches.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

import dagster as dg

from vici_brain.domain.windows import BUCKET, Window, floor_to
from vici_brain.settings import Settings

PARTITION_TAG = "dagster/partition"
RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
KEY_FORMAT = "%Y-%m-%d-%H:%M"
PARTITIONS_A_RUN = 2016  # seven days: a batch that one run reads in minutes and that a failure can afford to repeat

_DAY = timedelta(days=1)
_CLOCK = [f"-{minute // 60:02}:{minute % 60:02}" for minute in range(0, 24 * 60, 5)]

BACKFILL_POLICY = dg.BackfillPolicy.multi_run(max_partitions_per_run=PARTITIONS_A_RUN)


class _FiveMinutes(dg.TimeWindowPartitionsDefinition):
    """Dagster's partitions of five UTC minutes, which list their keys a hundred times faster; equal to its own, in every process.

    A ranged run with checks makes Dagster list every partition since the first day, once for each checked asset, to find that
    they are too many to compare. By cron expression and strftime that takes eight seconds a year and a half after the first day.
    """

    def get_partition_keys(self, current_time: datetime | None = None, dynamic_partitions_store: Any = None) -> Sequence[str]:
        with dg.partition_loading_context(current_time, dynamic_partitions_store):
            first, last = self.get_first_partition_window(), self.get_last_partition_window()
        return keys_of(Window(first.start, last.end)) if first and last else []


def five_minutes(settings: Settings) -> dg.TimeWindowPartitionsDefinition:
    """UTC, from the configured first day on; a partition exists once its five minutes are over."""
    return _FiveMinutes(
        cron_schedule="*/5 * * * *", start=f"{settings.sync_start:%Y-%m-%d}-00:00", fmt=KEY_FORMAT, timezone="UTC"
    )


def newest_closed(instant: datetime) -> Window:
    """The newest five minutes that were over at ``instant``."""
    end = floor_to(instant, BUCKET)
    return Window(end - BUCKET, end)


def key_of(start: datetime) -> str:
    """The key of the partition that starts at ``start``, as Dagster prints it."""
    return start.astimezone(UTC).strftime(KEY_FORMAT)


def keys_of(window: Window) -> list[str]:
    """The keys of all partitions that lie wholly inside, in order."""
    whole = window.whole_buckets()
    midnight = floor_to(whole.start, _DAY)
    days = [f"{midnight + n * _DAY:%Y-%m-%d}" for n in range(ceil((whole.end - midnight) / _DAY))]
    keys = [day + clock for day in days for clock in _CLOCK]
    before = (whole.start - midnight) // BUCKET
    return keys[before : before + whole.length // BUCKET]


def start_of(key: str) -> datetime:
    return datetime.strptime(key, KEY_FORMAT).replace(tzinfo=UTC)


def window_of_tags(tags: Mapping[str, str]) -> Window | None:
    """What a run covers by its tags alone, for those who see a run from outside or have no partitions of their own."""
    try:
        if PARTITION_TAG in tags:
            start = start_of(tags[PARTITION_TAG])
            return Window(start, start + BUCKET)
        first, last = (start_of(tags[tag]) for tag in RANGE_TAGS)
    except (KeyError, ValueError):
        return None
    return Window(first, last + BUCKET)


def window_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> Window:
    """What a run of one partition or of a range of them covers."""
    start, end = context.partition_time_window
    return Window(start, end)
