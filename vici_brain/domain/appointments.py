"""When an appointment that was just created counts as right: five checks, in order, and the reason of the first that fails.

Belongs here: the verdict from values. Does not: reading them (brain/appointments) or what follows (flows/book_appointment).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class CallFlags:
    """What a call says of its appointment."""

    appointment_made: bool
    session_outcome: str | None
    appointment_link_status: str


@dataclass(frozen=True, slots=True)
class Appointment:
    """An appointment as it stands in Brain."""

    id: int
    call_id: int | None
    external_booking_id: str | None
    created_at: datetime


AS_BOOKED = CallFlags(appointment_made=True, session_outcome="appointment_booked", appointment_link_status="linked")


def fault_of(
    appointment: Appointment | None,
    call_id: int,
    flags: CallFlags,
    now: datetime,
    *,
    booking_id: str | None = None,
    oldest: timedelta = timedelta(seconds=300),
) -> str | None:
    """Why the appointment is not right, or ``None``. An age of exactly ``oldest`` passes; ``booking_id`` ``None`` asks for no
    booking.
    """
    if appointment is None:
        return "appointment_not_found"
    if appointment.call_id is None:
        return "appointment_not_linked"
    if appointment.call_id != call_id:
        return "appointment_wrong_call"
    if booking_id is not None and appointment.external_booking_id != booking_id:
        return "calcom_booking_id_mismatch"
    if now - appointment.created_at > oldest:
        return "appointment_too_old"
    return None if flags == AS_BOOKED else "call_flags_inconsistent"
