"""Reading the ledger: how far a dialer was read, and how Brain's side of a window adds up.

Belongs here: questions to call_log_proofs. Does not: writing it (brain/calls does, with the rows themselves).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, text

from vici_brain.brain.database import brain_errors
from vici_brain.domain.windows import BUCKET, Window

# The source tables of a dialer, one step down the ledger's key for each: DISTINCT would read its whole history.
_SOURCE_TABLES = """
    WITH RECURSIVE tables (name) AS (
        (SELECT source_table FROM call_log_proofs WHERE instance = :instance ORDER BY source_table LIMIT 1)
        UNION ALL
        SELECT (
            SELECT source_table FROM call_log_proofs
            WHERE instance = :instance AND source_table > tables.name ORDER BY source_table LIMIT 1
        ) FROM tables WHERE tables.name IS NOT NULL
    )"""
# Of each source table the start of the first hole of its last 31 days, else its end; a table never read at all begins where the
# others do.
_POSITION = text(f"""{_SOURCE_TABLES}, held AS (
        SELECT name,
            (SELECT max(bucket_start) FROM call_log_proofs WHERE instance = :instance AND source_table = name) AS newest,
            (SELECT min(bucket_start) FROM call_log_proofs WHERE instance = :instance AND source_table = name) AS oldest
        FROM tables WHERE name IS NOT NULL
    ), followed AS (
        SELECT bucket_start, next_start FROM held CROSS JOIN LATERAL (
            SELECT bucket_start, lead(bucket_start) OVER (ORDER BY bucket_start) AS next_start FROM call_log_proofs
            WHERE instance = :instance AND source_table = name AND bucket_start >= newest - interval '31 days'
        ) AS buckets
    ), ends AS (
        SELECT bucket_start + interval '5 minutes' AS position FROM followed
        WHERE next_start IS NULL OR next_start > bucket_start + interval '5 minutes'
        UNION ALL
        SELECT min(oldest) FROM held HAVING count(*) > 0 AND NOT CAST(:tables AS text[]) <@ array_agg(name)
    )
    SELECT min(position) FROM ends
""")  # noqa: S608 - the constant above
# One step down the key of the ledger for each table, however long the history.
_NEWEST = text("""
    SELECT CASE WHEN count(newest) = count(*) THEN min(newest) + interval '5 minutes' END FROM (
        SELECT (SELECT max(bucket_start) FROM call_log_proofs WHERE instance = :instance AND source_table = name) AS newest
        FROM unnest(CAST(:tables AS text[])) AS tables (name)
    ) AS newest_of_each
""")
_COVERAGE = text(f"""{_SOURCE_TABLES}
    SELECT count(*) AS buckets, coalesce(sum(source_count), 0) AS source_count, coalesce(sum(brain_count), 0) AS brain_count,
           count(*) FILTER (WHERE source_count <> brain_count OR source_crc_sum <> brain_crc_sum) AS differing
    FROM tables CROSS JOIN LATERAL (
        SELECT * FROM call_log_proofs
        WHERE instance = :instance AND source_table = name AND bucket_start >= :start AND bucket_start < :end
        -- Keeps the planner, which takes the few tables for a hundred, from reading the whole ledger once instead.
        OFFSET 0
    ) AS buckets
""")  # noqa: S608 - the constant above
# By the key of the ledger, the window alone: a hole of it is no row there.
_DUE = text("""
    SELECT bucket_start
    FROM generate_series(CAST(:start AS timestamptz), CAST(:last AS timestamptz), interval '5 minutes') AS buckets (bucket_start)
    LEFT JOIN (
        SELECT bucket_start, read_at, state FROM call_log_proofs
        WHERE instance = :instance AND source_table = :source_table AND bucket_start >= :start AND bucket_start <= :last
    ) AS known USING (bucket_start)
    WHERE (read_at >= :since OR (:trust_proofs AND state = 'proven')) IS NOT TRUE
    ORDER BY bucket_start
""")


@dataclass(frozen=True, slots=True)
class Coverage:
    """A window in the ledger: buckets read (per source table), rows at the source and in Brain when they were last compared."""

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
        """What the ledger says of ``window``."""
        scope = {"instance": instance, "start": window.start, "end": window.end}
        with brain_errors(), self.engine.connect() as connection:
            row = connection.execute(_COVERAGE, scope).one()
        return Coverage(row.buckets, int(row.source_count), int(row.brain_count), row.differing)

    def due(self, instance: str, source_table: str, window: Window, since: datetime, *, trust_proofs: bool) -> list[datetime]:
        """Starts of the whole buckets of ``window`` that were not read since ``since``, in order; a resumed batch reads these.

        With ``trust_proofs`` those whose last proof still stands are not due either.
        """
        whole = window.whole_buckets()
        scope = {"instance": instance, "source_table": source_table, "start": whole.start, "last": whole.end - BUCKET}
        with brain_errors(), self.engine.connect() as connection:
            return list(connection.scalars(_DUE, scope | {"since": since, "trust_proofs": trust_proofs}))
