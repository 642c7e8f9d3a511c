"""Leads of a CSV file into Brain, in batches, whatever its encoding and size.

Belongs here: bytes to rows, rejects, batches and transactions. Does not: what a row means (domain/lead_files) or SQL (brain).

Every batch is a transaction; a file that is given again changes nothing that it changed before. A row that cannot be used is
written to FILE.rejects.csv with its line and reason, and the rest goes on.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import IO, Any

from sqlalchemy import Connection, Engine

from vici_brain.brain.database import brain_errors, brain_now, lane
from vici_brain.brain.journal import Journal, SyncIdentity
from vici_brain.brain.lead_files import dialers_of_arriving, found_at_dialers, stage_file_leads
from vici_brain.brain.lead_imports import ImportIdentity, close_import, open_import
from vici_brain.brain.lead_intake import require_open
from vici_brain.brain.lead_writer import LeadWriter, WriteCounts
from vici_brain.brain.matches import MatchStore
from vici_brain.domain.lead_files import FileLead, Header
from vici_brain.errors import ConfigurationError
from vici_brain.flows.batches import committed, undone
from vici_brain.flows.import_leads import LANE

BATCH = 10_000
_SAMPLE = 1 << 20
_LONGEST_FIELD = 1 << 16
_NEW_STATUS = "RECEIVED"


@dataclass(frozen=True, slots=True)
class CsvOrder:
    """Which file, how it is taken, and who asks; ``instances`` are the dialers whose orphans may belong to its leads."""

    path: Path
    actor: str
    match_vici: bool = False
    update_existing: bool = False
    dry_run: bool = False
    instances: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CsvImport:
    """What became of a file: ``rows`` = ``rejected`` + ``repeated`` (a number that an earlier row of its batch has) + leads."""

    file: str
    import_id: int | None
    dry_run: bool
    encoding: str
    rows: int
    rejected: int
    repeated: int
    created: int
    updated: int
    existing: int
    found_at_dialers: int
    linked: int
    conflicts: int
    matched_calls: int
    rejects_file: str
    ignored_columns: tuple[str, ...]
    seconds: float


@dataclass(slots=True)
class _Tally:
    rows: int = 0
    rejected: int = 0
    repeated: int = 0
    found: int = 0
    written: WriteCounts = WriteCounts()  # noqa: RUF009 - frozen


def import_csv(brain: Engine, order: CsvOrder, on_bytes: Callable[[int], None] = lambda _: None) -> CsvImport:
    """Takes the file in; ``on_bytes`` hears how far. Raises ConfigurationError for a file that is none, or a stopped intake."""
    started, identity = perf_counter(), SyncIdentity("csv", "leads", "cli")
    with (
        lane(brain, *LANE, wait_seconds=60),
        Journal(brain).entry(identity, dry_run=order.dry_run) as entry,
        brain_errors(),
        brain.connect() as connection,
    ):
        reader = CsvLeads(order.path)
        require_open(connection)
        import_id: int | None = open_import(connection, ImportIdentity("csv", "cli", order.actor, file=str(order.path.resolve())))
        writer = LeadWriter(connection, int(import_id or 0), source="csv", origin="csv_import")
        if not order.dry_run:
            connection.commit()
        tally = _take(connection, writer, reader, order, on_bytes)
        done = tally.written
        if not close_import(connection, int(import_id or 0), done.created, done.updated, done.linked) or order.dry_run:
            import_id = None
        connection.rollback() if order.dry_run else connection.commit()
        matched = 0
        for instance in order.instances if import_id is not None else ():
            matched += MatchStore(brain).match_orphans_of_import(instance, import_id or 0).matched
        entry.count(rows_read=tally.rows, rows_new=done.created, rows_updated=done.updated, rows_matched=matched)
        entry.count(rows_quarantined=tally.rejected)
        entry.details.update(file=order.path.name, rejected=tally.rejected, encoding=reader.encoding)
    return CsvImport(
        str(order.path),
        import_id,
        order.dry_run,
        reader.encoding,
        *(tally.rows, tally.rejected, tally.repeated, done.created, done.updated),
        existing=done.leads - done.created,
        found_at_dialers=tally.found,
        linked=done.linked,
        conflicts=done.conflicts,
        matched_calls=matched,
        rejects_file=str(reader.rejects_path) if tally.rejected and not order.dry_run else "",
        ignored_columns=reader.header.ignored,
        seconds=perf_counter() - started,
    )


def _take(
    connection: Connection, writer: LeadWriter, reader: "CsvLeads", order: CsvOrder, on_bytes: Callable[[int], None]
) -> _Tally:
    tally, at = _Tally(), brain_now(connection.engine)
    ends = undone if order.dry_run else committed
    with reader.opened(keep_rejects=not order.dry_run):
        for batch in reader.batches(BATCH):
            found, written = ends(connection, partial(_take_batch, connection, writer, batch, order, at))
            tally.found += found
            tally.repeated += len(batch) - written.leads
            tally.written += written
            on_bytes(reader.position)
    tally.rows, tally.rejected = reader.rows, reader.rejected
    return tally


def _take_batch(
    connection: Connection, writer: LeadWriter, batch: Sequence[FileLead], order: CsvOrder, at: datetime
) -> tuple[int, WriteCounts]:
    """How many of the numbers a dialer has, and what became of them all."""
    stage_file_leads(connection, batch, match_vici=order.match_vici, status=_NEW_STATUS)
    written = writer.write(at, overwrite=order.update_existing, touch=order.update_existing or order.match_vici)
    if not order.match_vici:
        return 0, written
    found = found_at_dialers(connection)
    for instance in dialers_of_arriving(connection):
        written += WriteCounts(linked=writer.link(instance, at))
    return found, written


class CsvLeads:
    """A file's rows as leads; bad ones go to FILE.rejects.csv, which is there only if there are any."""

    def __init__(self, path: Path) -> None:
        self.path, self.rejects_path = path, path.with_name(f"{path.name}.rejects.csv")
        try:
            self.encoding = _encoding(path)
            with path.open(encoding=self.encoding, errors="surrogateescape", newline="") as file:
                self._dialect = _dialect(file.read(1 << 16))
                file.seek(0)
                first = next(csv.reader(file, self._dialect), [])
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
        try:
            self.header = Header.of(first)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error}") from None
        self.rows = self.rejected = self.position = 0
        self._file: IO[str] | None = None
        self._rejects: Any = None
        self._closing = ExitStack()
        self._keep_rejects = False

    def opened(self, *, keep_rejects: bool) -> ExitStack:
        """Opens the file; leave the block and it is closed. An older file of rejects is removed."""
        self._keep_rejects = keep_rejects
        if keep_rejects:
            self.rejects_path.unlink(missing_ok=True)
        self._file = self._closing.enter_context(self.path.open(encoding=self.encoding, errors="surrogateescape", newline=""))
        return self._closing

    def batches(self, size: int) -> Iterator[list[FileLead]]:
        batch: list[FileLead] = []
        for lead in self._leads():
            batch.append(lead)
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch

    def _leads(self) -> Iterator[FileLead]:
        assert self._file is not None  # noqa: S101 - opened() comes first
        # A quote that is never closed would swallow the rest of the file; so it takes a page of it with it at most.
        csv.field_size_limit(_LONGEST_FIELD)
        rows = csv.reader(self._file, self._dialect)
        next(rows, None)
        while True:
            line = rows.line_num + 1
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                self._reject(line, f"from here to line {rows.line_num} no row: {error}", [])
                continue
            if not any(value.strip() for value in row):
                continue
            self.rows += 1
            if self.rows % 1_000 == 0:
                self.position = self._file.buffer.tell()  # type: ignore[attr-defined]
            try:
                yield self.header.read(row, line)
            except ValueError as error:
                self.rows -= 1
                self._reject(line, str(error), row)

    def _reject(self, line: int, reason: str, row: list[str]) -> None:
        self.rows += 1
        self.rejected += 1
        if not self._keep_rejects:
            return
        if self._rejects is None:
            file = self._closing.enter_context(
                self.rejects_path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
            )
            self._rejects = csv.writer(file)
            self._rejects.writerow(["line", "reason", "row"])
        self._rejects.writerow([line, reason, *row])


def _encoding(path: Path) -> str:
    """UTF-8 where the whole beginning is, with or without BOM; else what the bytes look like."""
    with path.open("rb") as file:
        sample = file.read(_SAMPLE)
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    # A character that the sample cuts in two is no fault of the file.
    for cut in range(4):
        try:
            sample[: len(sample) - cut].decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
        return "utf-8-sig"
    from charset_normalizer import from_bytes  # noqa: PLC0415 - costs what a file in UTF-8 should not pay

    best = from_bytes(
        sample, cp_isolation=["cp1252", "latin_1", "cp1250", "cp1251", "mac_roman", "utf_16_le", "utf_16_be"]
    ).best()
    return best.encoding if best is not None else "cp1252"


def _dialect(sample: str) -> type[csv.Dialect]:
    """Comma, semicolon, tab or pipe: that which the first line has most of."""
    first = sample.split("\n", 1)[0]

    class Found(csv.excel):
        delimiter = max(",;\t|", key=lambda each: (first.count(each), each == ","))

    return Found
