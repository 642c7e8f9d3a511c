"""The tables of breakers, alerts and reviews have the columns, defaults and indexes that other systems rely on."""

import pytest
from builders import ask
from crm import call, write
from sqlalchemy import Engine

Columns = dict[str, tuple[str, bool, str | None]]
STAMPS: Columns = {"created_at": ("timestamptz", False, "now()"), "updated_at": ("timestamptz", False, "now()")}
COLUMNS: dict[str, Columns] = {
    "circuit_breaker_states": {
        "id": ("int8", False, None),
        "circuit_key": ("varchar", False, None),
        "state": ("text", False, "'closed'::text"),
        "failure_count": ("int4", False, "0"),
        "success_count": ("int4", False, "0"),
        "last_failure_at": ("timestamptz", True, None),
        "opened_at": ("timestamptz", True, None),
        "closed_at": ("timestamptz", True, None),
        "metadata": ("jsonb", False, "'{}'::jsonb"),
        **STAMPS,
    },
    "data_consistency_alerts": {
        "id": ("int8", False, None),
        "alert_type": ("varchar", False, None),
        "severity": ("text", False, "'warning'::text"),
        "entity_type": ("varchar", False, None),
        "entity_id": ("int8", True, None),
        "description": ("text", False, None),
        "metadata": ("jsonb", True, None),
        "detected_at": ("timestamptz", False, None),
        "auto_corrected": ("bool", False, "false"),
        "corrected_at": ("timestamptz", True, None),
        "resolution_notes": ("text", True, None),
        **STAMPS,
    },
    "manual_review_queue": {
        "id": ("int8", False, None),
        "call_id": ("int8", True, None),
        "retell_call_id": ("varchar", True, None),
        "reason": ("varchar", False, None),
        "priority": ("int4", False, "5"),
        "status": ("text", False, "'pending'::text"),
        "context": ("jsonb", False, "'{}'::jsonb"),
        "assigned_to": ("text", True, None),
        "assigned_at": ("timestamptz", True, None),
        "resolved_at": ("timestamptz", True, None),
        "resolution_notes": ("text", True, None),
        **STAMPS,
    },
}
INDEXES = {
    "circuit_breaker_states": {"circuit_key", "state", "last_failure_at", "state, opened_at"},
    "data_consistency_alerts": {
        *("alert_type", "severity", "entity_type", "entity_id", "detected_at", "auto_corrected"),
        *("alert_type, detected_at", "severity, detected_at"),
    },
    "manual_review_queue": {"call_id", "status", "priority", "status, priority", "assigned_to", "created_at"},
}
VALUES = {
    ("circuit_breaker_states", "state"): ("closed", "open", "half_open"),
    ("data_consistency_alerts", "severity"): ("critical", "warning", "info"),
    ("manual_review_queue", "status"): ("pending", "in_progress", "resolved", "dismissed"),
}


@pytest.mark.parametrize("table", COLUMNS)
def test_columns_have_their_types_and_defaults(brain: Engine, table: str) -> None:
    columns = "column_name, udt_name, is_nullable = 'YES', column_default"
    question = f"SELECT {columns} FROM information_schema.columns WHERE table_name = :t"
    found = {name: (kind, nullable, default) for name, kind, nullable, default in ask(brain, question, t=table)}
    assert {name: found.get(name) for name in COLUMNS[table]} == COLUMNS[table]


@pytest.mark.parametrize("table", INDEXES)
def test_indexes_stand_on_their_columns(brain: Engine, table: str) -> None:
    question = "SELECT indexdef FROM pg_indexes WHERE tablename = :t AND indexdef NOT LIKE '%WHERE%'"
    found = {definition[definition.rindex("(") + 1 : -1] for (definition,) in ask(brain, question, t=table)}
    assert found >= INDEXES[table]


@pytest.mark.parametrize(("table", "column"), VALUES)
def test_a_column_of_few_values_takes_those_and_no_other(brain: Engine, table: str, column: str) -> None:
    insert = {
        "circuit_breaker_states": "INSERT INTO circuit_breaker_states (circuit_key, state) VALUES (:key, :value)",
        "data_consistency_alerts": "INSERT INTO data_consistency_alerts"
        " (alert_type, entity_type, description, detected_at, severity) VALUES (:key, 'call', 'x', now(), :value)",
        "manual_review_queue": "INSERT INTO manual_review_queue (reason, status) VALUES (:key, :value)",
    }[table]
    for value in VALUES[table, column]:
        write(brain, insert, key=value, value=value)
    with pytest.raises(Exception, match="violates check"):
        write(brain, insert, key="other", value="other")


def test_a_review_goes_with_its_call(brain: Engine) -> None:
    made = call(brain)
    write(brain, "INSERT INTO manual_review_queue (call_id, reason) VALUES (:id, 'x')", id=made)
    with pytest.raises(Exception, match="violates foreign key"):
        write(brain, "INSERT INTO manual_review_queue (call_id, reason) VALUES (999, 'x')")
    write(brain, "DELETE FROM calls")
    assert ask(brain, "SELECT count(*) FROM manual_review_queue") == [(0,)]
