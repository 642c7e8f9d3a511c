"""What was written to dialers' leads: audit rows, looks that are due, and how far a walk came.

Belongs here: vendor_code_writes, vendor_code_checks, vendor_code_walks, and the links that are walked. Does not: deciding,
writing.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from vici_brain.brain.sql import load
from vici_brain.domain.vendor_codes import Linked

_INTEND = text("""
    INSERT INTO vendor_code_writes (instance, vici_lead_id, lead_id, code, before, outcome, writer, trigger, attempt, intended_at)
    VALUES (:instance, :vici, :lead, :code, :before, 'intended', :writer, :trigger, :attempt, :now) RETURNING id
""")
_FINISH = text("""
    UPDATE vendor_code_writes SET outcome = :outcome, before = :before, after = :after, said = :said, read_back_at = :now
    WHERE id = :id
""")
_NOTE = text("UPDATE vendor_code_writes SET said = :said WHERE id = :id")
_OPEN = text("SELECT id, vici_lead_id, code, before FROM vendor_code_writes WHERE instance = :instance AND outcome = 'intended'")
_VERDICT = text("""
    UPDATE vendor_code_writes SET verdict = :verdict, verified_at = :now
    WHERE id = (SELECT id FROM vendor_code_writes WHERE instance = :instance AND vici_lead_id = :vici AND outcome = 'written'
                ORDER BY id DESC LIMIT 1) AND verdict IS NULL
""")
_CHECK = text("""
    INSERT INTO vendor_code_checks AS held (instance, vici_lead_id, due_at, attempts, reason)
    VALUES (:instance, :vici, :due, :attempts, :reason)
    ON CONFLICT (instance, vici_lead_id) DO UPDATE SET
        due_at = excluded.due_at, attempts = excluded.attempts, reason = excluded.reason
""")
_DONE = text("DELETE FROM vendor_code_checks WHERE instance = :instance AND vici_lead_id = :vici")
_DUE = text("""
    SELECT vici_lead_id FROM vendor_code_checks
    WHERE instance = :instance AND reason IN ('written', 'in_call') AND due_at <= :now ORDER BY due_at, vici_lead_id LIMIT :limit
""")
_ATTEMPTS = text(
    "SELECT vici_lead_id, attempts, reason FROM vendor_code_checks WHERE instance = :instance AND vici_lead_id = ANY(:ids)"
)
_POSITION = text("SELECT after FROM vendor_code_walks WHERE instance = :instance AND campaigns = :campaigns")
_MOVE = text("""
    INSERT INTO vendor_code_walks VALUES (:instance, :campaigns, :after, :now)
    ON CONFLICT (instance, campaigns) DO UPDATE SET after = excluded.after, moved_at = excluded.moved_at
""")
_END = text("DELETE FROM vendor_code_walks WHERE instance = :instance AND campaigns = :campaigns")
_OPEN_REVIEWS = text("""
    SELECT entity_key FROM manual_review_queue
    WHERE reason = :reason AND entity_type = 'vici_lead' AND entity_key = ANY(:keys) AND status IN ('pending', 'in_progress')
""")
# Over manual_review_queue_by_entity.
_ANSWERED = text("""
    SELECT entity_key, context ->> 'held' AS held, context ->> 'code' AS code FROM manual_review_queue
    WHERE reason = 'vendor_code_conflict' AND entity_type = 'vici_lead' AND entity_key = ANY(:keys)
      AND status IN ('resolved', 'dismissed')
""")
_OF_PHONE = text("""
    SELECT links.vici_lead_id FROM leads JOIN vici_lead_links AS links ON links.lead_id = leads.id AND links.instance = :instance
    WHERE normalised_phone('1'::text, leads.phone::text) = :phone ORDER BY 1
