"""How busy a dialer was: the counts from which its silence is judged.

Belongs here: the read-only questions behind domain/silence. Does not: the verdict (domain/silence) or alerts (brain/alerts).
"""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, text

from vici_brain.brain.database import brain_errors
from vici_brain.brain.sql import load
from vici_brain.domain.silence import HOUR, HourSeen, Signals, same_hours
from vici_brain.domain.windows import BUCKET

_NEWEST = text("SELECT max(called_at) FROM vici_call_logs WHERE instance = :instance AND called_at < :end")


class Activity:
    """Counts of one dialer; ``source_tables`` are those whose buckets make an hour read."""

    def __init__(self, engine: Engine, instance: str, zone: ZoneInfo, source_tables: Sequence[str]) -> None:
        self._engine, self._instance, self._zone = engine, instance, zone
        self._source_tables = list(source_tables)

    def signals(self, end: datetime) -> Signals:
        """The hour before ``end``, and the same hour of the dialer's week in each past week."""
        hours = list(same_hours(end, self._zone))
        values = {
            "instance": self._instance,
            "source_tables": self._source_tables,
            "hour_starts": [hour.start for hour, _ in hours],
            "hour_ends": [hour.end for hour, _ in hours],
            "day_starts": [day.start for _, day in hours],
            "day_ends": [day.end for _, day in hours],
        }
        whole = HOUR // BUCKET * len(self._source_tables)
        with brain_errors(), self._engine.connect() as connection:
            rows = connection.execute(load("activity_of_hours"), values).all()
            newest = connection.scalar(_NEWEST, {"instance": self._instance, "end": end})
        seen = [HourSeen(row.by_campaign or {}, row.buckets_read == whole, int(row.day_calls)) for row in rows]
        return Signals(end, seen[0], seen[1:], newest)
