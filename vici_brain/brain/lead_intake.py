"""Whether leads may flow between Brain and the dialers at all.

Belongs here: reading the switch. Does not: turning it.
"""

from sqlalchemy import Connection, text


def intake_is_open(connection: Connection) -> bool:
    """True unless the switch was made and turned off."""
    if connection.scalar(text("SELECT to_regclass('lead_intake') IS NULL")):
        return True
    return bool(connection.scalar(text("SELECT coalesce(bool_and(mode = 'open'), true) FROM lead_intake")))
