"""The dialers' leads as last read: landing pages of them, and the numbers among them that have news.

Belongs here: rows of vici_lead_links as a mirror, and the cursors of its reading. Does not: making leads of Brain
(brain/lead_writer).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import cast

import psycopg
from sqlalchemy import Connection, text

from vici_brain.brain.sql import load
from vici_brain.domain.lead_import import ViciLead

_COPY = (
    "COPY staged_vici_leads (vici_lead_id, list_id, campaign_id, status, vendor_lead_code, phone_code, phone_number, phone_key,"
    " called_count, last_local_call_time, entry_date, profile, archived) FROM STDIN"
)
_CURSOR = text("SELECT swept_to, newest, calls_to, complete_at FROM vici_lead_cursors WHERE instance = :instance")
_MOVE = text("""
    INSERT INTO vici_lead_cursors (instance, swept_to, newest, calls_to, complete_at)
    VALUES (:instance, :swept_to, :newest, :calls_to, :complete_at)
    ON CONFLICT (instance) DO UPDATE SET (swept_to, newest, calls_to, complete_at)
        = (excluded.swept_to, excluded.newest, excluded.calls_to, excluded.complete_at)
""")
# Over vici_call_logs_called_at.
_CALLED = text("""
    SELECT DISTINCT vici_lead_id FROM vici_call_logs
    WHERE instance = :instance AND called_at >= :since AND vici_lead_id > 0 ORDER BY 1
""")
_DNC = text("SELECT DISTINCT status FROM vici_statuses WHERE instance = :instance AND dnc AND removed_at IS NULL")
_ASK_AGAIN = text("""
    UPDATE vici_lead_links AS kept SET needs_merge = true
    WHERE instance = :instance AND group_key = :key AND NOT needs_merge AND lead_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM leads WHERE leads.id = kept.lead_id)
""")
# Of a mirror that just grew the planner believes that few leads have news, and would collect and sort them for every batch.
IN_ORDER, AS_USUAL = text("SET LOCAL enable_bitmapscan = off"), text("SET LOCAL enable_bitmapscan TO DEFAULT")
_NO_END = 2**62


@dataclass(frozen=True, slots=True)
class LeadCursor:
    """Where the reading of one dialer's leads stands; see the comments of vici_lead_cursors."""

    swept_to: int = 0
    newest: int = 0
    calls_to: datetime | None = None
    complete_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MirrorCounts:
    """What landing pages did to the mirror; ``moved``, ``archived`` are among ``changed``, ``removed`` are not."""

    read: int = 0
    added: int = 0
    changed: int = 0
    moved: int = 0
    archived: int = 0
    removed: int = 0

    def __add__(self, other: "MirrorCounts") -> "MirrorCounts":
        mine, theirs = asdict(self), asdict(other)
        return MirrorCounts(**{name: mine[name] + theirs[name] for name in mine})


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a page covers whole: ids in ``(after, until]`` (``None``: to the end), or exactly ``ids``, or nothing known."""

    after: int | None = None
    until: int | None = None
    ids: tuple[int, ...] | None = None


class LeadMirror:
    """The mirror of one dialer, inside the caller's transaction."""

    def __init__(self, connection: Connection, instance: str, zone: str) -> None:
        self.connection, self.instance, self.zone = connection, instance, zone

    def land(self, leads: Sequence[ViciLead], covered: Stretch, at: datetime) -> MirrorCounts:
        """Takes over one page, and stamps what is gone from the stretch that it covers."""
        scope = {"instance": self.instance, "zone": self.zone, "at": at}
        self.connection.execute(text("DROP TABLE IF EXISTS staged_vici_leads"))
        self.connection.execute(load("stage_vici_leads"))
        self._copy(leads)
        self.connection.execute(text("ANALYZE staged_vici_leads"))
        moved = self.connection.execute(load("moved_vici_leads"), scope).one()
        written = self.connection.execute(load("mirror_vici_leads"), scope).one()
        return MirrorCounts(len(leads), written.added, written.changed, moved.moved, moved.archived, self._gone(covered, scope))

    def pending(self, campaign: str | None, after: str, limit: int, only: Sequence[int] | None) -> list[str]:
        """Up to ``limit`` numbers with news behind ``after``: of a campaign, or (``None``) of leads that Brain has already."""
        name = "pending_groups_with_a_lead" if campaign is None else "pending_groups_of_campaign"
        scope = {"instance": self.instance, "after": after, "limit": limit, "only": None if only is None else list(only)}
        named = {} if campaign is None else {"campaign": campaign.lower()}
        self.connection.execute(IN_ORDER)
        found = [row.group_key for row in self.connection.execute(load(name), scope | named)]
        self.connection.execute(AS_USUAL)
        return found

    def ask_again(self, phone_key: str) -> None:
        """A number whose lead was deleted in Brain has news again, because a person asks for it."""
        self.connection.execute(_ASK_AGAIN, {"instance": self.instance, "key": phone_key})

    def called_since(self, since: datetime) -> list[int]:
        """The dialer's leads that were called since then, as Brain's calls have it."""
        return list(self.connection.scalars(_CALLED, {"instance": self.instance, "since": since}))

    def do_not_call_statuses(self) -> frozenset[str]:
        """Statuses that the dialer flags so, in any campaign."""
        return frozenset(self.connection.scalars(_DNC, {"instance": self.instance}))

    def cursor(self) -> LeadCursor:
        row = self.connection.execute(_CURSOR, {"instance": self.instance}).first()
        return LeadCursor(*row) if row else LeadCursor()

    def move(self, to: LeadCursor) -> None:
        self.connection.execute(_MOVE, asdict(to) | {"instance": self.instance})

    def _copy(self, leads: Sequence[ViciLead]) -> None:
        driver = cast("psycopg.Connection[tuple[object, ...]]", self.connection.connection.driver_connection)
        with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
            for lead in leads:
                phone = (lead.phone_code, lead.phone_number, lead.phone_key)
                said = (lead.list_id, lead.campaign_id, lead.status, lead.vendor_lead_code)
                times = (lead.called_count, lead.last_call, lead.entry_date)
                copy.write_row((lead.vici_lead_id, *said, *phone, *times, json.dumps(dict(lead.profile)), lead.is_archived))

    def _gone(self, covered: Stretch, scope: dict[str, object]) -> int:
        if covered.ids is not None:
            return self.connection.execute(load("gone_vici_leads_of_ids"), scope | {"ids": list(covered.ids)}).rowcount
        if covered.after is None:
            return 0
        end = _NO_END if covered.until is None else covered.until
        return self.connection.execute(load("gone_vici_leads"), scope | {"after": covered.after, "until": end}).rowcount
