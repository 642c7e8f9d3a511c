"""Rows of a window as the suites of expectations look at them.

Belongs here: reading. Does not: what is expected (orchestration/expectation_suites).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, TextClause, text

from vici_brain.brain.database import brain_errors
from vici_brain.domain.windows import Window

CALL_TYPES = {
    "instance": "text",
    "source_table": "text",
    "source_key": "text",
    "vici_lead_id": "bigint",
    "campaign_id": "text",
    "called_at": "timestamp with time zone",
    "length_in_sec": "bigint",
    "status": "text",
    "phone_number": "text",
    "vendor_lead_code": "text",
    "row_crc": "bigint",
    "source_copy": "text",
    "lead_id": "bigint",
    "matched_by": "text",
    "match_candidates": "integer",
}
LEAD_COLUMNS = ("id", "external_lead_id", "phone", "created_at")
# The newest rows of a window by vici_call_logs_called_at.
_CALLS = text(f"""
    SELECT {", ".join(CALL_TYPES)} FROM vici_call_logs
    WHERE instance = :instance AND called_at >= :start AND called_at < :end AND (vanished_at IS NULL OR vanish_reason = 'expired')
    ORDER BY called_at DESC LIMIT :most
""")  # noqa: S608 - the names are the constant above
# The CRM need not have an index on created_at; once a day its table may be read through.
_LEADS = text("""
    SELECT id, CAST(external_lead_id AS text) AS external_lead_id, CAST(phone AS text) AS phone, created_at FROM leads
    WHERE created_at >= :start AND created_at < :end ORDER BY created_at DESC LIMIT :most
""")
_STATUSES = text("SELECT DISTINCT upper(btrim(status)) FROM vici_statuses WHERE instance = :instance")
_TYPES = text("""
    SELECT column_name, data_type FROM information_schema.columns
    WHERE table_schema = ANY(current_schemas(false)) AND table_name = :table ORDER BY ordinal_position
""")


@dataclass(frozen=True, slots=True)
class Rows:
    """``is_cut`` when the window has more than were asked for; ``is_absent`` when Brain has no such relation."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    is_cut: bool
    is_absent: bool = False


class ExpectationRows:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def calls(self, instance: str, window: Window, most: int) -> Rows:
        return self._rows(_CALLS, {"instance": instance, "start": window.start, "end": window.end}, most)

    def leads(self, window: Window, most: int) -> Rows:
        """Leads created in ``window``."""
        return self._rows(_LEADS, {"start": window.start, "end": window.end}, most)

    def statuses(self, instance: str) -> set[str]:
        """Those that the dialer defines anywhere, in capitals."""
        with brain_errors(), self._engine.connect() as connection:
            return set(connection.scalars(_STATUSES, {"instance": instance}))

    def column_types(self, table: str) -> Rows:
        return self._rows(_TYPES, {"table": table}, None)

    def relation(
        self, name: str, columns: Sequence[str], *, instance: str, window: Window, instants: Sequence[str], most: int
    ) -> Rows:
        """Those of ``columns`` that relation ``name`` has, of a dialer's its own rows, of one with ``instants`` the window's."""
        there = {row[0] for row in self.column_types(name).rows}
        if not there:
            return Rows((), (), is_cut=False, is_absent=True)
        shown = [column for column in columns if column in there]
        at = next((column for column in instants if column in there), None)
        rules = [
            *(["instance = :instance"] if instance and "instance" in there else []),
            *([f"{_quoted(at)} >= :start AND {_quoted(at)} < :end"] if at else []),
            *(["removed_at IS NULL"] if "removed_at" in there else []),
        ]
        # The names are constants of the code that the catalog has, never a value.
        statement = f"SELECT {', '.join(map(_quoted, shown)) or 'NULL'} FROM {_quoted(name)}"  # noqa: S608
        statement += f" WHERE {' AND '.join(rules)}" if rules else ""
        scope = {"instance": instance, "start": window.start, "end": window.end}
        used = {key: value for key, value in scope.items() if f":{key}" in statement}
        return self._rows(text(f"{statement} LIMIT :most"), used, most)

    def _rows(self, statement: TextClause, values: dict[str, object], most: int | None) -> Rows:
        limit = {} if most is None else {"most": most + 1}
        with brain_errors(), self._engine.connect() as connection:
            result = connection.execute(statement, values | limit)
            found = [tuple(row) for row in result]
            return Rows(tuple(result.keys()), found[:most], most is not None and len(found) > most)


def _quoted(name: str) -> str:
    return f'"{name}"'
