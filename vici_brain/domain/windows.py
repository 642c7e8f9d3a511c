"""Half-open UTC windows, and what they are on a dialer's wall clock.

Belongs here: cutting, aligning and converting windows of time.
Does not: reading anything in them (vici), or deciding which are due (flows).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

BUCKET = timedelta(minutes=5)
OVERLAP = timedelta(minutes=1)
# A row's call_date and start_epoch are taken by two calls on the dialer and may fall on two sides of a second.
EDGE_SLACK = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open stretch of time ``[start, end)`` in UTC; refuses naive instants and reversed bounds when made."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError(f"window bounds need a time zone: {self.start} .. {self.end}")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))
        if self.end < self.start:
            raise ValueError(f"window ends before it starts: {self}")

    def __str__(self) -> str:
        return f"[{self.start:%Y-%m-%d %H:%M:%S}, {self.end:%Y-%m-%d %H:%M:%S}) UTC"

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def reaching_back(self, overlap: timedelta) -> "Window":
        """The same window begun earlier, so that two neighbours read their common edge twice."""
        return Window(self.start - overlap, self.end)

    def slices(self, longest: timedelta) -> Iterator["Window"]:
        """The window in consecutive pieces no longer than ``longest``, cut where the clock is a multiple of it.

        Cutting on the clock keeps the pieces of a resumed or overlapping backfill the same as those of the first try.
        """
        start = self.start
        while start < self.end:
            end = min(self.end, floor_to(start, longest) + longest)
            yield Window(start, end)
            start = end

    def buckets(self) -> Iterator[datetime]:
        """Starts of the 5-minute buckets that lie wholly inside."""
        whole = self.whole_buckets()
        start = whole.start
        while start < whole.end:
            yield start
            start += BUCKET

    def whole_buckets(self) -> "Window":
        """The part that whole buckets fill; empty if there is none."""
        first = floor_to(self.start + BUCKET - timedelta(microseconds=1), BUCKET)
        return Window(first, max(first, floor_to(self.end, BUCKET)))

    def wall_bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Naive local bounds ``(lowest, beyond)`` in ``zone`` that hold every wall time of the window.

        The dialer stores wall time without a zone. Around a clock change the wall time of a window is not an interval: in the
        fall-back hour it occurs twice, in spring a part of it never. The bounds are then as wide as the change, and
        the rows are told apart by their start_epoch afterwards.
        """
        first, last = self.start - EDGE_SLACK, self.end + EDGE_SLACK
        instants = [first, last]
        step = first
        while step < last:
            instants.append(step)
            step += timedelta(minutes=15)
        walls = [instant.astimezone(zone).replace(tzinfo=None) for instant in instants]
        lowest, beyond = min(walls), max(walls)
        hour = timedelta(hours=1)
        offsets = [_offset(instant, zone) for instant in (first - hour, last + hour)]
        change = max(offsets) - min(offsets)
        return lowest - change, beyond + change


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


def floor_to(instant: datetime, step: timedelta) -> datetime:
    """The last multiple of ``step`` since the epoch that is not after ``instant``."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + ((instant - epoch) // step) * step
