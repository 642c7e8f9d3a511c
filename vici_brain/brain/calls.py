"""Landing calls in Brain: stage, place, merge, and the ledger's entry, all in one transaction.

Belongs here: writes to vici_call_logs, its history, quarantine and ledger. Does not: reading the dialer (vici), deciding windows
(flows), matching calls to leads (brain/matches).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import LiteralString, cast

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.exc import IntegrityError

from vici_brain.brain.database import brain_errors
from vici_brain.brain.purged_calls import return_changed
from vici_brain.brain.sql import load
from vici_brain.domain import call_lines
from vici_brain.domain.call_rows import COLUMNS, CleanRows, Refusal, clean
from vici_brain.domain.windows import Window

_STAGED = sql.SQL(", ").join(map(sql.Identifier, (*COLUMNS, "source_copy")))
_COPY = sql.SQL("COPY staged_calls ({}) FROM STDIN").format(_STAGED)
_COPY_LINES = sql.SQL("COPY staged_calls ({}) FROM STDIN WITH (NULL {})").format(_STAGED, sql.Literal(call_lines.NULL_MARK))
# Below this many rows statistics, and the look for a first read, cost more than they save.
_MANY = 100
# What the planner asks of calls; the other thirty columns would take most of the time.
_ANALYZE = text("""
    ANALYZE vici_call_logs (instance, source_table, source_key, called_at, lead_id, vici_lead_id, phone_key, vendor_lead_code),
        call_log_proofs
""")
_SAME_SHAPE = "CREATE TEMPORARY TABLE {} (LIKE vici_call_logs) ON COMMIT DROP"
_TEMPORARY = {name: text(_SAME_SHAPE.format(name)) for name in ("placed_calls", "arriving_calls")}
_LARGER_THAN_KNOWN = text("""
    SELECT reltuples < 0 OR CAST(:added AS bigint) * 2 >= reltuples FROM pg_class WHERE oid = CAST('vici_call_logs' AS regclass)
""")
_IS_FRESH = text("""
    SELECT NOT EXISTS (
        SELECT FROM call_log_proofs
        WHERE instance = :instance AND source_table = :source_table AND bucket_start >= :start AND bucket_start < :end
    ) AND NOT EXISTS (
        SELECT FROM vici_call_logs
        -- Said so that no index serves it: by the key the planner might walk through all calls of the table.
        WHERE instance = :instance AND (source_table = :source_table) IS TRUE AND called_at >= :start AND called_at < :end
    ) AND NOT EXISTS (SELECT FROM purged_orphan_calls WHERE instance = :instance)
""")
_PREFER_LOOK_UPS = text("SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)")
_AS_BEFORE = text("SELECT set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true)")
_TIMELESS = "no usable time: neither call_date, start_epoch nor uniqueid holds one"
_QUARANTINE = text("""
    INSERT INTO quarantined_call_logs AS kept
        (instance, source_table, source_key, reasons, raw, landed, first_seen_at, changed_at)
    VALUES (:instance, :source_table, :source_key, :reasons, CAST(:raw AS jsonb), :landed, :read_at, :read_at)
    ON CONFLICT (instance, source_table, source_key) DO UPDATE
    SET reasons = excluded.reasons, raw = excluded.raw, landed = excluded.landed, changed_at = excluded.changed_at
    WHERE (kept.reasons, kept.raw, kept.landed) IS DISTINCT FROM (excluded.reasons, excluded.raw, excluded.landed)
