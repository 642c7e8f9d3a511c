"""Exports of calls as Parquet: written in batches, then read again from the disk before anybody relies on them.

Belongs here: the file format and its verification. Does not: which calls (brain/orphan_archive) or what becomes of them (flows).
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from sqlalchemy import BigInteger, Column, DateTime, Integer, Numeric, Text
from sqlalchemy.dialects.postgresql import ARRAY

from vici_brain.brain.schema import vici_call_logs
from vici_brain.errors import DifferenceError

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class OrphanFile:
    """An export that was read again whole: its digest and how many calls it holds."""

    path: Path
    sha256: str
    calls: int


def _arrow_type(column: Column[Any]) -> pa.DataType:
    match column.type:
        case DateTime(timezone=zoned):
            return pa.timestamp("us", tz="UTC" if zoned else None)
        case Numeric(precision=precision, scale=scale) if precision is not None:
            return pa.decimal128(precision, scale or 0)
        case BigInteger():
            return pa.int64()
        case Integer():
            return pa.int32()
        case ARRAY():
            return pa.list_(pa.string())
        case Text():
            return pa.string()
    raise TypeError(f"no Parquet type for {column.name}: {column.type!r}")


SCHEMA = pa.schema([pa.field(each.name, _arrow_type(each), nullable=bool(each.nullable)) for each in vici_call_logs.columns])
"""The columns of vici_call_logs with types that hold every value of theirs exactly."""


def write_file(path: Path, batches: Iterable[Sequence[Sequence[Any]]]) -> OrphanFile:
    """Writes ``path`` (which must not exist) and verifies it; whatever fails, no file of that name is left.

    The digest is taken of the bytes on their way out and again of the file as it lies on the disk, and its rows are decoded and
    counted. The name appears only then, so that a file with this name is always a whole one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        written, calls = _write(partial, batches)
        found = sha256_of(partial)
        decoded = sum(len(rows) for rows in read_file(partial)) if found == written else 0
        if decoded != calls:
            raise DifferenceError(f"{path} does not hold what was written to it: {decoded} of {calls} calls; nothing was changed")
        # A link and not a rename: of two exports of the same range the second must not replace the first.
        os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return OrphanFile(path, found, calls)


def _write(path: Path, batches: Iterable[Sequence[Sequence[Any]]]) -> tuple[str, int]:
    calls = 0
    with path.open("wb") as raw:
        sink = _Hashing(raw)
        with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), SCHEMA, compression="zstd") as writer:
            for rows in batches:
                columns = zip(*rows, strict=True)
                arrays = [pa.array(values, type=each.type) for values, each in zip(columns, SCHEMA, strict=True)]
                writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))
                calls += len(rows)
        raw.flush()
        os.fsync(raw.fileno())
    return sink.digest.hexdigest(), calls


class _Hashing:
    """A file that takes the digest of what goes through it."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.digest = hashlib.sha256()
        self.closed = False

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return int(self._raw.write(data))

    def tell(self) -> int:
        return int(self._raw.tell())

    def flush(self) -> None:
        self._raw.flush()

    def close(self) -> None:
        self.closed = True


def read_file(path: Path) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of an export in batches, in the order of :data:`SCHEMA`."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(row_groups=[group]):
                # A file from before a column existed says nothing of it.
                held = set(batch.schema.names)
                columns = [batch.column(name).to_pylist() if name in held else [None] * len(batch) for name in SCHEMA.names]
                yield list(zip(*columns, strict=True))


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
