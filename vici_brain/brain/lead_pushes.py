"""Leads that came to Brain first: which are due to enter a dialer, and what became of each.

Belongs here: lead_pushes, lead_push_cursors, and the links that a push makes. Does not: rules or HTTP.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

# A transaction with a lower id may commit after one with a higher id was seen: so far back a new lead is looked for again.
OVERLAP = 1_000
_OPTIONAL = ("first_name", "last_name", "email", "state")
_PRESENT = text(
    "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = 'leads'"
)
_CURSOR = text("SELECT lead_id, first_id FROM lead_push_cursors WHERE instance = :instance")
_NEWEST = text("SELECT coalesce(max(id), 0) FROM leads")
_MOVE = text("""
    INSERT INTO lead_push_cursors AS held (instance, lead_id, first_id, moved_at) VALUES (:instance, :lead, :lead, :now)
    ON CONFLICT (instance) DO UPDATE SET lead_id = greatest(held.lead_id, excluded.lead_id), moved_at = excluded.moved_at
""")
_DUE = text("""
    SELECT lead_id FROM lead_pushes WHERE instance = :instance AND next_at <= :now ORDER BY next_at, lead_id LIMIT :limit
""")
_NEW = text("""
    SELECT id FROM leads WHERE id > :after
      AND NOT EXISTS (SELECT 1 FROM lead_pushes WHERE instance = :instance AND lead_pushes.lead_id = leads.id)
      AND NOT EXISTS (SELECT 1 FROM vici_lead_links AS links WHERE links.lead_id = leads.id AND links.instance = :instance)
    ORDER BY id LIMIT :limit
""")
_RECORD = text("""
    INSERT INTO lead_pushes AS held
        (instance, lead_id, state, code, vici_lead_id, list_id, campaign_id, reason, attempts, next_at, first_at, changed_at)
    VALUES (:instance, :lead, :state, :code, :vici, :list, :campaign, :reason, :attempts, :next_at, :now, :now)
    ON CONFLICT (instance, lead_id) DO UPDATE SET state = excluded.state, code = excluded.code,
        vici_lead_id = coalesce(excluded.vici_lead_id, held.vici_lead_id), list_id = excluded.list_id,
        campaign_id = excluded.campaign_id, reason = excluded.reason, attempts = held.attempts + excluded.attempts,
        next_at = excluded.next_at, changed_at = excluded.changed_at
""")
_LINK = text("""
    INSERT INTO vici_lead_links AS held (instance, vici_lead_id, lead_id, linked_at, origin)
    VALUES (:instance, :vici, :lead, :now, :origin)
    ON CONFLICT (instance, vici_lead_id) DO UPDATE SET lead_id = excluded.lead_id, linked_at = excluded.linked_at
    WHERE held.lead_id IS NULL OR NOT EXISTS (SELECT FROM leads WHERE leads.id = held.lead_id)
""")
_LINKED_TO = text("SELECT lead_id FROM vici_lead_links WHERE instance = :instance AND vici_lead_id = :vici")
# Index walks for each lead, whatever the planner knows of the mirror.
_AT_DIALER = text("""
    SELECT asked.lead_id, kept.* FROM unnest(CAST(:leads AS bigint[])) AS asked (lead_id) CROSS JOIN LATERAL (
        SELECT vici_lead_id, phone_key, phone_code, phone_number, profile ->> 'alt_phone' AS alt_phone,
            archived_at IS NULL AND removed_at IS NULL AS live, instance
        FROM vici_lead_links WHERE vici_lead_links.lead_id = asked.lead_id OFFSET 0
    ) AS kept WHERE kept.instance = :instance
    UNION
    SELECT asked.lead_id, kept.*
    FROM unnest(CAST(:leads AS bigint[]), CAST(:phones AS text[])) AS asked (lead_id, phone_key) CROSS JOIN LATERAL (
        SELECT vici_lead_id, phone_key, phone_code, phone_number, profile ->> 'alt_phone' AS alt_phone,
            archived_at IS NULL AND removed_at IS NULL AS live, instance
        FROM vici_lead_links WHERE vici_lead_links.phone_key = asked.phone_key OFFSET 0
    ) AS kept WHERE kept.instance = :instance
    ORDER BY 1, 2
""")
# Two dialers with one number would both call it before either knew of the other's call.
_ELSEWHERE = text("""
    SELECT DISTINCT ON (asked.lead_id) asked.lead_id, kept.instance, kept.vici_lead_id
    FROM unnest(CAST(:leads AS bigint[]), CAST(:phones AS text[])) AS asked (lead_id, phone_key) CROSS JOIN LATERAL (
        SELECT instance, vici_lead_id, archived_at, removed_at FROM vici_lead_links AS links WHERE links.lead_id = asked.lead_id
        UNION ALL
        SELECT instance, vici_lead_id, archived_at, removed_at FROM vici_lead_links AS same WHERE same.phone_key = asked.phone_key
        OFFSET 0
    ) AS kept
    WHERE kept.instance = ANY(CAST(:instances AS text[])) AND kept.archived_at IS NULL AND kept.removed_at IS NULL
    ORDER BY asked.lead_id, kept.instance, kept.vici_lead_id