""")


@cache
def _staging(zone: str) -> TextClause:
    """The staging table of a dialer in ``zone``, which is part of how an instant is worked out."""
    return text(load("stage_calls").text.replace(":zone", sql.Literal(zone).as_string()))


@dataclass(frozen=True, slots=True)
class MergeCounts:
    """What one slice did to vici_call_logs; ``read`` = new + updated + unchanged + those quarantined without landing."""

    read: int = 0
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    quarantined: int = 0
    matched: int = 0
    """How many of the new ones got their lead as they came; those of a stretch that was never read before do."""

    def __add__(self, other: "MergeCounts") -> "MergeCounts":
        return MergeCounts(
            self.read + other.read,
            self.new + other.new,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.quarantined + other.quarantined,
            self.matched + other.matched,
        )


class Landing:
    """One slice of one source table on its way in: stage any number of pages, then merge once."""

    def __init__(self, connection: Connection, scope: dict[str, object]) -> None:
        self._connection = connection
        self._scope = scope
        self._refusals: dict[str, Refusal] = {}
        self._staged = 0
        self._archived = False

    def stage(self, clean: CleanRows, *, source_copy: str) -> None:
        """Adds rows (in COLUMNS order) by COPY; ``source_copy`` is ``live`` or ``archive``."""
        driver = cast("psycopg.Connection[tuple[object, ...]]", self._connection.connection.driver_connection)
        with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
            for row in clean.rows:
                copy.write_row((*row, source_copy))
        self._staged += len(clean.rows)
        self._archived = self._archived or source_copy == "archive"
        self._refusals.update((refusal.source_key, refusal) for refusal in clean.refusals)

    def stage_lines(self, page: bytes, count: int, *, source_copy: str) -> None:
        """Adds ``count`` rows that the dialer's database wrote as lines; what PostgreSQL refuses is cleaned value by value."""
        driver = cast("psycopg.Connection[tuple[object, ...]]", self._connection.connection.driver_connection)
        try:
            with driver.transaction(), driver.cursor() as cursor, cursor.copy(_COPY_LINES) as copy:
                copy.write(call_lines.copy_text(page, source_copy))
        except psycopg.DataError:
            self.stage(clean([call_lines.fields(line) for line in call_lines.lines(page)]), source_copy=source_copy)
            return
        self._staged += count
        self._archived = self._archived or source_copy == "archive"

    def merge(self, ledger: Window | None) -> MergeCounts:
        """Merges what was staged; ``ledger`` names the whole buckets that this slice covered, ``None`` if it covered none."""
        if ledger is not None and not ledger.length:
            ledger = None
        landed = self._land_new(ledger) if ledger and self._is_fresh(ledger) else None
        if landed and landed.new == self._staged:
            return replace(landed, quarantined=self._quarantine(all_landed=True))
        placed = self._place(ledger if landed else None)
        counts = replace(landed, read=self._staged) if landed else MergeCounts(self._keys())
        if placed:
            counts += self._merge_known(placed)
        counts = replace(counts, quarantined=self._quarantine(all_landed=False))
        if ledger and not landed:
            self._connection.execute(load("record_buckets"), self._scope | {"start": ledger.start, "end": ledger.end})
        return counts

    def _is_fresh(self, ledger: Window) -> bool:
        """Whether this is the first read of much: then nearly every row is new, and looking for it first is in vain."""
        if self._staged < _MANY:
            return False
        return bool(self._connection.scalar(_IS_FRESH, self._scope | {"start": ledger.start, "end": ledger.end}))

    def _land_new(self, ledger: Window) -> MergeCounts | None:
        """Puts in the calls of a stretch that was never read, each with its lead; ``None`` if some are held, or any came twice.

        It is taken for granted that none is: a row that may meet its like is written in two steps, a quarter dearer than in one.
        """
        stretch, savepoint = {"start": ledger.start, "end": ledger.end}, self._connection.begin_nested()
        try:
            landed = self._connection.execute(load("land_new_calls"), self._scope | stretch).one()
        except IntegrityError as error:
            savepoint.rollback()
            if not isinstance(error.orig, psycopg.errors.UniqueViolation):
                raise
            return None
        if landed.calls < self._staged and self._keys() < self._staged:
            # One of those left over may be the later state of one that landed.
            savepoint.rollback()
            return None
        savepoint.commit()
        return MergeCounts(landed.calls, landed.calls, matched=landed.matched)

    def _keys(self) -> int:
        return int(self._connection.scalar(text("SELECT count(DISTINCT source_key) FROM staged_calls")) or 0)

    def _place(self, done: Window | None) -> int:
        """Brings what was staged, but for the calls of ``done``, into the shape of vici_call_logs; how many."""
        self._connection.execute(_TEMPORARY["placed_calls"])
        between = {"landed_from": done.start, "landed_to": done.end} if done else {"landed_from": None, "landed_to": None}
        return self._connection.execute(load("place_calls"), self._scope | between).rowcount

    def _merge_known(self, placed: int) -> MergeCounts:
        """Merges the ``placed`` rows of which some are held: only what says something new is written."""
        if placed >= _MANY:
            self._run("ANALYZE placed_calls (instance, source_table, source_key)")
        # Every statement from here on looks its rows up by the key; of a middling table the planner would rather read the whole.
        self._connection.execute(_PREFER_LOOK_UPS)
        return_changed(self._connection, self._scope)
        self._connection.execute(_TEMPORARY["arriving_calls"])
        arriving = self._run(load("arriving_calls"))
        updated = self._run(load("keep_history")) if arriving else 0
        if arriving:
            self._run(load("reopen_buckets"))
        merged = self._run(load("merge_calls")) if arriving else 0
        archived = int(self._connection.execute(load("keep_over_archive"), self._scope).scalar_one()) if self._archived else 0
        self._connection.execute(_AS_BEFORE)
        return MergeCounts(0, max(0, merged - updated), updated + archived, placed - merged - archived)

    def _quarantine(self, *, all_landed: bool) -> int:
        """Keeps the refused rows aside: as they came where the reader still knew that, whether they landed or not."""
        found = [] if all_landed else self._connection.execute(load("timeless_calls"), self._scope).all()
        apart = {row.source_key: row for row in found}
        rows = []
        for key in sorted(self._refusals.keys() | apart.keys()):
            refusal = self._refusals.get(key)
            reasons = [*([_TIMELESS] if key in apart else []), *(refusal.reasons if refusal else [])]
            raw = apart[key].staged if refusal is None else dict(refusal.raw)
            landed = key not in apart or apart[key].landed
            rows.append({"source_key": key, "reasons": reasons, "raw": json.dumps(raw), "landed": landed})
        self._run(load("release_landed"))
        if rows:
            self._connection.execute(_QUARANTINE, [self._scope | row for row in rows])
        return len(rows)

    def _run(self, statement: LiteralString | object) -> int:
        clause = text(statement) if isinstance(statement, str) else statement
        return self._connection.execute(clause, self._scope).rowcount  # type: ignore[call-overload,no-any-return]


