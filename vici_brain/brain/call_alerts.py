"""Alerts about calls and appointments: one open for each matter, told at most once within the throttle, the rest counted.

Belongs here: rows of data_consistency_alerts of entities with a number. Does not: rules (brain/consistency), dialers
(brain/alerts).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from vici_brain.brain.sql import load

_TOLD = text("UPDATE data_consistency_alerts SET told_at = :at, message_id = :message_id, held_back = 0 WHERE id = ANY(:ids)")
_CORRECTED = text("""
    UPDATE data_consistency_alerts SET auto_corrected = true, corrected_at = :at, updated_at = :at, resolution_notes = :note
    WHERE alert_type = :alert_type AND entity_type = :entity_type AND entity_id = ANY(:ids) AND corrected_at IS NULL
""")
_OVER = text("""
    UPDATE data_consistency_alerts SET corrected_at = :at, updated_at = :at, resolution_notes = 'no longer so when it was
    looked at'
    WHERE alert_type = :alert_type AND entity_type = :entity_type AND corrected_at IS NULL AND entity_id IS NOT NULL
      AND NOT entity_id = ANY(:ids)
    RETURNING id
""")


@dataclass(frozen=True, slots=True)
class Matter:
    """What is wrong with each of ``ids``."""

    alert_type: str
    severity: str
    entity_type: str
    says: str
    ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Raised:
    """``due`` are the alerts that people have not been told of within the throttle, with how often each was held back."""

    new: int
    due: tuple[int, ...]
    due_entities: tuple[int, ...]
    held_back: int


def raise_alerts(connection: Connection, matter: Matter, at: datetime, throttle: timedelta) -> Raised:
    """Raises or counts, in the caller's transaction."""
    if not matter.ids:
        return Raised(0, (), (), 0)
    values = {
        "alert_type": matter.alert_type,
        "severity": matter.severity,
        "entity_type": matter.entity_type,
        "says": matter.says,
        "ids": list(matter.ids),
        "at": at,
        "throttled": at - throttle,
    }
    rows = connection.execute(load("raise_alerts"), values).all()
    due = [row for row in rows if row.is_due]
    return Raised(
        sum(row.added for row in rows),
        tuple(row.id for row in due),
        tuple(row.entity_id for row in due),
        sum(row.held_back for row in due),
    )


def told(connection: Connection, alerts: Sequence[int], message_id: int, at: datetime) -> None:
    """Opens the throttle's window: from now on sightings of these are counted."""
    connection.execute(_TOLD, {"ids": list(alerts), "message_id": message_id, "at": at})


def corrected(connection: Connection, kind: tuple[str, str], ids: Sequence[int], note: str, at: datetime) -> None:
    """Closes the open alerts of a ``kind`` (alert and entity type) about ``ids``: they were put right without a person."""
    values = {"alert_type": kind[0], "entity_type": kind[1], "ids": list(ids), "note": note, "at": at}
    connection.execute(_CORRECTED, values)


def close_others(connection: Connection, alert_type: str, entity_type: str, still: Sequence[int], at: datetime) -> int:
    """Closes open alerts of a rule whose entities no longer break it; returns how many."""
    values = {"alert_type": alert_type, "entity_type": entity_type, "ids": list(still), "at": at}
    return len(connection.execute(_OVER, values).all())
