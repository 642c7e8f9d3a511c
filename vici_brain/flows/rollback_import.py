"""The way back from an import: stop the intake, keep a snapshot, clear what the import created, and leave the dialers on their
own.

Belongs here: the order of the steps and the snapshot's file. Does not: what may go (brain/lead_rollback).
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sqlalchemy import Engine

from vici_brain.brain.database import brain_errors, lane
from vici_brain.brain.lead_imports import LeadImportRow, imports
from vici_brain.brain.lead_intake import turn
from vici_brain.brain.lead_rollback import LeadRollback, RollbackCounts
from vici_brain.errors import ConfigurationError, DifferenceError
from vici_brain.flows.import_leads import LANE

SnapshotRow = tuple[str, int, str]
_GROUP = 10_000


@dataclass(frozen=True, slots=True)
class ImportRollback:
    """What a rollback did, or (without a ``snapshot``) would do."""

    imported: LeadImportRow
    counts: RollbackCounts
    snapshot: Path | None = None
    sha256: str = ""


def rollback_import(brain: Engine, import_id: int, directory: Path, actor: str, *, apply: bool = False) -> ImportRollback:
    """Takes the import with the number ``import_id`` back; without ``apply`` only counts.

    The intake is stopped first and stays so, whatever happens then, and an import that is at work ends with its batch; the rest
    is one transaction, which ends only after the snapshot was written and read again. Raises ConfigurationError for an unknown
    import, one that was taken back already, and a table of which cannot be seen whether it uses the leads.
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
        digest = write_snapshot(path, rollback.snapshot())
        counts = rollback.clear()
        rollback.mark(actor, str(path))
        connection.commit()
    return ImportRollback(found[0], counts, path, digest)


def write_snapshot(path: Path, rows: Iterable[SnapshotRow]) -> str:
    """Writes ``rows`` as Parquet, a group at a time, and reads them again; the file's digest. A file of an earlier try is
    replaced.
    """
    # Arrow costs a quarter of a second, and only a rollback needs it here.
    import pyarrow as pa  # type: ignore[import-untyped] # noqa: PLC0415
    import pyarrow.parquet as pq  # type: ignore[import-untyped] # noqa: PLC0415

    path.parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([("action", pa.string()), ("lead_id", pa.int64()), ("lead", pa.string())])
    given, rest = hashlib.sha256(), iter(rows)
    with pq.ParquetWriter(path, schema) as file:
        while group := list(islice(rest, _GROUP)):
            given.update(repr(group).encode())
            arrays = [pa.array(column, field.type) for column, field in zip(zip(*group, strict=True), schema, strict=True)]
            file.write_batch(pa.record_batch(arrays, schema=schema))
    kept = hashlib.sha256()
    for group in _groups(path):
        kept.update(repr(group).encode())
    if kept.digest() != given.digest():
        raise DifferenceError(f"{path} does not hold what was written to it: is the disk full or broken? Nothing was cleared")
    with path.open("rb") as written:
        return hashlib.file_digest(written, "sha256").hexdigest()


def read_snapshot(path: Path) -> list[SnapshotRow]:
    """``(action, lead_id, JSON)`` of a snapshot."""
    return [row for group in _groups(path) for row in group]


def _groups(path: Path) -> Iterator[list[SnapshotRow]]:
    import pyarrow.parquet as pq  # noqa: PLC0415

    file = pq.ParquetFile(path)
    for number in range(file.num_row_groups):
        rows = file.read_row_group(number).to_pylist()
        yield [(row["action"], row["lead_id"], row["lead"]) for row in rows]
