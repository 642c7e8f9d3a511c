"""What the ledger lacks: buckets never read, buckets not proven in time, and the share that is proven by day.

Belongs here: these questions to call_log_proofs. Does not: what is done about the answers (domain/gaps, sensors, checks).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Engine

from vici_brain.brain.database import brain_errors
from vici_brain.brain.sql import load
from vici_brain.domain.windows import Window

MOST = 50_000


@dataclass(frozen=True, slots=True)
class Gap:
    """One bucket that is due for something."""

    bucket_start: datetime
    never_read: bool


@dataclass(frozen=True, slots=True)
class HourCoverage:
    """Buckets of one hour (UTC), over all source tables."""

    day: date
    hour: int
    buckets: int
    proven: int
    differing: int


class GapStore:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def gaps(
        self, instance: str, source_tables: Sequence[str], window: Window, proof_due: datetime, *, most: int | None = MOST
    ) -> list[Gap]:
        """Buckets of ``window`` never read, or before ``proof_due`` and not proven; oldest first, ``most`` (``None``: all)."""
        scope = {
            "instance": instance,
            "source_tables": list(source_tables),
            "start": window.start,
            "end": window.end,
            "proof_due": proof_due,
            "limit": most,
        }
        with brain_errors(), self.engine.connect() as connection:
            return [Gap(row.bucket_start, row.never_read) for row in connection.execute(load("gaps"), scope)]

    def coverage(self, instance: str, window: Window) -> list[HourCoverage]:
        """How much of each hour of ``window`` is proven."""
        scope = {"instance": instance, "start": window.start, "end": window.end}
        with brain_errors(), self.engine.connect() as connection:
            rows = connection.execute(load("coverage_by_day"), scope)
            return [HourCoverage(row.day, row.hour, row.buckets, row.proven, row.differing) for row in rows]
