"""Old orphans in Brain: finding them, reading them out, putting away exactly those that a file holds, and bringing them back.

Belongs here: the statements over vici_call_logs, purged_orphan_calls and the audit rows in orphan_purges. Does not: files
(brain/orphan_files), the order of the steps (flows/purge_orphans), or calls that go back by themselves (brain/purged_calls).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, text

from vici_brain.brain.database import brain_errors
from vici_brain.brain.purged_calls import COLUMNS, NAMED, move_back
from vici_brain.brain.sql import load

Mode = Literal["hidden", "purged"]
_DUE = """
    FROM vici_call_logs AS call
    WHERE instance = :instance AND called_at < :cutoff AND lead_id IS NULL AND (vanished_at IS NULL OR vanish_reason = 'expired')
      AND (hidden_at IS NULL OR :hidden_too)
"""
_COUNT = text(f"SELECT count(*) AS calls, min(called_at) AS first, max(called_at) AS last {_DUE}")
_READ = text(f"SELECT {NAMED} {_DUE} ORDER BY called_at, source_table, source_key")
_STAGE = text("CREATE TEMPORARY TABLE exported_calls (LIKE vici_call_logs) ON COMMIT DROP")
_COPY = sql.SQL("COPY exported_calls ({}) FROM STDIN").format(sql.SQL(", ").join(map(sql.Identifier, COLUMNS)))
# Keeps merges and matches out until the calls have moved: see brain/purged_calls. Readers go on.
_LOCK = text("LOCK TABLE vici_call_logs IN SHARE ROW EXCLUSIVE MODE")
_PURGE = text("SELECT * FROM orphan_purges WHERE id = :id")
_PURGES = text("SELECT * FROM orphan_purges WHERE instance = ANY(:instances) ORDER BY id DESC LIMIT :limit")
_BY_FILE = text("SELECT * FROM orphan_purges WHERE sha256 = :sha256 ORDER BY id DESC LIMIT 1")
_PURGED_BY = "SELECT instance, source_table, source_key FROM purged_orphan_calls WHERE purge_id = :purge_id"
_RESTORED = text("""
    UPDATE orphan_purges SET restored_at = coalesce(restored_at, clock_timestamp()), restored_by = coalesce(restored_by, :actor),
        restored_calls = coalesce(restored_calls, 0) + :calls
    WHERE id = :purge_id AND (restored_at IS NULL OR :calls > 0)
