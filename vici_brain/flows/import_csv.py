"""Leads of a CSV file into Brain, in batches, whatever its encoding and size.

Belongs here: batches and transactions. Does not: bytes to rows (csv_leads), what a row means (domain/lead_files) or SQL (brain).

Every batch is a transaction; a file that is given again changes nothing that it changed before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from time import perf_counter

from sqlalchemy import Connection, Engine

from vici_brain.brain.database import brain_errors, brain_now, lane
from vici_brain.brain.journal import Journal, SyncIdentity
from vici_brain.brain.lead_files import (
    dialers_of_arriving,
    forget_numbers,
    found_at_dialers,
    remember_numbers,
    stage_file_leads,
)
from vici_brain.brain.lead_imports import ImportIdentity, close_import, open_import
from vici_brain.brain.lead_intake import require_open
from vici_brain.brain.lead_writer import LeadWriter, WriteCounts
from vici_brain.brain.matches import MatchStore
from vici_brain.domain.lead_files import FileLead
from vici_brain.flows.batches import committed, undone
from vici_brain.flows.csv_leads import CsvLeads
from vici_brain.flows.import_leads import LANE

BATCH = 10_000


@dataclass(frozen=True, slots=True)
class CsvOrder:
    """Which file, how it is taken, and who asks; ``instances`` are the dialers whose orphans may belong to its leads.

    ``encoding`` is found out unless given; ``columns`` says which field a header name is.
    """

    path: Path
    actor: str
    match_vici: bool = False
    update_existing: bool = False
    dry_run: bool = False
    instances: tuple[str, ...] = ()
    encoding: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CsvImport:
    """What became of a file: ``rows`` = ``rejected`` + ``repeated`` (a number that an earlier row has) + leads."""

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
        reader = CsvLeads(order.path, order.encoding, order.columns)
        require_open(connection)
        import_id: int | None = open_import(connection, ImportIdentity("csv", "cli", order.actor, file=str(order.path.resolve())))
        writer = LeadWriter(connection, int(import_id or 0), source="csv", origin="csv_import")
        forget_numbers(connection)
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
    connection: Connection, writer: LeadWriter, reader: CsvLeads, order: CsvOrder, on_bytes: Callable[[int], None]
) -> _Tally:
    tally, at = _Tally(), brain_now(connection.engine)
    ends = undone if order.dry_run else committed
    with reader.opened(keep_rejects=not order.dry_run):
        for batch in reader.batches(BATCH):
            found, written = ends(connection, partial(_take_batch, connection, writer, batch, order, at))
            if order.dry_run:
                # Undone with the rest of the batch; what follows must count as if it had stayed.
                remember_numbers(connection, batch)
            tally.found += found
            tally.repeated += len(batch) - written.leads
            tally.written += written
            on_bytes(reader.position)
        on_bytes(reader.position)
    tally.rows, tally.rejected = reader.rows, reader.rejected
    return tally


def _take_batch(
    connection: Connection, writer: LeadWriter, batch: Sequence[FileLead], order: CsvOrder, at: datetime
) -> tuple[int, WriteCounts]:
    """How many of the numbers a dialer has, and what became of them all."""
    # Asked with every batch: who stops the intake in an emergency does not mean the end of a long file.
    require_open(connection)
    stage_file_leads(connection, batch, match_vici=order.match_vici)
    remember_numbers(connection, batch)
    written = writer.write(at, overwrite=order.update_existing, touch=order.update_existing or order.match_vici)
    if not order.match_vici:
        return 0, written
    found = found_at_dialers(connection)
    for instance in dialers_of_arriving(connection):
        written += WriteCounts(linked=writer.link(instance, at))
    return found, written
