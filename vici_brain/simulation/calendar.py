"""The dialer's days: how many calls a day has, when they are dialled, and what the wall clock shows.

Belongs here: everything about time zones and volume. Does not: what becomes of a call (plan).
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np

from vici_brain.simulation.draws import Ints
from vici_brain.simulation.profile import DialerProfile

DAY = 86_400
_EPOCH = date(1970, 1, 1)
_WEEKDAYS = (1.06, 1.03, 1.0, 0.99, 0.92, 0.15, 0.03)
_HOLIDAY = 0.02
_QUARTERS_FROM_9 = (0.5, 0.8, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0.8, 0.35, 0.3, 0.3, 0.4, 0.7, 1, 1, 1, 1, 1, 1, 1)
_QUARTERS_FROM_15 = (1, 1, 1, 1, 1, 1, 1, 1, 0.9, 0.9, 0.9, 0.8, 0.8, 0.8, 0.7, 0.7, 0.5, 0.4, 0.3, 0.2)
_WEIGHTS = np.array(_QUARTERS_FROM_9 + _QUARTERS_FROM_15)


@cache
def _clock_texts() -> Sequence[str]:
    return [f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in range(DAY)]


def wall_texts(walls: Ints) -> list[str]:
    """Wall seconds as the dialer writes them: 'YYYY-MM-DD HH:MM:SS'."""
    clocks = _clock_texts()
    days = {day: f"{_EPOCH + timedelta(days=day)} " for day in np.unique(walls // DAY).tolist()}
    return [days[wall // DAY] + clocks[wall % DAY] for wall in walls.tolist()]


def is_holiday(day: date) -> bool:
    fixed = {(1, 1), (7, 4), (12, 25)}
    last_monday_of_may = day.month == 5 and day.weekday() == 0 and day.day > 24
    labor_day = day.month == 9 and day.weekday() == 0 and day.day < 8
    thanksgiving = day.month == 11 and day.weekday() == 3 and 22 <= day.day <= 28
    return (day.month, day.day) in fixed or last_monday_of_may or labor_day or thanksgiving


class Calendar:
    """Local days of one dialer, as instants in UTC seconds."""

    def __init__(self, profile: DialerProfile) -> None:
        self.first_day = profile.first_day
        self._profile = profile
        self._zone = ZoneInfo(profile.time_zone)
        self._calls_before = [0]

    def at(self, day: date, hour: int = 0, minute: int = 0) -> int:
        """The instant of a wall time; in the hour that occurs twice, the first."""
        return int(datetime.combine(day, time(hour, minute), self._zone).timestamp())

    def day_of(self, epoch: int) -> date:
        return datetime.fromtimestamp(epoch, self._zone).date()

    def offset(self, epoch: int) -> int:
        delta = datetime.fromtimestamp(epoch, self._zone).utcoffset()
        return 0 if delta is None else int(delta.total_seconds())

    def walls(self, epochs: Ints) -> Ints:
        """Wall seconds of instants; zones change their offset on quarter hours only, so few look-ups serve many calls."""
        quarters, where = np.unique(epochs // 900, return_inverse=True)
        offsets = np.array([self.offset(quarter * 900) for quarter in quarters.tolist()], dtype=np.int64)
        return epochs + offsets[where] if epochs.size else epochs

    def has_night_between(self, since: int, until: int) -> bool:
        """Whether 3:10, the hour of administrators' jobs on leads, falls into (since, until]."""
        return any(since < self.at(self.day_of(epoch), 3, 10) <= until for epoch in (since, until)) or until - since > DAY

    def volume(self, day: date) -> int:
        """How many calls a day has: weekday, holiday, and a little luck."""
        share = _HOLIDAY if is_holiday(day) else _WEEKDAYS[day.weekday()]
        luck = np.random.default_rng((self._profile.seed, day.toordinal(), 0)).normal(1.0, 0.06)
        return max(0, round(self._profile.calls_per_day * share * float(luck)))

    def calls_before(self, day: date) -> int:
        """Calls of all days before this one: the number of the day's first call."""
        index = max(0, (day - self.first_day).days)
        while len(self._calls_before) <= index:
            yesterday = self.first_day + timedelta(days=len(self._calls_before) - 1)
            self._calls_before.append(self._calls_before[-1] + self.volume(yesterday))
        return self._calls_before[index]

    def moments(self, day: date, rng: np.random.Generator, count: int, night_share: float) -> Ints:
        """Sorted instants of a day's dials. Nights are counted from midnight in elapsed time, so that both passes of a
        repeated hour occur and a skipped hour does not; days are counted back from the next midnight.
        """
        night = rng.random(count) < night_share
        quarter = np.searchsorted(np.cumsum(_WEIGHTS) / _WEIGHTS.sum(), rng.random(count), side="right")
        second = rng.integers(0, 900, count)
        by_day = self.at(day + timedelta(days=1)) - DAY + 9 * 3600 + quarter * 900 + second
        by_night = self.at(day) + rng.integers(0, 6 * 3600, count)
        return np.sort(np.where(night, by_night, by_day)).astype(np.int64)


def utc_text(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S")
