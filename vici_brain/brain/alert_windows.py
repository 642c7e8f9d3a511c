"""What alerts remember: open matters, what was told when, which channels are broken; and the outbox that waits to be sent.

Belongs here: alert_windows, alert_channels, and reading and stamping outgoing_messages. Does not: deciding (domain/throttle), or
adding messages (brain/outbox).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, text

from vici_brain.brain.database import brain_errors
from vici_brain.domain.throttle import Announcement, Event, Matter, Told

# Events leave a window too, which is never open; those older than any throttle are of no use.
_REMEMBERED = timedelta(days=1)
# A channel that is set up late is not told a month of old reports; they stay in the table, unsent.
_OLDEST = timedelta(days=3)
_MOST_EVENTS = 500
_TOLD = text("""
    SELECT fingerprint, kind, severity, title, link, opened_at, told_at, held_back, resolved_at IS NULL AS is_open
    FROM alert_windows WHERE resolved_at IS NULL OR told_at >= :since
""")
_UNSENT = text("""
    SELECT id, kind, fingerprint, severity, title, body, link, created_at FROM outgoing_messages
    WHERE sent_at IS NULL AND created_at >= :since ORDER BY created_at, id LIMIT :most
""")
_OPEN = text("""
    INSERT INTO alert_windows AS held (fingerprint, kind, severity, title, link, opened_at, told_at, held_back, resolved_at)
    VALUES (:fingerprint, :kind, :severity, :title, :link, :at, :told_at, :held_back, :resolved_at)
    ON CONFLICT (fingerprint) DO UPDATE SET
        -- What was told stays what later severities are compared with, until something is told again.
        severity = CASE WHEN excluded.told_at IS NULL AND held.told_at IS NOT NULL THEN held.severity ELSE excluded.severity END,
        kind = excluded.kind, title = excluded.title, link = excluded.link,
        opened_at = CASE WHEN held.resolved_at IS NULL THEN held.opened_at ELSE excluded.opened_at END,
        told_at = coalesce(excluded.told_at, held.told_at),
        held_back = CASE WHEN excluded.told_at IS NULL THEN held.held_back + excluded.held_back ELSE 0 END,
        resolved_at = excluded.resolved_at
""")
_CLOSE = text("UPDATE alert_windows SET resolved_at = :at, held_back = 0 WHERE fingerprint = ANY(:fingerprints)")
_SENT = text("UPDATE outgoing_messages SET sent_at = :at, attempts = attempts + 1, last_error = NULL WHERE id = ANY(:numbers)")
_UNDELIVERED = text("UPDATE outgoing_messages SET attempts = attempts + 1, last_error = :error WHERE id = ANY(:numbers)")
_DELIVERED = text("""
    INSERT INTO alert_channels (channel, delivered_at) VALUES (:channel, :at)
    ON CONFLICT (channel) DO UPDATE SET delivered_at = :at, broken_since = NULL, failures = 0, last_error = NULL
""")
_BROKEN = text("""
    INSERT INTO alert_channels AS held (channel, broken_since, failures, last_error) VALUES (:channel, :at, 1, :error)
    ON CONFLICT (channel) DO UPDATE
    SET broken_since = coalesce(held.broken_since, :at), failures = held.failures + 1, last_error = :error
""")
_CHANNELS = text("SELECT channel, delivered_at, broken_since, failures, last_error FROM alert_channels ORDER BY channel")
_FORGET = text("DELETE FROM alert_channels WHERE NOT channel = ANY(:channels)")
_TELL_RUN = text("""
    INSERT INTO outgoing_messages (kind, fingerprint, severity, title, body, link, created_at)
    SELECT :kind, :fingerprint, :severity, :title, :body, CAST(:link AS text), :at
    WHERE NOT EXISTS (SELECT FROM outgoing_messages WHERE link = :link AND kind = :kind)
""")


@dataclass(frozen=True, slots=True)
class ChannelState:
    """One address of ALERT_URLS by its service and number, never by its URL."""

    channel: str
    delivered_at: datetime | None
    broken_since: datetime | None
    failures: int
    last_error: str | None


class AlertWindows:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def told(self, now: datetime) -> dict[str, Told]:
        """Everything open, and what was told within a day, by fingerprint."""
        with brain_errors(), self.engine.connect() as connection:
            return {
                row.fingerprint: Told(
                    Matter(row.fingerprint, row.kind, row.severity, row.title, "", row.link),
                    *(row.opened_at, row.told_at, row.held_back, row.is_open),
                )
                for row in connection.execute(_TOLD, {"since": now - _REMEMBERED})
            }

    def unsent(self, now: datetime) -> list[Event]:
        """The outbox of the last three days, oldest first, a few hundred at most."""
        with brain_errors(), self.engine.connect() as connection:
            return [
                Event(row.id, Matter(row.fingerprint, row.kind, row.severity, row.title, row.body, row.link), row.created_at)
                for row in connection.execute(_UNSENT, {"since": now - _OLDEST, "most": _MOST_EVENTS})
            ]

    def record_told(self, sent: Sequence[Announcement], at: datetime) -> None:
        """Opens the windows of what went out, and stamps the messages; only to be called once it did go out."""
        with brain_errors(), self.engine.begin() as connection:
            for each in sent:
                over = at if each.how in {"over", "event"} else None
                _keep(connection, each.matter, at, told_at=at, resolved_at=over)
            connection.execute(_SENT, {"at": at, "numbers": [number for each in sent for number in each.numbers]})

    def record_held(self, held: Iterable[Matter], closed: Iterable[Matter], at: datetime) -> None:
        """Counts what was seen and not told; closes what was over before anybody heard of it."""
        with brain_errors(), self.engine.begin() as connection:
            for matter in held:
                _keep(connection, matter, at, held_back=1)
            connection.execute(_CLOSE, {"at": at, "fingerprints": [matter.fingerprint for matter in closed]})

    def record_undelivered(self, tried: Sequence[Announcement], error: str) -> None:
        """No channel took the message: its windows stay shut and its events in the outbox, for the next round."""
        with brain_errors(), self.engine.begin() as connection:
            numbers = [number for each in tried for number in each.numbers]
            connection.execute(_UNDELIVERED, {"error": error, "numbers": numbers})

    def record_channels(self, errors: Mapping[str, str | None], at: datetime) -> None:
        """How each channel fared, by name; those that are configured no longer are forgotten."""
        with brain_errors(), self.engine.begin() as connection:
            connection.execute(_FORGET, {"channels": list(errors)})
            for channel, error in errors.items():
                statement = _DELIVERED if error is None else _BROKEN
                connection.execute(statement, {"channel": channel, "at": at, "error": error})

    def channels(self) -> list[ChannelState]:
        with brain_errors(), self.engine.connect() as connection:
            return [ChannelState(*row) for row in connection.execute(_CHANNELS)]

    def put_run(self, event: Matter, at: datetime) -> bool:
        """Puts a failed run into the outbox, once for its link; whether this call did."""
        values = {name: getattr(event, name) for name in ("kind", "fingerprint", "severity", "title", "body", "link")}
        with brain_errors(), self.engine.begin() as connection:
            return connection.execute(_TELL_RUN, values | {"at": at}).rowcount > 0


def _keep(
    connection: Connection,
    matter: Matter,
    at: datetime,
    *,
    told_at: datetime | None = None,
    resolved_at: datetime | None = None,
    held_back: int = 0,
) -> None:
    values = {name: getattr(matter, name) for name in ("fingerprint", "kind", "severity", "title", "link")}
    connection.execute(_OPEN, values | {"at": at, "told_at": told_at, "resolved_at": resolved_at, "held_back": held_back})
