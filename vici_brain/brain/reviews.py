"""The queue of what a person has to decide.

Belongs here: rows of manual_review_queue. Does not: deciding what needs a person (flows), nor telling people (brain/outbox).
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from vici_brain.brain.database import brain_errors, by_index

# An open item of the same matter only learns the newest context: a sweep that finds it again is no news.
_PUT = text("""
    INSERT INTO manual_review_queue
        (call_id, retell_call_id, reason, priority, entity_type, entity_key, context, created_at, updated_at)
    SELECT DISTINCT ON (item.reason, item.entity_type, item.entity_key) item.call_id, item.retell_call_id, item.reason,
    item.priority,
        item.entity_type, item.entity_key, item.context, :at, :at
    FROM jsonb_to_recordset(CAST(:items AS jsonb)) AS item (call_id bigint, retell_call_id varchar, reason varchar,
        priority integer, entity_type varchar, entity_key text, context jsonb, position integer)
    ORDER BY item.reason, item.entity_type, item.entity_key, item.position DESC
    ON CONFLICT (reason, entity_type, entity_key) WHERE status IN ('pending', 'in_progress')
    DO UPDATE SET context = excluded.context, priority = least(manual_review_queue.priority, excluded.priority),
                  updated_at = excluded.updated_at
    RETURNING xmax = 0 AS added
""")


OURSELVES = "vici-brain"
"""Who settled an item that no person did."""
PRIORITIES = {
    "appointment_validation_failed": 1,
    "calcom_booking_failed": 2,
    "customer_creation_failed": 3,
    "service_not_found": 4,
}
"""Of reasons that come with booking; any other has 5."""
_LIST = text("""
    SELECT id, call_id, retell_call_id, reason, priority, status, entity_type, entity_key, assigned_to, created_at, context
    FROM manual_review_queue WHERE status = ANY(:states) ORDER BY priority, created_at, id LIMIT :limit
""")
_COUNTS = text("""
    SELECT reason, min(priority) AS priority, count(*) FILTER (WHERE status = 'pending') AS pending,
        count(*) FILTER (WHERE status = 'in_progress') AS in_progress, min(created_at) AS oldest
    FROM manual_review_queue WHERE status IN ('pending', 'in_progress') GROUP BY reason ORDER BY 2, 1
""")
_ASSIGN = text("""
    UPDATE manual_review_queue SET status = 'in_progress', assigned_to = :person, assigned_at = :at, updated_at = :at
    WHERE id = :id AND status IN ('pending', 'in_progress') RETURNING id
""")
_CLOSE = text("""
    UPDATE manual_review_queue SET status = :status, resolved_at = :at, resolution_notes = :note, updated_at = :at,
        assigned_to = coalesce(assigned_to, :person)
    WHERE id = :id AND status IN ('pending', 'in_progress') RETURNING call_id, reason
""")
_PENDING = text("""
    SELECT id, call_id, retell_call_id, reason, priority, status, entity_type, entity_key, assigned_to, created_at, context
    FROM manual_review_queue WHERE status = 'pending' AND (priority, id) > (:priority, :id) ORDER BY priority, id LIMIT :limit
""")
# Only what is still pending: a person may have taken it meanwhile.
_SETTLED = text("""
    WITH closed AS (
        UPDATE manual_review_queue SET status = 'resolved', resolved_at = :at, resolution_notes = :note, updated_at = :at,
            assigned_to = :us
        WHERE id = ANY(:ids) AND status = 'pending' RETURNING id, call_id, reason
    ), told AS (
        UPDATE data_consistency_alerts AS alert SET corrected_at = :at, updated_at = :at, resolution_notes = :note
        FROM closed WHERE alert.entity_type = 'call' AND alert.entity_id = closed.call_id AND alert.alert_type = closed.reason
            AND alert.corrected_at IS NULL
    )
    SELECT id FROM closed
""")
_TRIED = text("""
    UPDATE manual_review_queue SET updated_at = :at, context = context || jsonb_build_object(
        'last_tried_at', CAST(:at AS timestamptz), 'tries', coalesce(CAST(context ->> 'tries' AS integer), 0) + 1,
        'last_error', CAST(:error AS text))
    WHERE id = :id AND status = 'pending'
