"""Failed logins at a dialer's API, remembered over restarts.

Belongs here: counting them and when the next try is allowed. Does not: logging in (vici/api_writer).
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Engine, text

from vici_brain.brain.database import brain_errors

FAILURES_ALLOWED = 3
"""Of the dialer's ten: people and other software need the rest."""
LOCK_OUT = timedelta(minutes=15)
_CLOSED = text("SELECT closed_until FROM vici_api_logins WHERE instance = :instance AND api_user = :user AND closed_until > :now")
# A failure longer ago than the lock-out no longer counts at the dialer either.
_FAILED = text("""
    INSERT INTO vici_api_logins AS held (instance, api_user, failures, last_failed_at, closed_until)
    VALUES (:instance, :user, 1, :now, CASE WHEN :locked OR :allowed <= 1 THEN CAST(:until AS timestamptz) END)
    ON CONFLICT (instance, api_user) DO UPDATE SET
        failures = CASE WHEN held.last_failed_at > :forgotten THEN held.failures + 1 ELSE 1 END,
        last_failed_at = excluded.last_failed_at,
        closed_until = CASE WHEN :locked OR (held.last_failed_at > :forgotten AND held.failures + 1 >= :allowed)
            THEN CAST(:until AS timestamptz) END
""")
_SUCCEEDED = text("DELETE FROM vici_api_logins WHERE instance = :instance AND api_user = :user")


class ApiLogins:
    """The guard of one API user of one dialer; a ``LoginGuard``."""

    def __init__(self, engine: Engine, instance: str, user: str, clock: Callable[[], datetime]) -> None:
        self.engine, self.clock = engine, clock
        self._scope = {"instance": instance, "user": user}
        self._clean = False

    def closed_until(self) -> datetime | None:
        """The end of the lock-out, or of our own pause before it comes to that; ``None``: a login may be tried."""
        with brain_errors(), self.engine.connect() as connection:
            until: datetime | None = connection.scalar(_CLOSED, self._scope | {"now": self.clock()})
        return until

    def failed(self, *, locked: bool) -> None:
        now = self.clock()
        times = {"now": now, "until": now + LOCK_OUT, "forgotten": now - LOCK_OUT}
        with brain_errors(), self.engine.begin() as connection:
            connection.execute(_FAILED, self._scope | times | {"locked": locked, "allowed": FAILURES_ALLOWED})
        self._clean = False

    def succeeded(self) -> None:
        if not self._clean:
            with brain_errors(), self.engine.begin() as connection:
                connection.execute(_SUCCEEDED, self._scope)
            self._clean = True
