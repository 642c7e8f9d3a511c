"""How the calls of a window spread over its five-minute buckets, for whoever shows each partition of a long read.

Belongs here: one grouped, read-only question. Does not: whether the counts are right (brain/audits), or the ledger itself.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from vici_brain.brain.database import brain_errors
from vici_brain.brain.sql import load
from vici_brain.domain.windows import Window


@dataclass(frozen=True, slots=True)
class BucketCount:
    """One bucket: rows counted at the source when it was read, and the two halves of it in Brain."""

    source_count: int = 0
    matched: int = 0
    orphaned: int = 0

    @property
    def target_count(self) -> int:
        return self.matched + self.orphaned


def calls_per_bucket(brain: Engine, instance: str, window: Window) -> dict[datetime, BucketCount]:
    """By the start of the bucket; a bucket that was never read and holds nothing is left out."""
    scope = {"instance": instance, "start": window.start, "end": window.end}
    with brain_errors(), brain.connect() as connection:
        rows = connection.execute(load("calls_per_bucket"), scope)
        return {row.bucket_start: BucketCount(row.source_count, row.matched, row.orphaned) for row in rows}
