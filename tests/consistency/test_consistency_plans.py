"""Feed, sweep, alerts, reviews, breakers and report as they run: every statement walks an index, with statistics and without."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from builders import NOON
from sqlalchemy import Connection, Engine, event, text

from vici_brain.brain.breakers import Breaker
from vici_brain.brain.consistency import broken_by_call, standing
from vici_brain.brain.consistency_rules import RULES
from vici_brain.brain.crm_calls import CrmCalls
from vici_brain.brain.database import brain_now
from vici_brain.brain.reviews import ReviewItem, ReviewQueue, put_up_for_review
from vici_brain.brain.troubles import Watched, troubles
from vici_brain.domain.alert_policy import AlertPolicy
from vici_brain.domain.breaker import BreakerPolicy
from vici_brain.domain.consistency_policy import ConsistencyPolicy
from vici_brain.errors import RetriableError
from vici_brain.flows.book_appointment import roll_back, validate_appointment_creation
from vici_brain.flows.guarding import guarded
from vici_brain.flows.process_reviews import process_reviews
from vici_brain.flows.report_consistency import report_consistency
from vici_brain.flows.tell_consistency import tell_untold
from vici_brain.flows.watch_consistency import sweep

ROWS = 30_000
FILL = (
    """
    INSERT INTO vici_call_logs (instance, source_table, source_key, uniqueid, vici_lead_id, called_at, start_epoch, status,
        row_crc, source_copy, read_at, first_seen_at, changed_at, lead_id, matched_by, matched_at)
    SELECT 'vici', 'vicidial_log', 'k' || n, 'k' || n, n, at, 0, 'NA', n, 'live', at, at, at, n, 'phone', at
    FROM generate_series(1, :rows) n, LATERAL (SELECT CAST(:noon AS timestamptz) - (:rows - n) * interval '4 minutes' AS at) AS t
    """,
    """
    INSERT INTO calls (source, instance, source_table, source_key, direction, called_at, customer_id, created_at, updated_at,
        session_outcome, appointment_made, appointment_link_status, retell_call_id)
    SELECT 'vici', 'vici', 'vicidial_log', 'k' || n, 'inbound', at, n, at, at, CASE WHEN n % 10 = 0 THEN 'appointment_booked' END,
        n % 10 = 0, CASE WHEN n % 10 = 0 THEN 'linked' ELSE 'unlinked' END, 'r' || n
    FROM generate_series(1, :rows) n, LATERAL (SELECT CAST(:noon AS timestamptz) - (:rows - n) * interval '4 minutes' AS at) AS t
    """,
    """
    INSERT INTO appointments (call_id, source, created_at, updated_at)
    SELECT id, 'web', created_at, updated_at FROM calls WHERE appointment_made
    UNION ALL SELECT NULL, 'web', created_at, updated_at FROM calls
    """,
    """
    INSERT INTO booking_errors (call_id, error, occurred_at) SELECT id, 'x', created_at FROM calls
    """,
    """
    INSERT INTO data_consistency_alerts (alert_type, severity, entity_type, entity_id, description, detected_at, corrected_at,
        told_at)
    SELECT 'session_outcome_mismatch', 'critical', 'call', n, 'x', at, CASE WHEN n % 300 > 0 THEN at END,
        CASE WHEN n % 600 > 0 THEN at END
    FROM generate_series(1, :rows) n, LATERAL (SELECT CAST(:noon AS timestamptz) - (:rows - n) * interval '4 minutes' AS at) AS t
    """,
    """
    INSERT INTO manual_review_queue (call_id, reason, entity_type, entity_key, status, created_at)
    SELECT id, 'missing_appointment', 'call', id::text, CASE WHEN id % 100 > 0 THEN 'resolved' ELSE 'pending' END, created_at
    FROM calls
    """,
    """
    INSERT INTO circuit_breaker_states (circuit_key, state)
    SELECT 'service/' || n, CASE n WHEN 1 THEN 'open' ELSE 'closed' END FROM generate_series(1, :rows) n
    """,
    """
    INSERT INTO circuit_breaker_events (circuit_key, old_state, new_state, happened_at)
    SELECT 'service/' || n, 'closed', 'open', CAST(:noon AS timestamptz) - (:rows - n) * interval '4 minutes'
    FROM generate_series(1, :rows) n
    """,
    """
    INSERT INTO appointment_validations (call_id, milliseconds, validated_at) SELECT id, 1, created_at FROM calls
    """,
    """
    INSERT INTO outgoing_messages (kind, fingerprint, severity, title, body, created_at, sent_at)
    SELECT 'x', 'x', 'info', 'x', 'x', created_at, created_at FROM calls
    """,
)
LARGE = {
    *("vici_call_logs", "calls", "appointments", "booking_errors", "data_consistency_alerts", "manual_review_queue"),
    *("circuit_breaker_states", "circuit_breaker_events", "appointment_validations", "outgoing_messages"),
}
Step = tuple[str, str | None, str | None]


@pytest.fixture(params=["without statistics", "with statistics"])
def busy(brain: Engine, request: pytest.FixtureRequest) -> Engine:
    """Thirty thousand rows in every table, most of them settled and old, as after four months."""
    with brain.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in FILL:
            connection.execute(text(statement), {"rows": ROWS, "noon": NOON})
        marks = "INSERT INTO consistency_watermarks SELECT name, :at, :at FROM unnest(ARRAY['feed_calls', 'sweep']) AS name"
        connection.execute(text(marks), {"at": NOON - timedelta(minutes=30)})
        if request.param == "with statistics":
            connection.execute(text("ANALYZE"))
    return brain


def steps(plan: dict[str, Any]) -> Iterator[Step]:
    yield plan["Node Type"], plan.get("Relation Name"), plan.get("Index Name")
    for child in plan.get("Plans", []):
        yield from steps(child)


@contextmanager
def plans_of(brain: Engine) -> Iterator[dict[str, list[Step]]]:
    """The plan of each statement as it is about to run: with its own values, under the settings of its transaction."""
    found: dict[str, list[Step]] = {}

    def explain(connection: Connection, _cursor: object, statement: str, values: Any, *_: object) -> None:
        if statement.split(maxsplit=1)[0].upper() in {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"} or statement.startswith(
            "--"
        ):
            cursor = connection.connection.cursor()
            cursor.execute("EXPLAIN (FORMAT JSON) " + statement, values)
            (said,) = cursor.fetchone() or ("[]",)
            cursor.close()
            (plan,) = json.loads(said) if isinstance(said, str) else said
            found[" ".join(statement.split())] = list(steps(plan["Plan"]))

    event.listen(brain, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(brain, "before_cursor_execute", explain)


def scans(found: dict[str, list[Step]]) -> dict[str, list[str | None]]:
    """Statements that read a large table from end to end, with which."""
    read = {name: [relation for node, relation, _ in plan if node == "Seq Scan"] for name, plan in found.items()}
    return {name: relations for name, relations in read.items() if LARGE & set(relations)}


def swept(brain: Engine, now: datetime) -> None:
    sweep(brain, now, ConsistencyPolicy())


def looked_at(brain: Engine, now: datetime) -> None:
    for rule in RULES:
        standing(brain, rule, now)
    broken_by_call(brain, 7, now)


def told(brain: Engine, now: datetime) -> None:
    tell_untold(brain, now, timedelta(minutes=5))
    troubles(brain, Watched([], [], timedelta(minutes=15), 60, AlertPolicy()), now)


def booked(brain: Engine, now: datetime) -> None:
    validate_appointment_creation(brain, 10, now)
    roll_back(brain, 7, "appointment_not_found", now)


def worked_on(brain: Engine, now: datetime) -> None:
    queue = ReviewQueue(brain)
    queue.overview()
    with brain.begin() as connection:
        put_up_for_review(connection, [ReviewItem("x", "call", str(number)) for number in range(100)], now)
    (item,) = queue.listed(limit=1)
    queue.assign(item.id, "ada", now)
    queue.resolve(item.id, "ada", "done", now)
    process_reviews(brain, now)


def broke(brain: Engine, now: datetime) -> None:
    at = [now]
    breaker = Breaker(brain, "service/7", BreakerPolicy(), lambda: at[0])
    for _ in range(3):
        with pytest.raises(RetriableError), guarded(breaker):
            raise RetriableError("down")
    at[0] += timedelta(seconds=30)
    for _ in range(2):
        with guarded(breaker):
            pass


def reported(brain: Engine, now: datetime) -> None:
    report_consistency(brain, now, "UTC", NOON.date())


def fed(brain: Engine, _now: datetime) -> None:
    CrmCalls(brain).feed()


WORK: tuple[Callable[[Engine, datetime], None], ...] = (fed, swept, looked_at, told, booked, worked_on, broke, reported)


def test_no_statement_reads_a_large_table_from_end_to_end(busy: Engine) -> None:  # F160
    wrong: dict[tuple[str, str], list[str | None]] = {}
    for work in WORK:
        with plans_of(busy) as found:
            work(busy, brain_now(busy))
        assert found, work
        wrong |= {(work.__name__, statement): read for statement, read in scans(found).items()}
    assert wrong == {}


def test_the_feed_walks_what_changed_and_the_first_one_the_key(busy: Engine) -> None:  # F160
    with plans_of(busy) as found:
        assert CrmCalls(busy).feed().examined == 8
    used = {index for statement, plan in found.items() if "changed_at >=" in statement for _, _, index in plan}
    assert {"vici_call_logs_changed_at", "vici_call_logs_matched_at"} <= used
    assert "vici_call_logs_pkey" not in used
    with busy.begin() as connection:
        connection.execute(text("DELETE FROM consistency_watermarks"))
    with plans_of(busy) as found:
        assert CrmCalls(busy).feed(batch=20_000).examined == ROWS
    assert "vici_call_logs_pkey" in {index for plan in found.values() for _, _, index in plan}
    assert scans(found) == {}