""")


@dataclass(frozen=True, slots=True)
class DueOrphans:
    """Orphans of one dialer that happened before ``cutoff``; ``first`` and ``last`` are ``None`` when there are none."""

    cutoff: datetime
    calls: int
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True)
class Purge:
    """One row of orphan_purges."""

    id: int
    instance: str
    mode: Mode
    trigger: str
    actor: str
    acted_at: datetime
    cutoff: datetime
    calls: int
    exported_calls: int
    first_called_at: datetime
    last_called_at: datetime
    file: str
    sha256: str
    restored_at: datetime | None
    restored_by: str | None
    restored_calls: int | None


@dataclass(frozen=True, slots=True)
class Act:
    """What to do with exported calls, and who says so."""

    instance: str
    mode: Mode
    trigger: str
    actor: str
    cutoff: datetime
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class BroughtBack:
    """Calls that came back, those of them that only the file held, and those that are not as they were exported."""

    calls: int
    only_in_file: int = 0
    differing: tuple[str, ...] = ()


class OrphanArchive:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def due(self, instance: str, cutoff: datetime, mode: Mode) -> DueOrphans:
        """How many orphans would be put away; a purge takes hidden ones too."""
        with brain_errors(), self.engine.connect() as connection:
            row = connection.execute(_COUNT, _scope(instance, cutoff, mode)).one()
        return DueOrphans(cutoff, row.calls, row.first, row.last)

    def rows(self, instance: str, cutoff: datetime, mode: Mode, batch: int) -> Iterator[Sequence[Sequence[Any]]]:
        """The same orphans as one statement saw them, from a cursor on the server, ``batch`` at a time, oldest first."""
        with brain_errors(), self.engine.connect() as connection:
            found = connection.execution_options(yield_per=batch).execute(_READ, _scope(instance, cutoff, mode))
            yield from found.partitions(batch)

    def put_away(self, act: Act, batches: Iterable[Sequence[Sequence[Any]]]) -> Purge | None:
        """Hides or purges those of the given rows that are still the same in every column; with the audit row one transaction.

        A call that changed, vanished or found its lead since it was exported is left alone. ``None`` when none was left.
        """
        with brain_errors(), self.engine.begin() as connection:
            _stage(connection, batches)
            connection.execute(_LOCK)
            values = {
                "instance": act.instance,
                "mode": act.mode,
                "trigger": act.trigger,
                "actor": act.actor,
                "cutoff": act.cutoff,
                "file": act.file,
                "sha256": act.sha256,
            }
            purge_id = connection.scalar(load("open_purge"), values)
            moved = connection.execute(load(f"{act.mode}_orphans"), {"purge_id": purge_id}).rowcount if purge_id else 0
            if not moved:
                connection.rollback()
                return None
            connection.execute(text("UPDATE orphan_purges SET calls = :moved WHERE id = :id"), {"moved": moved, "id": purge_id})
            return _purge(connection.execute(_PURGE, {"id": purge_id}).one())

    def bring_back(self, purge: Purge, batches: Iterable[Sequence[Sequence[Any]]] | None, actor: str) -> BroughtBack:
        """Undoes ``purge`` in one transaction.

        With ``batches``, the rows of a purge's export, each call is compared with them in every column, and what Brain holds
        nowhere any more comes from them. Nothing is done if there is a difference.
        """
        with brain_errors(), self.engine.connect() as connection:
            values = {"purge_id": purge.id, "instance": purge.instance, "acted_at": purge.acted_at}
            if batches is not None:
                _stage(connection, batches)
            connection.execute(_LOCK)
            back = load("show_orphans") if purge.mode == "hidden" else move_back(_PURGED_BY)
            moved = connection.execute(back, values).all()
            done = BroughtBack(len(moved))
            if batches is not None:
                only_in_file = len(connection.execute(load("restore_from_file"), values).all())
                keys = {"tables": [row.source_table for row in moved], "keys": [row.source_key for row in moved]}
                differing = tuple(connection.scalars(load("restored_otherwise"), values | keys))
                done = BroughtBack(len(moved) + only_in_file, only_in_file, differing)
            if done.differing:
                connection.rollback()
                return done
            connection.execute(_RESTORED, {"purge_id": purge.id, "actor": actor, "calls": done.calls})
            connection.commit()
        return done

    def purge(self, purge_id: int) -> Purge | None:
        with brain_errors(), self.engine.connect() as connection:
            row = connection.execute(_PURGE, {"id": purge_id}).one_or_none()
        return None if row is None else _purge(row)

    def purge_of_file(self, sha256: str) -> Purge | None:
        """The purge whose export has this digest, wherever the file lies now."""
        with brain_errors(), self.engine.connect() as connection:
            row = connection.execute(_BY_FILE, {"sha256": sha256}).one_or_none()
        return None if row is None else _purge(row)

    def purges(self, instances: Sequence[str], limit: int = 50) -> list[Purge]:
        """The latest purges, newest first."""
        with brain_errors(), self.engine.connect() as connection:
            return [_purge(row) for row in connection.execute(_PURGES, {"instances": list(instances), "limit": limit})]


def _scope(instance: str, cutoff: datetime, mode: Mode) -> dict[str, object]:
    return {"instance": instance, "cutoff": cutoff, "hidden_too": mode == "purged"}


def _stage(connection: Connection, batches: Iterable[Sequence[Sequence[Any]]]) -> None:
    connection.execute(_STAGE)
    driver = cast("psycopg.Connection[tuple[object, ...]]", connection.connection.driver_connection)
    with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
        for rows in batches:
            for row in rows:
                copy.write_row(row)
    connection.execute(text("ANALYZE exported_calls"))


def _purge(row: Any) -> Purge:
    return Purge(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name
