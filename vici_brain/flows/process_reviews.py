"""The hourly look at the review queue: what can be tried again is, and what has settled itself is closed.

Belongs here: which reasons can be tried again, and how. Does not: what needs a person, which stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from vici_brain.brain.appointments import Appointments
from vici_brain.brain.breakers import closed_among
from vici_brain.brain.consistency import broken_by_call
from vici_brain.brain.reviews import QueuedItem, ReviewQueue
from vici_brain.domain.appointments import fault_of

_BY = "vici-brain"
MOST = 10_000
_RULES = frozenset({"session_outcome_mismatch", "missing_appointment", "inconsistent_link_status"})
_AGELESS = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class Processed:
    """How many items were looked at, and how many of them have settled."""

    looked_at: int
    resolved: int
    left: int
    by_reason: Mapping[str, int]


def process_reviews(brain: Engine, now: datetime, *, limit: int = MOST) -> Processed:
    """Looks at every pending item, or the first ``limit``; what a person took is left alone. A second pass changes nothing."""
    queue, by_reason = ReviewQueue(brain), dict[str, int]()
    items = queue.listed("pending", limit=limit)
    closed = closed_among(brain, {item.entity_key for item in items if item.entity_type == "circuit"})
    for item in items:
        note = _settled(brain, item, closed, now)
        if note is not None and queue.resolve(item.id, _BY, note, now):
            by_reason[item.reason] = by_reason.get(item.reason, 0) + 1
    resolved = sum(by_reason.values())
    return Processed(len(items), resolved, len(items) - resolved, by_reason)


def _settled(brain: Engine, item: QueuedItem, closed: set[str], now: datetime) -> str | None:
    """Why an item needs nobody any more, or ``None``."""
    if item.reason == "circuit_open" and item.entity_type == "circuit":
        return "the breaker is closed again" if item.entity_key in closed else None
    if item.call_id is None:
        return None
    if item.reason in _RULES:
        broken = broken_by_call(brain, item.call_id, now) or ()
        return None if item.reason in {rule.name for rule in broken} else "looked at again: call and appointment agree"
    if item.reason in {"appointment_validation_failed", "calcom_booking_failed", "circuit_open"}:
        flags, appointment = Appointments(brain).seen(item.call_id, None)
        right = flags is not None and fault_of(appointment, item.call_id, flags, now, oldest=_AGELESS) is None
        return "validated again: the appointment is there and right" if right else None
    return None
