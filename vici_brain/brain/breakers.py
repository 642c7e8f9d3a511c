"""Circuit breakers kept in PostgreSQL: one state for every thread, process and host, safe over restarts.

Belongs here: rows of circuit_breaker_states and circuit_breaker_events. Does not: the rule (domain/breaker), nor what is guarded.

The row is locked from reading to writing, so that of any number of callers one probes. A closed breaker costs one read to pass
and writes nothing once its row is there, which its first caller makes: what is guarded shows before it fails. Why it is our own:
docs/decisions/0005.
"""

from collections.abc import Callable, Collection
from dataclasses import asdict, fields
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from vici_brain.brain.consistency_log import breaker_changed
from vici_brain.brain.database import brain_errors
from vici_brain.brain.reviews import ReviewItem, put_up_for_review
from vici_brain.domain.breaker import CLOSED, HALF_OPEN, OPEN, BreakerPolicy, BreakerState, admit, fail, release, succeed
from vici_brain.errors import CircuitOpenError, scrub

_COLUMNS = tuple(field.name for field in fields(BreakerState))
_NAMES = ", ".join(_COLUMNS)
_READ = text(f"SELECT {_NAMES} FROM circuit_breaker_states WHERE circuit_key = :key")  # noqa: S608 - names of the fields
_LOCK = text(f"SELECT {_NAMES} FROM circuit_breaker_states WHERE circuit_key = :key FOR UPDATE")  # noqa: S608 - the same
_MAKE = text("INSERT INTO circuit_breaker_states (circuit_key) VALUES (:key) ON CONFLICT DO NOTHING")
_WRITE = text(f"""
    UPDATE circuit_breaker_states SET {", ".join(f"{name} = :{name}" for name in _COLUMNS)},
        metadata = CASE WHEN CAST(:error AS text) IS NULL THEN metadata
            ELSE metadata || jsonb_build_object('last_error', CAST(:error AS text)) END,
        updated_at = clock_timestamp()
    WHERE circuit_key = :key
""")  # noqa: S608 - the same
_EVENT = text("""
    INSERT INTO circuit_breaker_events (circuit_key, old_state, new_state, happened_at, reason)
    VALUES (:key, :old, :new, :at, :reason)
""")
_ALL = text(f"SELECT circuit_key, {_NAMES} FROM circuit_breaker_states ORDER BY circuit_key")  # noqa: S608 - the same
_CLOSED = text("SELECT circuit_key FROM circuit_breaker_states WHERE circuit_key = ANY(:keys) AND state = 'closed'")
_SETTLE = text("""
    UPDATE manual_review_queue SET status = 'resolved', resolved_at = :at, updated_at = :at,
        resolution_notes = 'closed by itself: what it guards works again'
    WHERE reason = 'circuit_open' AND entity_type = 'circuit' AND entity_key = :key AND status IN ('pending', 'in_progress')
""")


class Breaker:
    """The breaker of one key."""

    def __init__(self, engine: Engine, key: str, policy: BreakerPolicy, clock: Callable[[], datetime]) -> None:
        self.key, self.policy, self.clock = key, policy, clock
        self._engine = engine

    def admit(self) -> bool:
        """Lets the caller through and says whether it is the one probe; raises CircuitOpenError for everybody else."""
        with brain_errors(), self._engine.connect() as connection:
            row = connection.execute(_READ, {"key": self.key}).one_or_none()
            if row is None:
                connection.execute(_MAKE, {"key": self.key})
                connection.commit()
        if row is None or row.state == CLOSED:
            return False
        refused: BreakerState | None = None
        with brain_errors(), self._engine.begin() as connection:
            before = self._locked(connection)
            now = self.clock()
            after = admit(before, self.policy, now)
            if after is None:
                refused = before
            else:
                self._write(connection, before, after, now, None)
        if after is not None:
            _log(self.key, before, after, None)
        if refused is not None:
            raise CircuitOpenError(
                f"{self.key} is not asked: its circuit breaker is {refused.state} after {refused.failure_count} failures in a "
                f"row, the last at {refused.last_failure_at:%Y-%m-%d %H:%M:%S} UTC; one try follows "
                f"{self.policy.cooldown.total_seconds():.0f} s after it opened"
            )
        return after is not None and after.state == HALF_OPEN

    def succeeded(self, *, probing: bool = False) -> None:
        self._after(lambda state, now: succeed(state, self.policy, now, probing=probing), None)

    def failed(self, error: BaseException, *, probing: bool = False) -> None:
        self._after(
            lambda state, now: fail(state, self.policy, now, probing=probing), scrub(f"{type(error).__name__}: {error}")[:500]
        )

    def released(self, *, probing: bool = False) -> None:
        """The caller ended in a way that says nothing about what is guarded."""
        if probing:
            self._after(lambda state, _now: release(state), None)

    def state(self) -> BreakerState:
        """State, counters and times, as the statistics show them."""
        with brain_errors(), self._engine.connect() as connection:
            row = connection.execute(_READ, {"key": self.key}).one_or_none()
        return BreakerState() if row is None else BreakerState(**row._asdict())

    def _after(self, follow: Callable[[BreakerState, datetime], BreakerState], error: str | None) -> None:
        with brain_errors(), self._engine.connect() as connection:
            row = connection.execute(_READ, {"key": self.key}).one_or_none()
        seen = BreakerState() if row is None else BreakerState(**row._asdict())
        if follow(seen, self.clock()) == seen:
            return
        with brain_errors(), self._engine.begin() as connection:
            before = self._locked(connection)
            now = self.clock()
            after = follow(before, now)
            self._write(connection, before, after, now, error)
        _log(self.key, before, after, error)

    def _locked(self, connection: Connection) -> BreakerState:
        connection.execute(_MAKE, {"key": self.key})
        return BreakerState(**connection.execute(_LOCK, {"key": self.key}).one()._asdict())

    def _write(self, connection: Connection, before: BreakerState, after: BreakerState, now: datetime, error: str | None) -> None:
        if after == before:
            return
        connection.execute(_WRITE, asdict(after) | {"key": self.key, "error": error})
        if after.state == before.state:
            return
        values = {"key": self.key, "old": before.state, "new": after.state, "at": now, "reason": error}
        connection.execute(_EVENT, values)
        if after.state == OPEN:
            context = {"failures": after.failure_count, "last_error": error, "opened_at": now}
            put_up_for_review(connection, [ReviewItem("circuit_open", "circuit", self.key, context=context)], now)
        elif before.state == HALF_OPEN:
            connection.execute(_SETTLE, {"key": self.key, "at": now})


def _log(key: str, before: BreakerState, after: BreakerState, error: str | None) -> None:
    if after.state != before.state:
        breaker_changed(key, before.state, after.state, failures=after.failure_count, error=error)


def closed_among(engine: Engine, keys: Collection[str]) -> set[str]:
    """Which of ``keys`` have a breaker that is closed."""
    with brain_errors(), engine.connect() as connection:
        return set(connection.scalars(_CLOSED, {"keys": list(keys)}))


def breaker_statistics(engine: Engine) -> dict[str, BreakerState]:
    """Every breaker by its key."""
    with brain_errors(), engine.connect() as connection:
        rows = connection.execute(_ALL).all()
    return {row.circuit_key: BreakerState(**{name: getattr(row, name) for name in _COLUMNS}) for row in rows}
