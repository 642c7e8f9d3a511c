"""What people are to be told, written in the transaction that found it, so that no message is lost or sent twice.

Belongs here: adding rows of outgoing_messages. Does not: deciding what is worth telling (flows), nor sending.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

_PUT = text("""
    INSERT INTO outgoing_messages (kind, fingerprint, severity, title, body, link, created_at)
    VALUES (:kind, :fingerprint, :severity, :title, :body, :link, :at) RETURNING id
""")
_TOLD = text("SELECT EXISTS (SELECT FROM outgoing_messages WHERE fingerprint = :fingerprint)")


@dataclass(frozen=True, slots=True)
class Message:
    """``body`` is Markdown, ``link`` a path in the Dagster UI from its root; one ``fingerprint`` for one matter."""

    kind: str
    fingerprint: str
    title: str
    body: str
    severity: str = "info"
    link: str | None = None


def tell(connection: Connection, message: Message, at: datetime) -> int:
    """Adds ``message`` in the caller's transaction and returns its number."""
    values = {
        "kind": message.kind,
        "fingerprint": message.fingerprint,
        "severity": message.severity,
        "title": message.title,
        "body": message.body,
        "link": message.link,
        "at": at,
    }
    return int(connection.execute(_PUT, values).scalar_one())


def was_told(connection: Connection, fingerprint: str) -> bool:
    """Whether a message of this matter was ever put here."""
    return bool(connection.scalar(_TOLD, {"fingerprint": fingerprint}))
