"""Asking a dialer's server whether it is a replica, and how far behind.

Belongs here: the statements, which differ between servers and need a right of their own. Does not: the verdict (domain/replica).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from vici_brain.domain.replica import Channel, behind, standstill
from vici_brain.errors import ConfigurationError

_DENIED = frozenset({1227, 1142, 1044})
_UNKNOWN_STATEMENT = 1064
_OFF = frozenset({"0", "OFF", "None"})
UNSEEN = (
    "the server is read-only, so it may be a replica, but how far it is behind may not be seen: "
    "GRANT SLAVE MONITOR (MariaDB) or REPLICATION CLIENT (MySQL) ON *.*"
)


@dataclass(frozen=True, slots=True)
class Following:
    """Whether a server copies others, how far it is behind them, and what keeps it from following or from being asked."""

    is_copy: bool = False
    behind: timedelta = timedelta()
    standstill: str = ""
    notice: str = ""


def follow(connection: Connection, only: str | None) -> Following:
    """How the server follows others; ``only`` names the channel that counts, where there are several.

    Raises ConfigurationError if there is no such channel.
    """
    found = _channels(connection)
    if found is None:
        return Following(notice=UNSEEN if _is_read_only(connection) else "")
    counted = [channel for channel in found if only is None or channel.name == only]
    if only is not None and not counted:
        names = ", ".join(repr(channel.name) for channel in found) or "none"
        raise ConfigurationError(f"its server has no replication channel {only!r}; it has: {names}")
    return Following(bool(counted), behind(counted), standstill(counted))


def _channels(connection: Connection) -> list[Channel] | None:
    """What the server copies from others, none if it copies nothing, ``None`` if this login may not know.

    MariaDB's first statement shows every channel; MySQL's word for it changed with 8.0.22.
    """
    is_mariadb = getattr(connection.dialect, "is_mariadb", False)
    for statement in ("SHOW ALL SLAVES STATUS",) if is_mariadb else ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS"):
        try:
            rows = connection.execute(text(statement)).mappings().all()
        except DBAPIError as error:
            code = getattr(error.orig, "args", (0,))[0]
            if code in _DENIED:
                return None
            if code == _UNKNOWN_STATEMENT:
                continue
            raise
        return [_channel(row) for row in rows]
    return []


def _is_read_only(connection: Connection) -> bool:
    """What a replica usually is."""
    return str(connection.scalar(text("SELECT @@GLOBAL.read_only"))) not in _OFF


def _channel(row: Mapping[Any, Any]) -> Channel:
    """Error numbers, not texts: those quote the statement that failed, with what is in it of people."""
    said = {str(name).lower(): value for name, value in row.items()}
    seconds = said.get("seconds_behind_master", said.get("seconds_behind_source"))
    threads = []
    for thread in ("io", "sql"):
        running = said.get(f"slave_{thread}_running", said.get(f"replica_{thread}_running"))
        errno = said.get(f"last_{thread}_errno") or 0
        threads.append(f"{thread.upper()} thread {running}" + (f" (error {errno})" if errno else ""))
    name = said.get("connection_name", said.get("channel_name")) or ""
    return Channel(str(name), None if seconds is None else timedelta(seconds=int(seconds)), ", ".join(threads))
