"""How far the feed of calls and the sweep have looked, so that a pause of any length leaves nothing out.

Belongs here: rows of consistency_watermarks, and the instant before which no change can still appear. Does not: what is looked
at.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, text

# A change carries the clock of its own moment but shows at its commit: nothing older than the oldest writer at work can appear
# any more. Other roles' transactions may be hidden, and some instants are taken just before their transaction: hence the
# margin.
_HORIZON = text("""
    SELECT least(clock_timestamp(),
        (SELECT min(xact_start) FROM pg_stat_activity
         WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()),
        (SELECT min(prepared) FROM pg_prepared_xacts WHERE database = current_database()))
""")
_READ = text("SELECT position FROM consistency_watermarks WHERE name = :name FOR UPDATE")
_WRITE = text("""
    INSERT INTO consistency_watermarks (name, position, updated_at) VALUES (:name, :position, clock_timestamp())
    ON CONFLICT (name) DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at
""")
_MARGIN = timedelta(minutes=10)


def horizon(connection: Connection) -> datetime:
    """Brain's clock: everything changed before it is visible; to be asked before reading."""
    instant: datetime = connection.execute(_HORIZON).scalar_one()
    return instant - _MARGIN


def position(connection: Connection, name: str) -> datetime | None:
    """Where ``name`` stands, locked until the transaction ends; ``None`` before its first pass."""
    found: datetime | None = connection.scalar(_READ, {"name": name})
    return found


def advance(connection: Connection, name: str, to: datetime) -> None:
    connection.execute(_WRITE, {"name": name, "position": to})
