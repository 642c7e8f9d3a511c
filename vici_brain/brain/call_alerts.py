"""Alerts about calls and appointments: one open for each matter, told at most once within the throttle, the rest counted.

Belongs here: rows of data_consistency_alerts of entities with a number. Does not: rules (brain/consistency), dialers
(brain/alerts).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from vici_brain.brain.database import by_index
from vici_brain.brain.sql import load

_TOLD = text("""
    UPDATE data_consistency_alerts SET told_at = :at, message_id = coalesce(message_id, :message_id), held_back = 0,
        seen_change = CASE WHEN seen_change IS NOT NULL OR entity_type <> 'call' THEN seen_change
            ELSE (SELECT calls.updated_at FROM calls WHERE calls.id = data_consistency_alerts.entity_id) END
    WHERE id = ANY(:ids)
""")
# What another process is telling, or a sweep is looking at, is left to it.
_UNTOLD = text("""
    SELECT id, alert_type, entity_type, entity_id, description FROM data_consistency_alerts AS alert
    WHERE corrected_at IS NULL AND told_at IS NULL AND severity = 'critical' AND entity_id IS NOT NULL
      AND detected_at <= :settled
      AND NOT EXISTS (SELECT FROM data_consistency_alerts AS told WHERE told.entity_id = alert.entity_id
            AND told.alert_type || '' = alert.alert_type AND told.entity_type || '' = alert.entity_type
            AND told.told_at > :throttled)
    ORDER BY alert_type, entity_id LIMIT :most FOR UPDATE OF alert SKIP LOCKED
""")
_CORRECTED = text("""
    UPDATE data_consistency_alerts SET auto_corrected = true, corrected_at = :at, updated_at = :at, resolution_notes = :note
    WHERE alert_type = :alert_type AND entity_type = :entity_type AND entity_id = ANY(:ids) AND corrected_at IS NULL
""")
_ORPHANED = text("""
    UPDATE data_consistency_alerts SET corrected_at = :at, updated_at = :at, resolution_notes = 'its call is no more'
    WHERE alert_type = :alert_type AND entity_type = 'call' AND corrected_at IS NULL
      AND NOT EXISTS (SELECT FROM calls WHERE calls.id = entity_id)
    RETURNING id
""")


@dataclass(frozen=True, slots=True)
class Matter:
    """What is wrong with each of ``ids``; ``changed`` says when each was last written (none: whenever it is seen is news)."""

    alert_type: str
    severity: str
    entity_type: str
    says: str
    ids: Sequence[int]
    changed: Sequence[datetime] = ()


@dataclass(frozen=True, slots=True)
class Untold:
    """An open critical alert that nobody was told of."""

    id: int
    alert_type: str
    entity_type: str
    entity_id: int
    description: str


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
        "changed": [*matter.changed] if matter.changed else [None for _ in matter.ids],
        "at": at,
        "throttled": at - throttle,
    }
    by_index(connection)
    rows = connection.execute(load("raise_alerts"), values).all()
    due = [row for row in rows if row.is_due]
    return Raised(
        sum(row.added for row in rows),
        tuple(row.id for row in due),
        tuple(row.entity_id for row in due),
        sum(row.held_back for row in due),
    )


def untold(connection: Connection, settled: datetime, throttled: datetime, most: int = 10_000) -> list[Untold]:
    """Critical alerts raised until ``settled`` of which nobody was told, by type and entity; locked until the transaction ends.

    Those whose entity people heard of after ``throttled`` wait.
    """
    by_index(connection)
    values = {"settled": settled, "throttled": throttled, "most": most}
    return [Untold(**row._asdict()) for row in connection.execute(_UNTOLD, values)]


def told(connection: Connection, alerts: Sequence[int], message_id: int, at: datetime) -> None:
    """Opens the throttle's window: from now on sightings of these are counted."""
    connection.execute(_TOLD, {"ids": list(alerts), "message_id": message_id, "at": at})


def corrected(connection: Connection, kind: tuple[str, str], ids: Sequence[int], note: str, at: datetime) -> None:
    """Closes the open alerts of a ``kind`` (alert and entity type) about ``ids``: they were put right without a person."""
    values = {"alert_type": kind[0], "entity_type": kind[1], "ids": list(ids), "note": note, "at": at}
    connection.execute(_CORRECTED, values)


def close_orphaned(connection: Connection, alert_type: str, at: datetime) -> int:
    """Closes open alerts of a type whose call was deleted; returns how many."""
    return len(connection.execute(_ORPHANED, {"alert_type": alert_type, "at": at}).all())