""")
# What a person says of an item is said of its alert too: dismissed means that there was nothing wrong.
_ALERT = text("""
    UPDATE data_consistency_alerts SET corrected_at = :at, updated_at = :at, false_positive = :false_positive, resolution_notes
    = :note
    WHERE entity_type = 'call' AND entity_id = :call_id AND alert_type = :reason AND corrected_at IS NULL
""")


@dataclass(frozen=True, slots=True)
class QueuedItem:
    """A row of the queue."""

    id: int
    call_id: int | None
    retell_call_id: str | None
    reason: str
    priority: int
    status: str
    entity_type: str
    entity_key: str
    assigned_to: str | None
    created_at: datetime
    context: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class OpenReviews:
    """How many items of a reason are open, and since when the oldest."""

    reason: str
    priority: int
    pending: int
    in_progress: int
    oldest: datetime


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


def review_of(reason: str, call_id: int, context: Mapping[str, object], retell_call_id: str | None = None) -> ReviewItem:
    """A matter about a call, as urgent as its reason."""
    return ReviewItem(reason, "call", str(call_id), PRIORITIES.get(reason, 5), context, call_id, retell_call_id)


def put_up_for_review(connection: Connection, items: Iterable[ReviewItem], at: datetime) -> int:
    """Queues ``items`` in the caller's transaction; returns how many were not open already."""
    rows = [asdict(item) | {"context": dict(item.context), "position": number} for number, item in enumerate(items)]
    if not rows:
        return 0
    return sum(connection.scalars(_PUT, {"items": json.dumps(rows, default=str), "at": at}))


class ReviewQueue:
    """The queue as people and the hourly job work on it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def listed(self, *states: str, limit: int = 50) -> list[QueuedItem]:
        """The most urgent first, then the oldest; open ones unless ``states`` say otherwise."""
        values = {"states": list(states or ("pending", "in_progress")), "limit": limit}
        with brain_errors(), self._engine.connect() as connection:
            return [QueuedItem(**row._asdict()) for row in connection.execute(_LIST, values)]

    def overview(self) -> list[OpenReviews]:
        with brain_errors(), self._engine.connect() as connection:
            return [OpenReviews(**row._asdict()) for row in connection.execute(_COUNTS)]

    def assign(self, item: int, person: str, at: datetime) -> bool:
        """Whether the item was open."""
        with brain_errors(), self._engine.begin() as connection:
            return connection.execute(_ASSIGN, {"id": item, "person": person, "at": at}).first() is not None

    def resolve(self, item: int, person: str, note: str, at: datetime) -> bool:
        """The matter is settled; whether the item was open. Its alert is closed too."""
        return self._close(item, "resolved", person, note, at)

    def dismiss(self, item: int, person: str, note: str, at: datetime) -> bool:
        """There was nothing wrong; whether the item was open. Its alert is closed as a false positive."""
        return self._close(item, "dismissed", person, note, at)

    def pending(self, page: int = 1_000) -> Iterator[QueuedItem]:
        """All that wait and nobody took, the most urgent first, however many."""
        after = {"priority": 0, "id": 0}
        while True:
            with brain_errors(), self._engine.connect() as connection:
                by_index(connection)
                found = [QueuedItem(**row._asdict()) for row in connection.execute(_PENDING, after | {"limit": page})]
            yield from found
            if len(found) < page:
                return
            after = {"priority": found[-1].priority, "id": found[-1].id}

    def settle(self, items: Collection[int], note: str, at: datetime) -> set[int]:
        """Resolves what no person took, with its alerts; returns which items that were."""
        values = {"ids": list(items), "note": note, "at": at, "us": OURSELVES}
        with brain_errors(), self._engine.begin() as connection:
            by_index(connection)
            return set(connection.scalars(_SETTLED, values))

    def tried(self, item: int, error: str | None, at: datetime) -> None:
        """Counts one more try, and keeps what it failed of."""
        with brain_errors(), self._engine.begin() as connection:
            connection.execute(_TRIED, {"id": item, "error": error, "at": at})

    def _close(self, item: int, status: str, person: str, note: str, at: datetime) -> bool:
        with brain_errors(), self._engine.begin() as connection:
            values = {"id": item, "status": status, "person": person, "note": note, "at": at}
            closed = connection.execute(_CLOSE, values).one_or_none()
            if closed is None:
                return False
            if closed.call_id is not None:
                told = {"call_id": closed.call_id, "reason": closed.reason, "note": note, "at": at}
                connection.execute(_ALERT, told | {"false_positive": status == "dismissed"})
        return True
