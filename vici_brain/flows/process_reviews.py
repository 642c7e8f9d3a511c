"""The hourly look at the review queue: what can be tried again is, and what has settled itself is closed.

Belongs here: which reasons settle by what, and the order of a pass. Does not: what needs a person, which stays; nor how a
booking, a customer or a connection is tried again, which those who can do it hand in.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import Engine

from vici_brain.brain.appointments import Appointments
from vici_brain.brain.breakers import closed_among
from vici_brain.brain.consistency import all_broken, put_right
from vici_brain.brain.consistency_rules import RULES
from vici_brain.brain.database import brain_errors
from vici_brain.brain.reviews import QueuedItem, ReviewQueue
from vici_brain.domain.appointments import fault_of
from vici_brain.errors import ViciBrainError

Retry = Callable[[QueuedItem], str | None]
"""Tries the matter of an item again: a note when it is settled now, ``None`` when not, ``NOT_TRIED`` when it cannot try this one;
raises ViciBrainError when the try failed."""
NOT_TRIED = ""
_PAGE = 1_000
_RULES = frozenset({"session_outcome_mismatch", "missing_appointment", "inconsistent_link_status"})
_BOOKINGS = frozenset({"appointment_validation_failed", "calcom_booking_failed", "service_not_found", "circuit_open"})
_AGELESS = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class Processed:
    """How many items were looked at, tried again, and have settled; ``put_right`` are calls and appointments corrected first."""

    looked_at: int
    put_right: int
    tried: int
    failed: int
    resolved: int
    left: int
    by_reason: Mapping[str, int]


def process_reviews(
    brain: Engine, now: datetime, retries: Mapping[str, Retry] | None = None, *, limit: int | None = None
) -> Processed:
    """Looks at every pending item, or the first ``limit``; what a person took is left alone. A second pass changes nothing.

    First what is certain is put right, then items are held against how things stand; what is left is tried by ``retries``, by
    reason. A try that fails is counted with the item, and stops no other.
    """
    with brain_errors(), brain.begin() as connection:
        mended = sum(len(put_right(connection, rule, now)) for rule in RULES)
    work = _Pass(brain, now, retries or {})
    pending = islice(work.queue.pending(_PAGE), limit)
    while items := list(islice(pending, _PAGE)):
        work.look_at(items)
    resolved = work.by_reason.total()
    return Processed(
        work.looked_at, mended, work.tried, work.failed, resolved, work.looked_at - resolved, dict(sorted(work.by_reason.items()))
    )


class _Pass:
    def __init__(self, brain: Engine, now: datetime, retries: Mapping[str, Retry]) -> None:
        self._brain, self._now, self._retries = brain, now, retries
        self.queue = ReviewQueue(brain)
        self.by_reason = Counter[str]()
        self.looked_at = self.tried = self.failed = 0

    def look_at(self, items: Sequence[QueuedItem]) -> None:
        self.looked_at += len(items)
        notes = dict(self._settled(items))
        for item in items:
            if item.id not in notes and item.reason in self._retries:
                self._try(item)
        for note in sorted(set(notes.values())):
            settled = self.queue.settle([item for item in notes if notes[item] == note], note, self._now)
            self.by_reason.update(item.reason for item in items if item.id in settled)

    def _try(self, item: QueuedItem) -> None:
        error, note = None, None
        try:
            note = self._retries[item.reason](item)
        except ViciBrainError as failed:
            error = str(failed)
        if note == NOT_TRIED:
            return
        self.tried, self.failed = self.tried + 1, self.failed + (error is not None)
        if note is None:
            self.queue.tried(item.id, error, self._now)
        else:
            self.queue.settle([item.id], note, self._now)
            self.by_reason[item.reason] += 1

    def _settled(self, items: Sequence[QueuedItem]) -> Iterator[tuple[int, str]]:
        """Items that need nobody any more, with why; a question for all of a page, not one for each."""
        calls = {item.call_id for item in items if item.call_id is not None}
        broken = all_broken(self._brain, _RULES & {item.reason for item in items}, self._now)
        with_customer, booked = Appointments(self._brain).with_customer_or_booking(calls)
        closed = closed_among(self._brain, {item.entity_key for item in items if item.entity_type == "circuit"})
        for item in items:
            if item.reason == "circuit_open" and item.entity_type == "circuit":
                if item.entity_key in closed:
                    yield item.id, "the breaker is closed again"
            elif item.call_id is None:
                continue
            elif item.reason in _RULES:
                if item.call_id not in broken[item.reason]:
                    yield item.id, "looked at again: call and appointment agree"
            elif item.reason == "customer_creation_failed":
                if item.call_id in with_customer:
                    yield item.id, "looked at again: the call has a customer"
            elif item.reason in _BOOKINGS and item.call_id in booked and self._is_right(item.call_id):
                yield item.id, "validated again: the appointment is there and right"

    def _is_right(self, call_id: int) -> bool:
        flags, appointment = Appointments(self._brain).seen(call_id, None)
        return flags is not None and fault_of(appointment, call_id, flags, self._now, oldest=_AGELESS) is None
