"""The six rules by which calls and appointments agree.

Belongs here: conditions, words, and what follows from breaking one. Does not: asking them (brain/consistency).

Each rule is one condition. Counting, sampling, the sweep and the look at a single call are built on it, so that they cannot
differ.
"""

from dataclasses import dataclass
from datetime import timedelta

_CALLS, _APPOINTMENTS, _ERRORS = "calls AS entity", "appointments AS entity", "booking_errors AS entity"


@dataclass(frozen=True, slots=True)
class Rule:
    """``condition`` is true for offenders; people are told of what ``is_told``, and asked about it in the review queue.

    ``grace`` leaves a booking that is being written its time. What ``is_event`` happened once and is not put right.

    ``stands`` is what keeps an alert open where that is more than the condition: a trigger flags more than a sweep looks for.
    """

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
    stands: str | None = None
    is_event: bool = False


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
        stands="(session_outcome IS NOT DISTINCT FROM 'appointment_booked') <> appointment_made AND vanished_at IS NULL",
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
        "The sweep links it when a call with its external_booking_id or retell_call_id comes; otherwise set call_id by hand.",
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
        stands="kind = 'booking_failed' AND occurred_at >= :recent",
        is_event=True,
    ),
)
