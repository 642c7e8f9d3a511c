"""When a five-minute bucket counts as proven: the source's own count and checksum beside Brain's.

Belongs here: the comparison, and cutting a window where a dialer's clock changes. Does not: asking either side (vici, brain).

Nearly every row is *regular*: its start_epoch, on the wall clock of the dialer's zone, is its call_date within a quarter of an
hour. Those are counted and summed by each database. The few others (zero dates, a year for an epoch, a host with a wrong clock)
belong to no bucket that both sides could count alike, so they are compared one by one, by key.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from vici_brain.domain.windows import Window, floor_to

TOLERANCE = timedelta(minutes=15)
_QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class BucketSum:
    """Rows of one bucket and the sum of their CRC32."""

    count: int = 0
    crc_sum: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """One bucket in which the two sides are not equal, and what is known of why."""

    source_table: str
    bucket_start: datetime
    source: BucketSum
    brain: BucketSum
    odd_keys: tuple[str, ...] = ()
    """Keys of irregular rows that only one side has, or that differ."""
    samples: tuple[str, ...] = ()
    """Some keys that make the difference, each with what is wrong, for people."""


def compare(
    source_table: str,
    window: Window,
    source: Mapping[datetime, BucketSum],
    brain: Mapping[datetime, BucketSum],
    odd: Mapping[datetime, tuple[str, ...]],
) -> list[Difference]:
    """The buckets of ``window`` that are not proven equal, oldest first."""
    nothing, whole = BucketSum(), window.whole_buckets()
    return [
        Difference(source_table, start, source.get(start, nothing), brain.get(start, nothing), odd.get(start, ()))
        for start in sorted({*source, *brain, *odd})
        if whole.start <= start < whole.end and (source.get(start, nothing) != brain.get(start, nothing) or odd.get(start))
    ]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a window in which the dialer's zone keeps one offset from UTC."""

    window: Window
    offset: timedelta


def is_regular(call_date: str | None, start_epoch: int | None, zone: ZoneInfo) -> bool:
    """Whether a row's wall time is its epoch on the clock of ``zone``, as each database decides it for itself."""
    if call_date is None or start_epoch is None:
        return False
    try:
        wall = datetime.fromisoformat(call_date)
        expected = datetime.fromtimestamp(start_epoch, zone).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return False
    return abs(wall - expected) <= TOLERANCE


@lru_cache(maxsize=64)
def pieces(window: Window, zone: ZoneInfo) -> tuple[Piece, ...]:
    """``window`` cut where the clocks of ``zone`` change; almost always in one piece.

    Zones change on whole quarters of an hour in UTC, so looking at each of those finds every change. Of a day that is a hundred
    looks, and both sides ask it of the same window, for every table.
    """
    return tuple(_pieces(window, zone))


def _pieces(window: Window, zone: ZoneInfo) -> Iterator[Piece]:
    start, offset = window.start, _offset(window.start, zone)
    at = floor_to(start, _QUARTER) + _QUARTER
    while at < window.end:
        here = _offset(at, zone)
        if here != offset:
            yield Piece(Window(start, at), offset)
            start, offset = at, here
        at += _QUARTER
    yield Piece(Window(start, window.end), offset)


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()
