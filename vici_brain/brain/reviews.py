"""The queue of what a person has to decide.

Belongs here: rows of manual_review_queue. Does not: deciding what needs a person (flows), nor telling people (brain/outbox).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, text

# An open item of the same matter only learns the newest context: a sweep that finds it again is no news.
_PUT = text("""
    INSERT INTO manual_review_queue
        (call_id, retell_call_id, reason, priority, entity_type, entity_key, context, created_at, updated_at)
    VALUES (:call_id, :retell_call_id, :reason, :priority, :entity_type, :entity_key, CAST(:context AS jsonb), :at, :at)
    ON CONFLICT (reason, entity_type, entity_key) WHERE status IN ('pending', 'in_progress')
    DO UPDATE SET context = excluded.context, priority = least(manual_review_queue.priority, excluded.priority),
                  updated_at = excluded.updated_at
    RETURNING xmax = 0 AS added
""")


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """One matter: why, about which entity, how urgent (1 the most), and what a person needs to know to decide."""

    reason: str
    entity_type: str
    entity_key: str
    priority: int = 5
    context: Mapping[str, object] = field(default_factory=dict)
    call_id: int | None = None
    retell_call_id: str | None = None


def put_up_for_review(connection: Connection, items: Iterable[ReviewItem], at: datetime) -> int:
    """Queues ``items`` in the caller's transaction; returns how many were not open already."""
    return sum(
        connection.execute(
            _PUT,
            {
                "call_id": item.call_id,
                "retell_call_id": item.retell_call_id,
                "reason": item.reason,
                "priority": item.priority,
                "entity_type": item.entity_type,
                "entity_key": item.entity_key,
                "context": json.dumps(dict(item.context), default=str),
                "at": at,
            },
        ).scalar_one()
        for item in items
    )
