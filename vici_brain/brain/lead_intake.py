"""The switch of the intake: open, or dialers on their own (``vici_only``); and since when new leads come through Brain first.

Belongs here: the one row of lead_intake. Does not: what an import or a push does (flows), which ask here before they write.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, Engine, text

from vici_brain.brain.database import brain_errors
from vici_brain.errors import ConfigurationError

Mode = Literal["open", "vici_only"]
_READ = text("SELECT mode, reason, changed_at, changed_by, brain_first_since FROM lead_intake")
_TURN = text("""
    UPDATE lead_intake SET mode = :mode, reason = :reason, changed_at = clock_timestamp(), changed_by = :by
    WHERE mode <> :mode
""")
_BRAIN_FIRST = text("""
    UPDATE lead_intake SET brain_first_since = :since, changed_at = clock_timestamp(), changed_by = :by
    WHERE brain_first_since IS NULL
""")
_ON_THEIR_OWN = text("UPDATE lead_intake SET brain_first_since = NULL WHERE brain_first_since IS NOT NULL")
_HAD = text("UPDATE vici_lead_cursors SET brain_first_after = newest")
_HAD_NOTHING = text("UPDATE vici_lead_cursors SET brain_first_after = NULL WHERE brain_first_after IS NOT NULL")


@dataclass(frozen=True, slots=True)
class Intake:
    """Where the switch stands, and who turned it."""

    mode: Mode
    reason: str
    changed_at: datetime
    changed_by: str
    brain_first_since: datetime | None

    @property
    def is_open(self) -> bool:
        return self.mode == "open"


def intake(brain: Engine) -> Intake:
    """Where the switch stands."""
    with brain_errors(), brain.connect() as connection:
        return Intake(*connection.execute(_READ).one())


def require_open(connection: Connection) -> None:
    """Raises ConfigurationError while leads go neither way."""
    row = connection.execute(_READ).one()
    if row.mode != "open":
        raise ConfigurationError(
            f"the intake of leads is stopped since {row.changed_at:%Y-%m-%d %H:%M} UTC by {row.changed_by} ({row.reason}): "
            "`vici-brain lead-intake open` resumes it"
        )


def turn(connection: Connection, mode: Mode, reason: str, by: str) -> bool:
    """Turns the switch in the caller's transaction; whether it stood otherwise.

    Dialers on their own get their leads directly: that these came past Brain is then nobody's fault.
    """
    turned = connection.execute(_TURN, {"mode": mode, "reason": reason, "by": by}).rowcount > 0
    if mode == "vici_only":
        connection.execute(_ON_THEIR_OWN)
        connection.execute(_HAD_NOTHING)
    return turned


def brain_first(connection: Connection, since: datetime, by: str) -> None:
    """From ``since`` on a lead that enters a dialer without a code of Brain counts as having gone past it; said again, the first
    time stands.
    """
    if connection.execute(_BRAIN_FIRST, {"since": since, "by": by}).rowcount:
        connection.execute(_HAD)


def intake_is_open(connection: Connection) -> bool:
    """Whether leads may flow between Brain and the dialers."""
    return bool(connection.execute(_READ).one().mode == "open")
