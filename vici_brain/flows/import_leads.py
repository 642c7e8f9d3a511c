"""Leads of a dialer into Brain: read pages, mirror them, merge the numbers that have news, and find their waiting calls.

Belongs here: the order of steps, what is read when, transactions. Does not: rules (domain/lead_import), SQL (brain, vici).

Every page and every batch of numbers is a transaction of its own (flows/batches); an import that is interrupted goes on where it
stood when it is started again, because a number keeps its mark until its lead has the news.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import TypeVar

from sqlalchemy import Connection

from vici_brain.brain.database import brain_errors, brain_now, lane
from vici_brain.brain.journal import Journal, SyncIdentity
from vici_brain.brain.lead_audit import audit_leads, keep_audit
from vici_brain.brain.lead_groups import merge_groups
from vici_brain.brain.lead_imports import ImportIdentity, close_import, open_import
from vici_brain.brain.lead_intake import require_open
from vici_brain.brain.lead_mirror import LeadMirror, MirrorCounts
from vici_brain.brain.lead_writer import LeadWriter, WriteCounts, stage
from vici_brain.brain.matches import MatchStore
from vici_brain.domain.lead_import import statuses_of
from vici_brain.flows.batches import committed, undone
from vici_brain.flows.read_leads import LeadScope, LeadsRead, read_leads
from vici_brain.flows.syncing import Syncing
from vici_brain.vici.lead_reader import absent_campaigns, require_lead_tables

BATCH = 2_000
LANE = ("leads", "import")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """Whose leads become Brain's, which of them are read, and who asks for it."""

    campaigns: tuple[str, ...]
    trigger: str
    actor: str
    scope: LeadScope = field(default_factory=LeadScope)
    run_id: str | None = None
    wait_seconds: float = 60
    shared: bool = False
    """The campaigns are those of several dialers, of which this one need not have all."""


@dataclass(frozen=True, slots=True)
class LeadImport:
    """What an import did. The dialer's leads: ``read``, ``added`` (first seen), ``changed``, ``moved`` (to another list),
    ``archived``, ``removed``, ``linked``. Brain's leads: ``created``, ``updated``; ``conflicts`` were put up for review, and so
    were ``withheld`` numbers, whose lead somebody deleted in Brain.
    """

    instance: str
    import_id: int | None
    dry_run: bool
    read: int
    added: int
    changed: int
    moved: int
    archived: int
    removed: int
    numbers: int
    created: int
    updated: int
    linked: int
    conflicts: int
    withheld: int
    matched_calls: int
    seconds: float
    absent_campaigns: tuple[str, ...] = ()

    @property
    def rows_changed(self) -> int:
        """Zero when it is repeated at once."""
        return self.added + self.changed + self.removed + self.created + self.updated + self.linked


@dataclass(frozen=True, slots=True)
class LeadStep:
    """Progress: leads read so far of about ``total``, or numbers merged."""

    phase: str
    done: int
    total: int | None = None


OnStep = Callable[[LeadStep], None]


def import_leads(sync: Syncing, order: ImportOrder, on_step: OnStep = lambda _: None) -> LeadImport:
    """Reads, mirrors and merges as one row of sync_logs. A repetition changes nothing.

    Raises ConfigurationError while the intake is stopped, for a campaign that the dialer has no list of, and for missing rights
    on either side; BusyError while another import is at work.
    """
    started, instance = perf_counter(), sync.dialer.instance
    identity = SyncIdentity(instance, "leads", order.trigger, run_id=order.run_id)
    with (
        lane(sync.brain, *LANE, wait_seconds=order.wait_seconds),
        Journal(sync.brain).entry(identity, dry_run=sync.dry_run) as entry,
        brain_errors(),
        sync.brain.connect() as connection,
    ):
        work = _Work(sync, order, connection, on_step)
        mirrored, written, import_id = work.run()
        connection.rollback()
        matched = 0
        if import_id is not None:
            matched = MatchStore(sync.brain).match_orphans_of_import(instance, import_id).matched
        entry.count(rows_read=mirrored.read, rows_new=written.created, rows_updated=written.updated, rows_matched=matched)
        done = LeadImport(
            instance,
            import_id,
            sync.dry_run,
            *(mirrored.read, mirrored.added, mirrored.changed, mirrored.moved, mirrored.archived, mirrored.removed),
            *(written.leads, written.created, written.updated, written.linked, written.conflicts, written.withheld),
            matched_calls=matched,
            seconds=perf_counter() - started,
            absent_campaigns=work.absent,
        )
        kept = ("linked", "conflicts", "withheld", "removed")
        entry.details.update(campaigns=list(order.campaigns), **{name: getattr(done, name) for name in kept})
    return done