""")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A lead of Brain with what the dialer needs of it; ``phone_key`` is ``None`` for no public number."""

    lead_id: int
    code: str | None
    phone_key: str | None
    first_name: str
    last_name: str
    email: str
    state: str
    holders: int


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A lead of the dialer as last read; ``live``: neither archived nor gone. ``numbers``: ``(phone_code, number)``."""

    vici_lead_id: int
    phone_key: str | None
    live: bool
    numbers: tuple[tuple[str | None, str], ...]


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of one candidate; ``next_at`` says when it is looked at again, ``None`` that it is settled."""

    lead_id: int
    state: str
    reason: str
    code: str | None = None
    vici_lead_id: int | None = None
    next_at: datetime | None = None
    attempts: int = 0


class LeadPushes:
    """The records of one dialer, on the caller's connection and in its transaction."""

    def __init__(self, connection: Connection, instance: str) -> None:
        self.connection, self.instance = connection, instance

    def begin(self, now: datetime) -> tuple[int, int]:
        """The newest lead considered, and the one behind which new leads begin: older ones are never pushed unasked."""
        row = self.connection.execute(_CURSOR, {"instance": self.instance}).one_or_none()
        if row is None:
            self.move(int(self.connection.execute(_NEWEST).scalar_one()), now)
            row = self.connection.execute(_CURSOR, {"instance": self.instance}).one()
        return row.lead_id, row.first_id

    def move(self, lead_id: int, now: datetime) -> None:
        self.connection.execute(_MOVE, {"instance": self.instance, "lead": lead_id, "now": now})

    def due(self, now: datetime, limit: int) -> list[int]:
        """Leads to be tried or judged again."""
        return list(self.connection.scalars(_DUE, {"instance": self.instance, "now": now, "limit": limit}))

    def arrived(self, cursor: int, first: int, limit: int) -> list[int]:
        """Leads without link or record behind ``cursor`` and a little before it, never at or below ``first``."""
        after = max(first, cursor - OVERLAP)
        return list(self.connection.scalars(_NEW, {"instance": self.instance, "after": after, "limit": limit}))

    def candidates(self, leads: Sequence[int]) -> list[Candidate]:
        """The rows of ``leads``; columns that a CRM's table lacks are blank."""
        present = set(self.connection.scalars(_PRESENT))
        shown = ", ".join(f"CAST({name} AS text) AS {name}" if name in present else f"NULL AS {name}" for name in _OPTIONAL)
        question = text(f"""
            SELECT id, external_lead_id AS code, normalised_phone('1'::text, phone::text) AS phone_key, {shown},
                (SELECT count(*) FROM (SELECT 1 FROM leads AS other WHERE other.external_lead_id = leads.external_lead_id LIMIT 2)
                    AS two) AS holders
            FROM leads WHERE id = ANY(:leads) ORDER BY id
        """)  # noqa: S608 - names of the constant above
        return [
            Candidate(
                row.id,
                row.code,
                row.phone_key,
                row.first_name or "",
                row.last_name or "",
                row.email or "",
                row.state or "",
                row.holders,
            )
            for row in self.connection.execute(question, {"leads": list(leads)})
        ]

    def at_dialer(self, leads: Sequence[Candidate]) -> dict[int, list[Mirrored]]:
        """The dialer's leads, as last read, that are linked to each of ``leads`` or have its number."""
        keys = {"leads": [each.lead_id for each in leads], "phones": [each.phone_key for each in leads]}
        found: dict[int, list[Mirrored]] = {}
        for row in self.connection.execute(_AT_DIALER, keys | {"instance": self.instance}):
            numbers = tuple((row.phone_code, number) for number in (row.phone_number, row.alt_phone) if number)
            found.setdefault(row.lead_id, []).append(Mirrored(row.vici_lead_id, row.phone_key, row.live, numbers))
        return found

    def elsewhere(self, leads: Sequence[Candidate], instances: Iterable[str]) -> dict[int, str]:
        """Those of ``leads`` whose number another dialer calls already, with the words that say where."""
        keys = {"leads": [each.lead_id for each in leads], "phones": [each.phone_key for each in leads]}
        others = [name for name in instances if name != self.instance]
        rows = self.connection.execute(_ELSEWHERE, keys | {"instances": others}) if others else ()
        return {row.lead_id: f"lead {row.vici_lead_id} of the dialer {row.instance} has this number" for row in rows}

    def link(self, vici_lead_id: int, lead_id: int, now: datetime, *, added: bool) -> int:
        """Links the two unless the dialer's lead is linked to one that Brain still has; to whom it is linked now.

        ``added``: it came from Brain. Where any other came from is seen when it is first read.
        """
        scope = {"instance": self.instance, "vici": vici_lead_id}
        self.connection.execute(_LINK, scope | {"lead": lead_id, "now": now, "origin": "brain" if added else None})
        return int(self.connection.execute(_LINKED_TO, scope).scalar_one())

    def record(self, done: Pushed, list_id: int, campaign_id: str, now: datetime) -> None:
        where = {"instance": self.instance, "list": list_id, "campaign": campaign_id, "now": now}
        what = {"lead": done.lead_id, "state": done.state, "reason": done.reason[:500], "code": done.code}
        when = {"vici": done.vici_lead_id, "next_at": done.next_at, "attempts": done.attempts}
        self.connection.execute(_RECORD, where | what | when)
