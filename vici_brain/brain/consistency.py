"""The rules by which calls and appointments agree: who breaks which, how many, and examples of them.

Belongs here: the rules' conditions and the questions built on them. Does not: alerts (brain/call_alerts), corrections (here
only the two
that are certain), or when to look (orchestration).

Each rule is one condition. Counting, sampling, the sweep and the look at a single call are built on it, so that they cannot
differ.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, TextClause, text

from vici_brain.brain.database import brain_errors, by_index

_CALLS, _APPOINTMENTS, _ERRORS = "calls AS entity", "appointments AS entity", "booking_errors AS entity"
RECENT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Rule:
    """``condition`` is true for offenders; ``grace`` leaves a booking that is being written its time."""

    name: str
    check: str
    severity: str
    is_told: bool
    entity_type: str
    source: str
    condition: str
    says: str
    remedy: str
    grace: timedelta = timedelta()
    changed_at: str = "updated_at"


RULES = (
    Rule(
        "session_outcome_mismatch",
        "booked_outcomes_have_appointment_made",
        "critical",
        True,
        "call",
        _CALLS,
        "session_outcome = 'appointment_booked' AND NOT appointment_made AND vanished_at IS NULL",
        "says appointment_booked, but appointment_made is false",
        "Was the caller given an appointment? If so enter it with call_id; if not set session_outcome to what happened.",
    ),
    Rule(
        "missing_appointment",
        "made_appointments_exist",
        "critical",
        True,
        "call",
        _CALLS,
        "appointment_made AND vanished_at IS NULL AND"
        " NOT EXISTS (SELECT FROM appointments WHERE appointments.call_id = entity.id)",
        "counts as having made an appointment, but there is none",
        "Enter the appointment with call_id, or set appointment_made to false; the review queue holds each call.",
        grace=timedelta(minutes=1),
    ),
    Rule(
        "missing_direction",
        "calls_have_a_direction",
        "warning",
        False,
        "call",
        _CALLS,
        "direction IS NULL",
        "has no direction",
        "The sweep sets inbound; if it comes back, see who writes direction as NULL.",
    ),
    Rule(
        "inconsistent_link_status",
        "made_appointments_are_linked",
        "warning",
        False,
        "call",
        _CALLS,
        "appointment_made AND appointment_link_status <> 'linked' AND vanished_at IS NULL",
        "made an appointment, but its link status is not linked",
        "If the appointment exists, set appointment_link_status to linked.",
        grace=timedelta(minutes=1),
    ),
    Rule(
        "orphaned_appointment",
        "webhook_appointments_have_a_call",
        "warning",
        False,
        "appointment",
        _APPOINTMENTS,
        "call_id IS NULL AND source = 'retell_webhook'",
        "came by webhook and belongs to no call",
        "The sweep links it when a call with its retell_call_id comes; otherwise set call_id by hand.",
    ),
    Rule(
        "recent_failures",
        "no_booking_failed_in_the_last_hour",
        "info",
        False,
        "booking_error",
        _ERRORS,
        "kind = 'booking_failed'",
        "a booking failed",
        "See error in booking_errors and the breakers in circuit_breaker_states.",
        changed_at="occurred_at",
    ),
)
_CHECKED_CALL = tuple(rule for rule in RULES if rule.entity_type == "call")
_BY_BOOKING = text("""
    UPDATE appointments SET call_id = calls.id FROM calls
    WHERE appointments.call_id IS NULL AND appointments.source = 'retell_webhook' AND calls.retell_call_id =
    appointments.retell_call_id
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
CORRECTIONS: dict[str, tuple[TextClause, str]] = {
    "session_outcome_mismatch": (_EVIDENCE, "made to agree with the appointment that exists"),
    "missing_direction": (_DIRECTION, "set to inbound"),
    "inconsistent_link_status": (_LINKED, "the appointment exists: set to linked"),
    "orphaned_appointment": (_BY_BOOKING, "linked to the call with its retell_call_id"),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How many break a rule now, and the newest of them."""

    rule: Rule
    offending: int
    sample: tuple[int, ...]

    @property
    def passed(self) -> bool:
        return self.offending == 0


def offenders(connection: Connection, rule: Rule, since: datetime | None, now: datetime) -> dict[int, datetime]:
    """Who breaks ``rule`` and changed at or after ``since`` (``None``: of any age): id and when it changed, lowest first."""
    by_index(connection)
    changed = "" if since is None else f" AND {rule.changed_at} >= :since"
    asked = _asked(rule, f"id, {rule.changed_at} AS changed_at", changed, " ORDER BY id")
    return {row.id: row.changed_at for row in connection.execute(asked, {"since": since, "settled": now - rule.grace})}


def standing(engine: Engine, rule: Rule, now: datetime, most: int = 20) -> Standing:
    """Who breaks ``rule`` now, whenever it came to be; failures count for an hour."""
    since = now - RECENT if rule.name == "recent_failures" else None
    with brain_errors(), engine.connect() as connection:
        found = offenders(connection, rule, since, now)
    return Standing(rule, len(found), tuple([*found][::-1][:most]))


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
