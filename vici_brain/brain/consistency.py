"""Who breaks which rule of calls and appointments, how many, examples of them, and the corrections that are certain.

Belongs here: the questions built on the rules' conditions. Does not: the rules (brain/consistency_rules), alerts
(brain/call_alerts), or when to look (orchestration).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, TextClause, text

from vici_brain.brain.call_alerts import corrected
from vici_brain.brain.consistency_rules import RULES, Rule
from vici_brain.brain.database import brain_errors, by_index
from vici_brain.brain.reviews import OURSELVES

RECENT = timedelta(hours=1)
_CHECKED_CALL = tuple(rule for rule in RULES if rule.entity_type == "call")
# By the booking, if one call alone names it, else by the conversation.
_BY_BOOKING = text("""
    UPDATE appointments SET call_id = found.call_id
    FROM (
        SELECT orphan.id, coalesce(
            (SELECT min(id) FROM calls WHERE calls.external_booking_id = orphan.external_booking_id HAVING count(*) = 1),
            (SELECT id FROM calls WHERE calls.retell_call_id = orphan.retell_call_id)) AS call_id
        FROM appointments AS orphan WHERE orphan.call_id IS NULL AND orphan.source = 'retell_webhook'
    ) AS found
    WHERE appointments.id = found.id AND found.call_id IS NOT NULL AND appointments.call_id IS NULL
    RETURNING appointments.id
""")
_DIRECTION = text("UPDATE calls SET direction = 'inbound' WHERE direction IS NULL RETURNING id")
_LINKED = text("""
    UPDATE calls SET appointment_link_status = 'linked'
    WHERE appointment_made AND appointment_link_status <> 'linked' AND vanished_at IS NULL
      AND EXISTS (SELECT FROM appointments WHERE appointments.call_id = calls.id)
    RETURNING id
""")
_EVIDENCE = text("""
    UPDATE calls SET appointment_made = true, appointment_link_status = 'linked'
    WHERE session_outcome = 'appointment_booked' AND NOT appointment_made AND vanished_at IS NULL
      AND EXISTS (SELECT FROM appointments WHERE appointments.call_id = calls.id)
    RETURNING id
""")
_CORRECTIONS: dict[str, tuple[TextClause, str]] = {
    "session_outcome_mismatch": (_EVIDENCE, "made to agree with the appointment that exists"),
    "missing_direction": (_DIRECTION, "set to inbound"),
    "inconsistent_link_status": (_LINKED, "the appointment exists: set to linked"),
    "orphaned_appointment": (_BY_BOOKING, "linked to the call with its booking or its retell_call_id"),
}
# What changed, and however old it is what no alert tells of or nobody was asked about: an appointment may go without its call
# being written, and a row may be written where triggers are off. What a person decided stands until the row is written again.
_NEWS = """
    AND (entity.{changed} >= :since OR NOT EXISTS (SELECT FROM data_consistency_alerts AS open
        WHERE open.entity_id = entity.id AND open.alert_type = :name AND open.entity_type = :kind AND open.corrected_at IS NULL)
        {unasked})
"""
_UNASKED = """
        OR NOT EXISTS (SELECT FROM manual_review_queue AS item WHERE item.call_id = entity.id AND item.reason = :name
            AND item.status IN ('pending', 'in_progress'))
"""
_UNDECIDED = """
    AND NOT EXISTS (SELECT FROM manual_review_queue AS item WHERE item.call_id = entity.id AND item.reason = :name
        AND item.status IN ('resolved', 'dismissed') AND item.resolved_at >= entity.{changed} AND item.assigned_to <> :us)
"""
_EVER = datetime.min.replace(tzinfo=UTC)
_SETTLED = """
    UPDATE data_consistency_alerts AS alert SET corrected_at = :at, updated_at = :at,
        resolution_notes = 'no longer so when it was looked at'
    WHERE alert_type = :name AND entity_type = :kind AND corrected_at IS NULL AND entity_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM {source} WHERE entity.id = alert.entity_id AND {stands})
    RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """How many break a rule now, and the newest of them."""

    rule: Rule
    offending: int
    sample: tuple[int, ...]

    @property
    def passed(self) -> bool:
        return self.offending == 0


