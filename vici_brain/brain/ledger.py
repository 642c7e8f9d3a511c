"""Reading the ledger: how far a dialer was read, and how Brain's side of a window adds up.

Belongs here: questions to call_log_proofs. Does not: writing it (brain/calls does, with the rows themselves).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, text

from vici_brain.brain.database import brain_errors
from vici_brain.domain.windows import Window

# Of each source table the start of the first hole of its last 31 days, else its end; a table never read at all begins where others do.
_POSITION = text("""
    WITH held AS (
        SELECT source_table, max(bucket_start) AS newest, min(bucket_start) AS oldest
        FROM call_log_proofs WHERE instance = :instance GROUP BY source_table
    ), followed AS (
        SELECT source_table, bucket_start, lead(bucket_start) OVER (PARTITION BY source_table ORDER BY bucket_start) AS next_start
        FROM call_log_proofs JOIN held USING (source_table)
        WHERE instance = :instance AND bucket_start >= newest - interval '31 days'
    ), ends AS (
        SELECT bucket_start + interval '5 minutes' AS position FROM followed
        WHERE next_start IS NULL OR next_start > bucket_start + interval '5 minutes'
        UNION ALL
        SELECT min(oldest) FROM held HAVING count(*) > 0 AND NOT CAST(:tables AS text[]) <@ array_agg(source_table)
    )
    SELECT min(position) FROM ends
""")
# One step down the key of the ledger for each table, however long the history.
_NEWEST = text("""
    SELECT CASE WHEN count(newest) = count(*) THEN min(newest) + interval '5 minutes' END FROM (
        SELECT (SELECT max(bucket_start) FROM call_log_proofs WHERE instance = :instance AND source_table = name) AS newest
        FROM unnest(CAST(:tables AS text[])) AS tables (name)
    ) AS newest_of_each
""")
_COVERAGE = text("""
    SELECT count(*) AS buckets, coalesce(sum(source_count), 0) AS source_count,
           (SELECT count(*) FROM held_call_logs
            WHERE instance = :instance AND called_at >= :start AND called_at < :end AND vanished_at IS NULL) AS brain_count,
           count(*) FILTER (WHERE source_count <> brain_count OR source_crc_sum <> brain_crc_sum) AS differing
    FROM call_log_proofs WHERE instance = :instance AND bucket_start >= :start AND bucket_start < :end
""")
_READ_SLICES = text("""
    SELECT bucket_start FROM call_log_proofs
    WHERE instance = :instance AND source_table = :source_table
      AND bucket_start >= :start AND bucket_start < :end AND read_at >= :since
    ORDER BY bucket_start
""")


@dataclass(frozen=True, slots=True)
class Coverage:
    """A window in the ledger: buckets read (per source table), rows at the source then, rows in Brain now."""

    buckets: int
    source_count: int
    brain_count: int
    differing: int


class Ledger:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def position(self, instance: str, source_tables: Sequence[str] = ()) -> datetime | None:
        """Up to where every source table of ``instance`` was read without a hole; ``None`` if nothing was ever read.

        A read of the last minutes alone, or of some other stretch, thus never hides what lies before it.
        """
        scope = {"instance": instance, "tables": list(source_tables)}
        with brain_errors(), self.engine.connect() as connection:
            position: datetime | None = connection.scalar(_POSITION, scope)
        return position

    def newest(self, instance: str, source_tables: Sequence[str]) -> datetime | None:
        """The end of the newest bucket read of every one of ``source_tables``, whatever holes lie before it."""
        with brain_errors(), self.engine.connect() as connection:
            newest: datetime | None = connection.scalar(_NEWEST, {"instance": instance, "tables": list(source_tables)})
        return newest

    def coverage(self, instance: str, window: Window) -> Coverage:
        """What the ledger says of ``window``, and how many rows Brain holds in it."""
        scope = {"instance": instance, "start": window.start, "end": window.end}
        with brain_errors(), self.engine.connect() as connection:
            row = connection.execute(_COVERAGE, scope).one()
        return Coverage(row.buckets, int(row.source_count), row.brain_count, row.differing)

    def read_since(self, instance: str, source_table: str, window: Window, since: datetime) -> set[datetime]:
        """Starts of the buckets of ``window`` whose last read began at or after ``since``; a resumed batch leaves them out."""
        scope = {"instance": instance, "source_table": source_table, "start": window.start, "end": window.end, "since": since}
        with brain_errors(), self.engine.connect() as connection:
            return set(connection.scalars(_READ_SLICES, scope))
