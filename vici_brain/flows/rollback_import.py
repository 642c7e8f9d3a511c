"""The way back from an import: stop the intake, keep a snapshot, clear what the import created, and leave the dialers on their
own.

Belongs here: the order of the steps and the snapshot's file. Does not: what may go (brain/lead_rollback).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from vici_brain.brain.database import brain_errors, lane
from vici_brain.brain.lead_imports import LeadImportRow, imports
from vici_brain.brain.lead_intake import turn
from vici_brain.brain.lead_rollback import LeadRollback, RollbackCounts
from vici_brain.errors import ConfigurationError, DifferenceError
from vici_brain.flows.import_leads import LANE

SnapshotRow = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class ImportRollback:
    """What a rollback did, or (without a ``snapshot``) would do."""

    imported: LeadImportRow
    counts: RollbackCounts
    snapshot: Path | None = None
    sha256: str = ""


def rollback_import(brain: Engine, import_id: int, directory: Path, actor: str, *, apply: bool = False) -> ImportRollback:
    """Takes the import with the number ``import_id`` back; without ``apply`` only counts.

    The intake is stopped first and stays so, whatever happens then; the rest is one transaction, which ends only after the
    snapshot was written and read again. Raises ConfigurationError for an unknown import or one that was taken back already.
    """
    found = imports(brain, import_id)
    if not found or found[0].rolled_back_at is not None:
        why = f"was taken back at {found[0].rolled_back_at:%Y-%m-%d %H:%M} UTC" if found else "is not known"
        raise ConfigurationError(f"import {import_id} {why}: `vici-brain rollback-import` lists imports")
    if apply:
        with brain_errors(), brain.begin() as connection:
            turn(connection, "vici_only", f"import {import_id} is taken back", actor)
    with lane(brain, *LANE, wait_seconds=60), brain_errors(), brain.connect() as connection:
        rollback = LeadRollback(connection, import_id)
        if not apply:
            counts = rollback.clear()
            connection.rollback()
            return ImportRollback(found[0], counts)
        path = directory.resolve() / f"lead-import-{import_id}.parquet"
        digest = write_snapshot(path, list(rollback.snapshot()))
        counts = rollback.clear()
        rollback.mark(actor, str(path))
        connection.commit()
    return ImportRollback(found[0], counts, path, digest)


def write_snapshot(path: Path, rows: Sequence[SnapshotRow]) -> str:
    """Writes ``rows`` as Parquet and reads them again; the file's digest. A file of an earlier try is replaced."""
    # Arrow costs a quarter of a second, and only a rollback needs it here.
    import pyarrow as pa  # type: ignore[import-untyped] # noqa: PLC0415
    import pyarrow.parquet as pq  # type: ignore[import-untyped] # noqa: PLC0415

    path.parent.mkdir(parents=True, exist_ok=True)
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    types = (pa.string(), pa.int64(), pa.string())
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    pq.write_table(pa.table(arrays, names=["action", "lead_id", "lead"]), path)
    if read_snapshot(path) != list(rows):
        raise DifferenceError(f"{path} does not hold what was written to it: is the disk full or broken? Nothing was cleared")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_snapshot(path: Path) -> list[SnapshotRow]:
    """``(action, lead_id, JSON)`` of a snapshot."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    return [(row["action"], row["lead_id"], row["lead"]) for row in pq.read_table(path).to_pylist()]
