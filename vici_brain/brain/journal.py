"""The journal of syncs: one row of sync_logs for each, however it was started, whatever became of it.

Belongs here: opening, continuing and closing rows of sync_logs. Does not: what is counted (flows) or shown (brain/overview).
"""

import json
import resource
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, text

from vici_brain.brain.database import brain_errors
from vici_brain.domain.windows import Window
from vici_brain.errors import ViciBrainError, scrub

COUNTERS = ("rows_read", "rows_new", "rows_updated", "rows_unchanged", "rows_matched", "rows_orphaned", "rows_quarantined")
_OPEN = text("""
    INSERT INTO sync_logs (instance, kind, trigger, status, started_at, window_start, window_end, run_id)
    VALUES (:instance, :kind, :trigger, 'running', clock_timestamp(), :start, :end, :run_id) RETURNING id
""")
# A run in Dagster reads in one step and matches in the next; both are one sync and share its row.
_CONTINUE = text("""
    UPDATE sync_logs SET status = 'running'
    WHERE id = (
        SELECT id FROM sync_logs
        WHERE run_id = :run_id AND instance = :instance AND window_start = :start AND window_end = :end
        ORDER BY id DESC LIMIT 1
    )
    RETURNING id
""")
# A process that was killed leaves its row running.
_FIRST_TRY = text("""
    SELECT min(started_at) FROM sync_logs
    WHERE run_id = ANY(:run_ids) AND instance = :instance AND window_start = :start AND window_end = :end AND status <> 'success'
""")
_CLOSE = text(f"""
    UPDATE sync_logs SET
        status = :status, finished_at = clock_timestamp(), seconds = coalesce(seconds, 0) + :seconds,
        peak_memory_mb = greatest(peak_memory_mb, :peak_memory_mb), error = :error,
        details = details || CAST(:details AS jsonb),
        {", ".join(f"{name} = {name} + :{name}" for name in COUNTERS)}
    WHERE id = :id
""")  # noqa: S608 - the names are the constant above


@dataclass(frozen=True, slots=True)
class SyncIdentity:
    """Who started a sync, of what kind, and over which window."""

    instance: str
    kind: str
    trigger: str
    window: Window | None = None
    run_id: str | None = None
    repeats: str | None = None
    """The run that this one is in place of, because its process ended."""


@dataclass(slots=True)
class JournalEntry:
    """Filled in by the flow while it works; written when the block ends."""

    counters: dict[str, int] = field(default_factory=dict)
    details: dict[str, object] = field(default_factory=dict)
    seconds: float = 0.0

    def count(self, **counters: int) -> None:
        for name, value in counters.items():
            self.counters[name] = self.counters.get(name, 0) + value


class Journal:
    """Writes sync_logs; its rows survive the failure of what they describe, because they are written apart from it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def entry(self, identity: SyncIdentity, *, continues: bool = False, dry_run: bool = False) -> Iterator[JournalEntry]:
        """One row: running, then success or failed with the scrubbed error. A dry run writes none."""
        entry = JournalEntry()
        started = datetime.now(UTC)
        row_id = None if dry_run else self._open(identity, continues=continues)
        try:
            yield entry
        except BaseException as error:
            entry.seconds = (datetime.now(UTC) - started).total_seconds()
            if row_id is not None:
                try:
                    self._close(row_id, entry, "failed", f"{type(error).__name__}: {error}")
                except ViciBrainError as unwritten:
                    error.add_note(f"sync_logs could not be told: {unwritten}")
            raise
        entry.seconds = (datetime.now(UTC) - started).total_seconds()
        if row_id is not None:
            self._close(row_id, entry, "success", None)

    def first_try(self, identity: SyncIdentity) -> datetime | None:
        """When the same run, or the one that it repeats, first tried this window without coming to an end; by Brain's clock."""
        run_ids = [run_id for run_id in (identity.run_id, identity.repeats) if run_id is not None]
        if not run_ids or identity.window is None:
            return None
        values = {"instance": identity.instance, "start": identity.window.start, "end": identity.window.end, "run_ids": run_ids}
        with brain_errors(), self.engine.connect() as connection:
            found: datetime | None = connection.scalar(_FIRST_TRY, values)
        return found

    def counts_of_run(self, run_id: str) -> dict[str, int]:
        """The counters of all syncs of a run in Dagster, by name."""
        sums = ", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in COUNTERS)
        question = text(f"SELECT {sums} FROM sync_logs WHERE run_id = :run_id")  # noqa: S608 - the names are the constant above
        with brain_errors(), self.engine.connect() as connection:
            row = connection.execute(question, {"run_id": run_id}).one()
        return {name: int(value) for name, value in zip(COUNTERS, row, strict=True)}

    def _open(self, identity: SyncIdentity, *, continues: bool) -> int:
        values: Mapping[str, object] = {
            "instance": identity.instance,
            "kind": identity.kind,
            "trigger": identity.trigger,
            "start": identity.window and identity.window.start,
            "end": identity.window and identity.window.end,
            "run_id": identity.run_id,
        }
        with brain_errors(), self.engine.begin() as connection:
            found = connection.scalar(_CONTINUE, values) if continues and identity.run_id else None
            return int(found if found is not None else connection.execute(_OPEN, values).scalar_one())

    def _close(self, row_id: int, entry: JournalEntry, status: str, error: str | None) -> None:
        values = {name: entry.counters.get(name, 0) for name in COUNTERS} | {
            "id": row_id,
            "status": status,
            "seconds": entry.seconds,
            "peak_memory_mb": peak_memory_mb(),
            "error": scrub(error).replace("\x00", "").encode(errors="replace").decode()[:4000] if error else None,
            "details": json.dumps(entry.details),
        }
        with brain_errors(), self.engine.begin() as connection:
            connection.execute(_CLOSE, values)


def peak_memory_mb() -> float:
    """The largest resident size this process has had, in MiB.

    What getrusage says begins with the size of the parent at the fork, so a small worker of a large daemon would look large:
    Linux keeps the process's own mark.
    """
    with suppress(OSError, StopIteration), Path("/proc/self/status").open() as status:
        return round(int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024, 1)
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)