def news(connection: Connection, rule: Rule, since: datetime | None, now: datetime, most: int = 50_000) -> dict[int, datetime]:
    """Who breaks ``rule`` and changed at or after ``since`` (``None``: ever) or is unknown: id and when it changed, lowest first.

    Of more than ``most`` the rest stays unknown, and so is news the next time, whatever ``since`` says then.
    Failures are events and no states: of them only what happened since then is news.
    """
    values = {"since": since or _EVER, "settled": now - rule.grace, "most": most} | {
        "name": rule.name,
        "kind": rule.entity_type,
        "us": OURSELVES,
    }
    if rule.is_event:
        return _found(connection, rule, f" AND {rule.changed_at} >= :since", values | {"since": since or now - RECENT})
    scope = _NEWS.format(changed=rule.changed_at, unasked=_UNASKED if rule.is_told else "")
    if rule.is_told:
        scope += _UNDECIDED.format(changed=rule.changed_at)
    return _found(connection, rule, scope, values)


def put_right(connection: Connection, rule: Rule, now: datetime) -> set[int]:
    """Corrects what breaks ``rule`` and is certain, however old, and closes its alerts as corrected; returns whom."""
    if rule.name not in _CORRECTIONS:
        return set()
    by_index(connection)
    statement, note = _CORRECTIONS[rule.name]
    fixed = list(connection.scalars(statement))
    corrected(connection, (rule.name, rule.entity_type), fixed, note, now)
    return set(fixed)


def close_settled(connection: Connection, rule: Rule, now: datetime) -> int:
    """Closes open alerts of ``rule`` whose entities are gone or right; one that still has its grace keeps its alert."""
    statement = _SETTLED.format(source=rule.source, stands=rule.stands or rule.condition)
    values = {"name": rule.name, "kind": rule.entity_type, "at": now, "recent": now - RECENT}
    return len(connection.execute(text(statement), values).all())


def standing(engine: Engine, rule: Rule, now: datetime, most: int = 20) -> Standing:
    """Who breaks ``rule`` now, whenever it came to be; failures count for an hour."""
    scope = f" AND {rule.changed_at} >= :since" if rule.is_event else ""
    values = {"since": now - RECENT, "settled": now - rule.grace, "most": most}
    with brain_errors(), engine.connect() as connection:
        by_index(connection)
        asked = _asked(rule, "id, count(*) OVER () AS offending", scope, " ORDER BY id DESC LIMIT :most")
        rows = connection.execute(asked, values).all()
    return Standing(rule, rows[0].offending if rows else 0, tuple(row.id for row in rows))


def _found(connection: Connection, rule: Rule, scope: str, values: Mapping[str, object]) -> dict[int, datetime]:
    by_index(connection)
    asked = _asked(rule, f"id, {rule.changed_at} AS changed_at", scope, " ORDER BY id LIMIT :most")
    return {row.id: row.changed_at for row in connection.execute(asked, values)}


def all_broken(engine: Engine, names: Collection[str], now: datetime) -> dict[str, set[int]]:
    """Who breaks each of the rules named, without grace."""
    with brain_errors(), engine.connect() as connection:
        values = {"settled": now + timedelta(days=1), "most": None}
        return {rule.name: {*_found(connection, rule, "", values)} for rule in RULES if rule.name in names}


def broken_by_call(engine: Engine, call_id: int, now: datetime) -> tuple[Rule, ...] | None:
    """The rules that one call breaks, without grace; ``None`` when there is no such call."""
    with brain_errors(), engine.connect() as connection:
        if connection.scalar(text("SELECT id FROM calls WHERE id = :id"), {"id": call_id}) is None:
            return None
        values = {"id": call_id, "settled": now + timedelta(days=1)}
        return tuple(
            rule for rule in _CHECKED_CALL if connection.scalar(_asked(rule, "id", " AND id = :id", ""), values) is not None
        )


def _asked(rule: Rule, columns: str, scope: str, order: str) -> TextClause:
    settled = f" AND {rule.changed_at} <= :settled" if rule.grace else ""
    return text(f"SELECT {columns} FROM {rule.source} WHERE {rule.condition}{settled}{scope}{order}")  # noqa: S608 - the constants above
