"""A circuit breaker as a rule: which state follows from which, and who may pass.

Belongs here: states, counters and transitions, from values and an instant. Does not: where a state is kept and how callers
that come
at once are told apart (brain/breakers). There is no way to force a breaker closed: it closes when what it guards works again.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """Opens after ``failures`` in a row, rests for ``cooldown``, lets one probe through at a time, closes after ``successes``."""

    failures: int = 3
    cooldown: timedelta = timedelta(seconds=30)
    successes: int = 2
    timeout: timedelta = timedelta(seconds=10)
    forget_after: timedelta = timedelta(hours=1)

    @property
    def probe_life(self) -> timedelta:
        """After this a probe that never reported counts as lost, and the next may go."""
        return self.timeout + timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class BreakerState:
    """One breaker at a moment; ``probe_until`` is set while a probe is on its way."""

    state: str = CLOSED
    failure_count: int = 0
    success_count: int = 0
    last_failure_at: datetime | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    probe_until: datetime | None = None


def admit(breaker: BreakerState, policy: BreakerPolicy, now: datetime) -> BreakerState | None:
    """The state after a caller was let through, or ``None`` if it must not pass."""
    if breaker.state == CLOSED:
        return breaker
    if breaker.state == OPEN:
        if breaker.opened_at is not None and now - breaker.opened_at < policy.cooldown:
            return None
        return replace(breaker, state=HALF_OPEN, success_count=0, probe_until=now + policy.probe_life)
    if breaker.probe_until is not None and now < breaker.probe_until:
        return None
    return replace(breaker, probe_until=now + policy.probe_life)


def succeed(breaker: BreakerState, policy: BreakerPolicy, now: datetime, *, probing: bool = True) -> BreakerState:
    """After a success. One that was let through before the breaker opened proves nothing about now."""
    if breaker.state == OPEN or (breaker.state == HALF_OPEN and not probing):
        return breaker
    if breaker.state == CLOSED:
        return breaker if breaker.failure_count == 0 else replace(breaker, failure_count=0)
    count = breaker.success_count + 1
    if count < policy.successes:
        return replace(breaker, success_count=count, probe_until=None)
    return replace(breaker, state=CLOSED, failure_count=0, success_count=count, closed_at=now, probe_until=None)


def fail(breaker: BreakerState, policy: BreakerPolicy, now: datetime, *, probing: bool = True) -> BreakerState:
    """After a failure: one more, or open; a failed probe opens again and the rest begins anew."""
    if breaker.state == OPEN or (breaker.state == HALF_OPEN and not probing):
        return replace(breaker, last_failure_at=now)
    stale = breaker.last_failure_at is not None and now - breaker.last_failure_at > policy.forget_after
    count = (0 if stale else breaker.failure_count) + 1
    if breaker.state == CLOSED and count < policy.failures:
        return replace(breaker, failure_count=count, last_failure_at=now)
    return replace(
        breaker, state=OPEN, failure_count=count, success_count=0, last_failure_at=now, opened_at=now, probe_until=None
    )


def release(breaker: BreakerState) -> BreakerState:
    """After an end that says nothing about what is guarded: the probe's place is free again."""
    return replace(breaker, probe_until=None) if breaker.state == HALF_OPEN else breaker