""")


class CodeWrites:
    """The records of one dialer, on the caller's connection and in its transaction."""

    def __init__(self, connection: Connection, instance: str) -> None:
        self.connection, self.instance = connection, instance

    def linked_after(self, after: int, limit: int) -> list[Linked]:
        """The next links in the order of the dialer's lead_id."""
        return self._links("linked_leads", after=after, limit=limit)

    def linked(self, ids: Sequence[int]) -> list[Linked]:
        return self._links("linked_leads_named", ids=list(ids))

    def linked_ids_of_phone(self, phone_key: str) -> list[int]:
        return list(self.connection.scalars(_OF_PHONE, {"instance": self.instance, "phone": phone_key}))

    def intend(self, link: Linked, before: str | None, attempt: int, *, writer: str, trigger: str, now: datetime) -> int:
        """The audit row, before anything is written; its id."""
        values = {"instance": self.instance, "vici": link.vici_lead_id, "lead": link.lead_id, "code": link.code, "before": before}
        who = {"writer": writer, "trigger": trigger, "attempt": attempt, "now": now}
        return int(self.connection.execute(_INTEND, values | who).scalar_one())

    def finish(self, row: int, outcome: str, before: str | None, after: str | None, *, said: str, now: datetime) -> None:
        values = {"id": row, "outcome": outcome, "before": before, "after": after, "said": said[:500], "now": now}
        self.connection.execute(_FINISH, values)

    def note(self, row: int, said: str) -> None:
        """Why it is not known what became of a write; its row stays open."""
        self.connection.execute(_NOTE, {"id": row, "said": said[:500]})

    def left_open(self) -> list[tuple[int, int, str, str | None]]:
        """``(row, vici_lead_id, code, before)`` of writes that a dead process may or may not have done."""
        return [
            (row.id, row.vici_lead_id, row.code, row.before)
            for row in self.connection.execute(_OPEN, {"instance": self.instance})
        ]

    def judge(self, vici_lead_id: int, verdict: str, now: datetime) -> None:
        """What a later look found of the last write."""
        self.connection.execute(_VERDICT, {"instance": self.instance, "vici": vici_lead_id, "verdict": verdict, "now": now})

    def look_again(self, vici_lead_id: int, due: datetime, attempts: int, reason: str) -> None:
        values = {"instance": self.instance, "vici": vici_lead_id, "due": due, "attempts": attempts, "reason": reason}
        self.connection.execute(_CHECK, values)

    def looked(self, vici_lead_id: int) -> None:
        self.connection.execute(_DONE, {"instance": self.instance, "vici": vici_lead_id})

    def due(self, now: datetime, limit: int) -> list[int]:
        return list(self.connection.scalars(_DUE, {"instance": self.instance, "now": now, "limit": limit}))

    def attempts(self, ids: Sequence[int]) -> dict[int, tuple[int, str]]:
        """Writes so far and the reason for another look, by the dialer's lead."""
        rows = self.connection.execute(_ATTEMPTS, {"instance": self.instance, "ids": list(ids)})
        return {row.vici_lead_id: (row.attempts, row.reason) for row in rows}

    def under_review(self, reason: str, ids: Iterable[int]) -> set[int]:
        """Those of ``ids`` that a person has been asked about and has not decided yet."""
        keys = [f"{self.instance}/{each}" for each in ids]
        found = self.connection.scalars(_OPEN_REVIEWS, {"reason": reason, "keys": keys})
        return {int(key.rsplit("/", 1)[1]) for key in found}

    def answered_conflicts(self, ids: Iterable[int]) -> set[tuple[int, str, str | None]]:
        """``(vici_lead_id, held, code)`` of conflicts that a person has closed."""
        keys = [f"{self.instance}/{each}" for each in ids]
        rows = self.connection.execute(_ANSWERED, {"keys": keys})
        return {(int(row.entity_key.rsplit("/", 1)[1]), row.held, row.code) for row in rows}

    def position(self, campaigns: str) -> int:
        """Where an unfinished walk stopped; 0 for a new one."""
        found = self.connection.scalar(_POSITION, {"instance": self.instance, "campaigns": campaigns})
        return int(found or 0)

    def move(self, campaigns: str, after: int, now: datetime) -> None:
        self.connection.execute(_MOVE, {"instance": self.instance, "campaigns": campaigns, "after": after, "now": now})

    def end(self, campaigns: str) -> None:
        self.connection.execute(_END, {"instance": self.instance, "campaigns": campaigns})

    def _links(self, statement: str, **values: object) -> list[Linked]:
        rows = self.connection.execute(load(statement), {"instance": self.instance, **values})
        return [Linked(row.vici_lead_id, row.lead_id, row.code, row.holders) for row in rows]
