"""For the systems that book: an attempt under a breaker with retries, the validation of what it made, and what follows a failure.

Belongs here: the order of these steps. Does not: the five checks (domain/appointments), breakers (flows/guarding), or booking
itself.

A booking that exists at the calendar is never rolled back: people were told of it. Its call goes to a person instead. Whatever
else fails goes to a person too, under the reason that says whom to ask.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter, sleep
from typing import TypeVar

from sqlalchemy import Engine
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from vici_brain.brain.appointments import Appointments, held_call, roll_back_flags
from vici_brain.brain.breakers import Breaker
from vici_brain.brain.call_alerts import Matter, raise_alerts
from vici_brain.brain.consistency_log import rolled_back as log_rollback
from vici_brain.brain.consistency_log import validation_failed
from vici_brain.brain.database import brain_errors
from vici_brain.brain.reviews import put_up_for_review, review_of
from vici_brain.domain.appointments import fault_of
from vici_brain.errors import CircuitOpenError, RetriableError, ViciBrainError, scrub
from vici_brain.flows.guarding import guarded

T = TypeVar("T")
_OLDEST = timedelta(seconds=300)
_THROTTLE = timedelta(minutes=5)
_INVALID = "appointment_validation_failed"


@dataclass(frozen=True, slots=True)
class Validation:
    """``reason`` names the first check that failed."""

    call_id: int
    appointment_id: int | None
    reason: str | None
    milliseconds: float

    @property
    def passed(self) -> bool:
        return self.reason is None


@dataclass(frozen=True, slots=True)
class Rollback:
    """Whether the flags were taken back; if not, ``booking_id`` is the booking that really exists."""

    call_id: int
    rolled_back: bool
    booking_id: str | None = None


@dataclass(frozen=True, slots=True)
class Booked:
    """What an attempt made: the row in appointments (``None``: it could not be written), and the booking at the calendar."""

    appointment_id: int | None
    booking_id: str | None = None


class BookingFailedError(ViciBrainError):
    """No appointment can be made, and another try cannot help; ``reason`` is what the review queue files it under."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def validate_appointment_creation(
    brain: Engine,
    call_id: int,
    now: datetime,
    *,
    appointment_id: int | None = None,
    booking_id: str | None = None,
    oldest: timedelta = _OLDEST,
) -> Validation:
    """Holds a new appointment against the five checks, and keeps how long that took. Raises LookupError for no such call."""
    started = perf_counter()
    store = Appointments(brain)
    flags, appointment = store.seen(call_id, appointment_id)
    if flags is None:
        raise LookupError(f"there is no call {call_id}")
    reason = fault_of(appointment, call_id, flags, now, booking_id=booking_id, oldest=oldest)
    milliseconds = (perf_counter() - started) * 1000
    found = None if appointment is None else appointment.id
    store.measured(call_id, found, reason, milliseconds, now)
    if reason is not None:
        validation_failed(call_id, found, reason)
    return Validation(call_id, found, reason, milliseconds)


def roll_back(
    brain: Engine,
    call_id: int,
    reason: str,
    now: datetime,
    *,
    appointment_id: int | None = None,
    booking_id: str | None = None,
) -> Rollback:
    """Takes a call's claim of an appointment back, with alert and review item in the same transaction.

    Where an appointment exists, or a booking at the calendar (that of the call, of its conversation, of the appointment that was
    validated, or ``booking_id``), only alert and review item are made. Raises LookupError for no such call.
    """
    with brain_errors(), brain.begin() as connection:
        held = held_call(connection, call_id, appointment_id)
        if held is None:
            raise LookupError(f"there is no call {call_id}")
        booking = booking_id or held.booking_id
        is_done = booking is None and not held.has_appointment
        if is_done:
            roll_back_flags(connection, call_id, reason)
        says = f"failed the validation of its appointment: {reason}" + ("; rolled back" if is_done else "; booking kept")
        raise_alerts(connection, Matter(_INVALID, "critical", "call", says, [call_id]), now, _THROTTLE)
        context = {"reason": reason, "external_booking_id": booking, "rolled_back": is_done}
        put_up_for_review(connection, [review_of(_INVALID, call_id, context, held.retell_call_id)], now)
    log_rollback(call_id, reason, done=is_done)
    return Rollback(call_id, is_done, booking)


def wait_before(attempt: int, jitter: float) -> float:
    """Seconds before the try after ``attempt``: 1, 2, 4, … and up to a tenth more (``jitter`` from 0 to 1)."""
    return float(2.0 ** (attempt - 1)) * (1 + 0.1 * jitter)


def retry_with_backoff(
    work: Callable[[], T],
    *,
    attempts: int = 3,
    pause: Callable[[float], None] = sleep,
    jitter: Callable[[], float] = random.random,
    retriable: tuple[type[Exception], ...] = (RetriableError,),
) -> T:
    """Does ``work`` until it succeeds, at most ``attempts`` times; an open breaker ends it at once, for it would only refuse
    again.
    """

    def wait(state: RetryCallState) -> float:
        return wait_before(state.attempt_number, jitter())

    retrying = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, retriable) and not isinstance(error, CircuitOpenError)),
        stop=stop_after_attempt(attempts),
        wait=wait,
        sleep=pause,
        reraise=True,
    )
    return retrying(work)


def book_appointment(
    brain: Engine,
    breaker: Breaker,
    call_id: int,
    create: Callable[[], Booked],
    clock: Callable[[], datetime],
    *,
    pause: Callable[[float], None] = sleep,
    oldest: timedelta = _OLDEST,
) -> Validation:
    """Has ``create`` make the appointment, each try under ``breaker``, and validates it.

    What fails is written to the error log and at the end put up for review, or rolled back. Raises what the last try raised, and
    LookupError before any try when there is no such call.
    """
    store = Appointments(brain)
    if store.seen(call_id, None)[0] is None:
        raise LookupError(f"there is no call {call_id}")

    def attempt() -> Booked:
        try:
            with guarded(breaker):
                return create()
        except CircuitOpenError:
            raise
        except Exception as error:
            store.failed(call_id, breaker.key, error, clock())
            raise

    try:
        made = retry_with_backoff(attempt, pause=pause)
    except Exception as error:
        context = {"circuit_key": breaker.key, "error": scrub(f"{type(error).__name__}: {error}")[:2000]}
        with brain_errors(), brain.begin() as connection:
            put_up_for_review(connection, [review_of(_reason_of(error), call_id, context)], clock())
        raise
    row, booking = made.appointment_id, made.booking_id
    validation = validate_appointment_creation(brain, call_id, clock(), appointment_id=row, booking_id=booking, oldest=oldest)
    if validation.reason is not None:
        roll_back(brain, call_id, validation.reason, clock(), appointment_id=row, booking_id=booking)
    return validation


def _reason_of(error: Exception) -> str:
    match error:
        case CircuitOpenError():
            return "circuit_open"
        case BookingFailedError():
            return error.reason
        case _:
            return "calcom_booking_failed"
