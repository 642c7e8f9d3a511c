"""What a dialer shows of its clock and zone: its database's clock, the newest calls, and what it says of itself.

Belongs here: asking for the signals. Does not: judging them (domain/dialer_clock).
"""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, String, cast, select, text

from vici_brain.domain.dialer_clock import ClockSignals
from vici_brain.vici import schema
from vici_brain.vici.call_reader import newest_calls

_DAYS_OF_EVIDENCE = timedelta(days=14)
_PLAUSIBLE = timedelta(hours=15)


def signals(connection: Connection, zone: ZoneInfo, our_utc: Callable[[], datetime], *, has_servers: bool) -> ClockSignals:
    """All of them, and our own clock at the moment between two questions; ``has_servers`` if the table of servers may be read."""
    before = our_utc()
    dialer_utc = database_utc(connection)
    ours = before + (our_utc() - before) / 2
    standard = _standard_offset(connection) if has_servers else None
    return ClockSignals(dialer_utc, ours, _database_offset(connection), _newest_call(connection, zone, dialer_utc), standard)


def database_utc(connection: Connection) -> datetime:
    """The instant by the database's own clock."""
    sqlite, others = "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')", "SELECT CAST(UTC_TIMESTAMP(6) AS CHAR)"
    said = connection.scalar(text(sqlite if _is_sqlite(connection) else others))
    return datetime.fromisoformat(str(said)).replace(tzinfo=UTC)


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _database_offset(connection: Connection) -> timedelta | None:
    if _is_sqlite(connection):
        return None
    seconds = connection.scalar(text("SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW())"))
    return timedelta(seconds=int(seconds or 0))


def _newest_call(connection: Connection, zone: ZoneInfo, dialer_utc: datetime) -> tuple[datetime, int] | None:
    """The offset most of the newest calls agree on; a single one may be dirty."""
    since = dialer_utc.astimezone(zone).replace(tzinfo=None) - _DAYS_OF_EVIDENCE
    calls = []
    newest = newest_calls(since)
    for wall_text, epoch in connection.execute(newest.statement, dict(newest.values)):
        try:
            wall = datetime.fromisoformat(str(wall_text))
            offset = wall - (datetime(1970, 1, 1) + timedelta(seconds=int(str(epoch))))  # noqa: DTZ001 - wall time
        except (ValueError, OverflowError):
            continue
        if abs(offset) <= _PLAUSIBLE:
            calls.append((round(offset / timedelta(minutes=15)), wall, int(str(epoch))))
    if not calls:
        return None
    usual = Counter(offset for offset, _, _ in calls).most_common(1)[0][0]
    return next((wall, epoch) for offset, wall, epoch in calls if offset == usual)


def _standard_offset(connection: Connection) -> timedelta | None:
    said = connection.scalar(select(cast(schema.servers.c.local_gmt, String)).limit(1))
    try:
        return timedelta(hours=float(said)) if said else None
    except ValueError:
        return None
