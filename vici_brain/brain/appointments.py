"""Appointments of calls: what a validation needs to see, the rollback of a call's flags, and the log of failed bookings.

Belongs here: reading and writing these rows. Does not: verdicts (domain/appointments) or the order of a booking (flows).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from vici_brain.brain.database import brain_errors, by_index
from vici_brain.domain.appointments import Appointment, CallFlags
from vici_brain.errors import scrub

_FLAGS = text("SELECT appointment_made, session_outcome, appointment_link_status FROM calls WHERE id = :call_id")
_BY_ID = text("SELECT id, call_id, external_booking_id, created_at FROM appointments WHERE id = :id")
_NEWEST = text(
    "SELECT id, call_id, external_booking_id, created_at FROM appointments"
    " WHERE call_id = :call_id ORDER BY created_at DESC, id DESC LIMIT 1"
)
_MEASURED = text("""
    INSERT INTO appointment_validations (call_id, appointment_id, reason, milliseconds, validated_at)
    VALUES (:call_id, :appointment_id, :reason, :milliseconds, :at)
""")
_LOCK = text("SELECT id, retell_call_id, external_booking_id FROM calls WHERE id = :call_id FOR UPDATE")
# Of the call, of its conversation, or the one that was named: an appointment that was never linked may stand at the calendar.
_BOOKED = text("""
    SELECT external_booking_id FROM appointments
    WHERE external_booking_id IS NOT NULL AND (call_id = :call_id OR retell_call_id = :retell OR id = :appointment_id)
    ORDER BY id DESC LIMIT 1
""")
_ROLL_BACK = text("""
    UPDATE calls SET appointment_made = false, session_outcome = 'creation_failed', appointment_link_status = 'creation_failed',
        booking_failed = true, booking_failure_reason = :reason, requires_manual_processing = true
    WHERE id = :call_id
""")
_BARE = text("SELECT EXISTS (SELECT FROM appointments WHERE call_id = :call_id)")
_SETTLED = text("""
    SELECT id, customer_id IS NOT NULL AS has_customer, EXISTS (SELECT FROM appointments WHERE call_id = calls.id) AS is_booked
    FROM calls WHERE id = ANY(:ids) AND (customer_id IS NOT NULL OR EXISTS (SELECT FROM appointments WHERE call_id = calls.id))
""")
_FAILED = text("""
    INSERT INTO booking_errors (call_id, circuit_key, error, occurred_at) VALUES (:call_id, :key, :error, :at)
""")


class Appointments:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def seen(self, call_id: int, appointment_id: int | None) -> tuple[CallFlags | None, Appointment | None]:
        """The call's flags (``None``: no such call), and the appointment that is named, or if none is the call's newest.

        One that is named and missing is missing: another appointment of the call is no proof of it.
        """
        with brain_errors(), self._engine.connect() as connection:
            flags = connection.execute(_FLAGS, {"call_id": call_id}).one_or_none()
            if appointment_id is not None:
                found = connection.execute(_BY_ID, {"id": appointment_id}).one_or_none()
            else:
                found = connection.execute(_NEWEST, {"call_id": call_id}).one_or_none()
        return (
            None if flags is None else CallFlags(*flags),
            None if found is None else Appointment(*found),
        )

    def with_customer_or_booking(self, calls: Collection[int]) -> tuple[set[int], set[int]]:
        """Which of ``calls`` have a customer, and which an appointment."""
        with brain_errors(), self._engine.connect() as connection:
            by_index(connection)
            rows = connection.execute(_SETTLED, {"ids": list(calls)}).all()
        return {row.id for row in rows if row.has_customer}, {row.id for row in rows if row.is_booked}

    def measured(self, call_id: int, appointment_id: int | None, reason: str | None, milliseconds: float, at: datetime) -> None:
        values = {"call_id": call_id, "appointment_id": appointment_id, "reason": reason, "milliseconds": milliseconds, "at": at}
        with brain_errors(), self._engine.begin() as connection:
            connection.execute(_MEASURED, values)

    def failed(self, call_id: int | None, key: str, error: BaseException, at: datetime) -> None:
        """One row of the error log, of a call if there is one."""
        said = scrub(f"{type(error).__name__}: {error}")[:2000]
        with brain_errors(), self._engine.begin() as connection:
            connection.execute(_FAILED, {"call_id": call_id, "key": key, "error": said, "at": at})


@dataclass(frozen=True, slots=True)
class HeldCall:
    """What is known of a call's booking while the call is locked; ``booking_id`` is one that exists at the calendar."""

    retell_call_id: str | None
    booking_id: str | None
    has_appointment: bool


def held_call(connection: Connection, call_id: int, appointment_id: int | None) -> HeldCall | None:
    """The call, locked until the transaction ends, and its booking or that of the appointment named; ``None``: no such call."""
    by_index(connection)
    call = connection.execute(_LOCK, {"call_id": call_id}).one_or_none()
    if call is None:
        return None
    values = {"call_id": call_id, "retell": call.retell_call_id, "appointment_id": appointment_id}
    booking = connection.scalar(_BOOKED, values) or call.external_booking_id
    return HeldCall(call.retell_call_id, booking, bool(connection.scalar(_BARE, {"call_id": call_id})))


def roll_back_flags(connection: Connection, call_id: int, reason: str) -> None:
    connection.execute(_ROLL_BACK, {"call_id": call_id, "reason": reason})
