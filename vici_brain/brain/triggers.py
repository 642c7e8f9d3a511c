"""The triggers that keep calls and appointments right: which there should be, and which of them there are.

Belongs here: their names and the look at the catalog. Does not: the triggers (migrations).
"""

from sqlalchemy import Engine, text

from vici_brain.brain.database import brain_errors

EXPECTED = frozenset({
    ("calls", "calls_default_direction"),
    ("calls", "calls_customer_link"),
    ("calls", "calls_touch"),
    ("calls", "calls_outcome_from_evidence"),
    ("calls", "calls_flag_disagreement_inserted"),
    ("calls", "calls_flag_disagreement_updated"),
    ("appointments", "appointments_touch"),
    ("appointments", "appointments_inserted"),
    ("appointments", "appointments_deleted"),
    ("appointments", "appointments_relinked"),
    ("manual_review_queue", "manual_review_queue_entity"),
})  # fmt: skip
# information_schema names a trigger that is switched off like any other; pg_trigger knows.
_PRESENT = text("""
    SELECT relation.relname AS relation, trigger.tgname AS name FROM pg_trigger AS trigger
    JOIN pg_class AS relation ON relation.oid = trigger.tgrelid
    WHERE relation.oid IN (to_regclass('calls'), to_regclass('appointments'), to_regclass('manual_review_queue'))
      AND NOT trigger.tgisinternal
      AND trigger.tgenabled IN ('O', 'A')
""")


def absent_triggers(engine: Engine) -> list[str]:
    """Triggers that are missing or switched off, as ``table.trigger``."""
    with brain_errors(), engine.connect() as connection:
        present = {(row.relation, row.name) for row in connection.execute(_PRESENT)}
    return sorted(f"{table}.{name}" for table, name in EXPECTED - present)