class _Work:
    """One import, on one connection to Brain."""

    def __init__(self, sync: Syncing, order: ImportOrder, connection: Connection, on_step: OnStep) -> None:
        self.sync, self.order, self.connection, self.on_step = sync, order, connection, on_step
        self.instance = sync.dialer.instance
        self.absent: tuple[str, ...] = ()
        self.mirror = LeadMirror(connection, self.instance, sync.dialer.zone.key)
        self.at = brain_now(sync.brain)

    def run(self) -> tuple[MirrorCounts, WriteCounts, int | None]:
        require_open(self.connection)
        identity = ImportIdentity("vici", self.order.trigger, self.order.actor, self.instance, self.order.campaigns)
        import_id = open_import(self.connection, identity)
        # First, because it refuses a table of leads that cannot be written.
        writer = LeadWriter(self.connection, import_id, source="vici")
        audited = self.order.scope.is_whole and not self.sync.dry_run
        before = audit_leads(self.connection, self.instance, self.at) if audited else None
        self._settle()
        mirrored, only = self._mirror()
        written = self._merge(writer, only)
        if not close_import(self.connection, import_id, written.created, written.updated, written.linked):
            self._settle()
            return mirrored, written, None
        if before is not None:
            keep_audit(self.connection, before, "before", import_id)
            keep_audit(self.connection, audit_leads(self.connection, self.instance, self.at), "after", import_id)
        self._settle()
        return mirrored, written, None if self.sync.dry_run else import_id

    def _settle(self) -> None:
        """The end of a step; of a dry run everything is undone at the very end."""
        if not self.sync.dry_run:
            self.connection.commit()

    def _mirror(self) -> tuple[MirrorCounts, list[int] | None]:
        """Reads the dialer into the mirror; the leads to which a trial or a single number is confined, if it is one."""
        counts, chosen = MirrorCounts(), {name.lower() for name in self.order.campaigns}
        only: list[int] | None = None if self.order.scope.is_open else []
        with self.sync.dialer.session(self.sync.clock) as session:
            require_lead_tables(session)
            self.absent = absent_campaigns(session, self.order.campaigns, shared=self.order.shared)
            for page in read_leads(session, self.mirror, self.order.scope, chosen, self.at):
                counts += self._batch(partial(self._land, page))
                if only is not None:
                    only += [lead.vici_lead_id for lead in page.leads if (lead.campaign_id or "").lower() in chosen]
                self.on_step(LeadStep("reading leads", page.newest, page.total))
        return counts, only if only is None or self.order.scope.limit is None else only[: self.order.scope.limit]

    def _land(self, page: LeadsRead) -> MirrorCounts:
        require_open(self.connection)
        counts = self.mirror.land(page.leads, page.covered, self.at)
        if page.cursor is not None:
            self.mirror.move(page.cursor)
        if self.order.scope.phone is not None:
            for key in {lead.phone_key for lead in page.leads if lead.phone_key}:
                self.mirror.ask_again(key)
        return counts

    def _batch(self, work: Callable[[], _T]) -> _T:
        """Does ``work`` as a transaction; in a dry run as a part of the one that is undone at the end."""
        return work() if self.sync.dry_run else committed(self.connection, work)

    def _merge(self, writer: LeadWriter, only: list[int] | None) -> WriteCounts:
        statuses, total = statuses_of(self.mirror.do_not_call_statuses()), WriteCounts()
        ends = undone if self.sync.dry_run else committed
        for keys in self._pending(only):
            total += ends(self.connection, partial(self._merge_batch, writer, keys, statuses))
            self.on_step(LeadStep("merging numbers", total.leads))
        return total

    def _merge_batch(self, writer: LeadWriter, keys: Sequence[str], statuses: Mapping[str, str]) -> WriteCounts:
        # Asked with every batch: who stops the intake in an emergency does not mean the end of a long import.
        require_open(self.connection)
        stage(self.connection)
        merge_groups(self.connection, self.instance, keys, statuses)
        # A person who names the number wants its lead, deleted once or not.
        withhold = None if self.order.scope.phone is not None else self.instance
        written = writer.write(self.at, withhold=withhold)
        return written + WriteCounts(linked=writer.link(self.instance, self.at))

    def _pending(self, only: list[int] | None) -> Iterator[list[str]]:
        """Numbers with news, in batches: of the chosen campaigns, then of leads that Brain has already."""
        seen: set[str] = set()
        for campaign in (*dict.fromkeys(name.lower() for name in self.order.campaigns), None):
            after = ""
            while keys := self.mirror.pending(campaign, after, BATCH, only):
                after = keys[-1]
                fresh = [key for key in keys if key not in seen]
                if self.sync.dry_run:
                    seen.update(fresh)
                if fresh:
                    yield fresh