class CallStore:
    """Where calls land; one instance per engine, any number of landings one after another."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def landing(
        self, instance: str, source_table: str, zone: str, *, dry_run: bool = False, read_at: datetime | None = None
    ) -> Iterator[Landing]:
        """A transaction for one slice, committed at the end of the block, undone if it fails or for a dry run.

        ``read_at``, by Brain's clock and from before the slice was read (default: now, so enter it before reading), is the age
        of what was read, and decides which of two reads may overwrite the other.
        """
        with brain_errors(), self.engine.connect() as connection:
            read_at = read_at or connection.execute(text("SELECT clock_timestamp()")).scalar_one()
            connection.execute(_staging(zone))
            yield Landing(connection, {"instance": instance, "source_table": source_table, "read_at": read_at})
            if dry_run:
                connection.rollback()
            else:
                connection.commit()

    def refresh_statistics(self, added: int) -> None:
        """Tells the planner about a table that grew by much of what it knows of; autovacuum would do so a minute too late."""
        with brain_errors(), self.engine.connect() as connection:
            if not connection.scalar(_LARGER_THAN_KNOWN, {"added": added}):
                return
            connection.rollback()
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(_ANALYZE)

    def keys(self, instance: str) -> set[tuple[str, str]]:
        """``(source_table, source_key)`` of every call of ``instance`` that is held or quarantined; for small dialers."""
        held = text(
            "SELECT source_table, source_key FROM held_call_logs WHERE instance = :instance"
            " UNION SELECT source_table, source_key FROM quarantined_call_logs WHERE instance = :instance"
        )
        with brain_errors(), self.engine.connect() as connection:
            return {(row.source_table, row.source_key) for row in connection.execute(held, {"instance": instance})}
