"""Which columns of ``leads`` can be written, and with what: the table is the CRM's, and only four of its columns are promised.

Belongs here: the shape and the rights of leads as found, and the expressions for each column that is there. Does not: the
statements (brain/lead_writer).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from vici_brain.errors import ConfigurationError

_SHAPE = text("""
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, t.typcategory AS category,
        CASE WHEN a.atttypmod > 4 AND t.typname IN ('varchar', 'bpchar') THEN a.atttypmod - 4 END AS length,
        a.attnotnull AS required, (a.atthasdef OR a.attidentity <> '') AS filled,
        has_column_privilege(a.attrelid, a.attnum, 'INSERT') AS may_insert,
        has_column_privilege(a.attrelid, a.attnum, 'UPDATE') AS may_update
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = to_regclass('leads') AND a.attnum > 0 AND NOT a.attisdropped
""")
_NAME = "concat_ws(' ', nullif(a.profile ->> 'first_name', ''), nullif(a.profile ->> 'last_name', ''))"
_PROFILE = {
    **{name: f"a.profile ->> '{name}'" for name in ("first_name", "last_name", "email", "city", "state")},
    "name": f"coalesce(nullif({_NAME}, ''), a.phone)",
    "address": "a.profile ->> 'address1'",
    "zip_code": "a.profile ->> 'postal_code'",
}
_OF_NEW = _PROFILE | {
    "external_lead_id": "a.code",
    "phone": "a.phone",
    # A file says nothing of it, unless a dialer has the number.
    "status": "coalesce(a.status, 'RECEIVED')",
    "source": ":source",
    "meta": "a.meta || jsonb_build_object('origin', CAST(:origin AS text), 'imported_at', CAST(:at AS timestamptz),"
    " 'synced_at', CAST(:at AS timestamptz))",
    "created_at": "CAST(:at AS timestamptz)",
    "updated_at": "CAST(:at AS timestamptz)",
    "received_at": "coalesce(a.entered_at, CAST(:at AS timestamptz))",
    "vici_lead_id": "a.leader",
    "vici_list_id": "a.list_id",
    "vici_campaign": "a.campaign_id",
}
_UPDATED = ("external_lead_id", "status", "meta", "updated_at")


@dataclass(frozen=True, slots=True)
class LeadColumn:
    name: str
    type: str
    category: str
    length: int | None
    required: bool
    filled: bool
    may_insert: bool
    may_update: bool

    def cast(self, expression: str) -> str:
        """``expression`` as this column can hold it: shortened where that does no harm, left out where it would lie."""
        if self.category == "S" and self.length is not None:
            whole = f"CAST({expression} AS text)"
            fits = f"length({whole}) <= {self.length}"
            expression = f"CASE WHEN {fits} THEN {whole} END" if self.length < 8 else f"left({whole}, {self.length})"
        elif self.type in {"integer", "smallint"}:
            most = 2_147_483_647 if self.type == "integer" else 32_767
            expression = f"CASE WHEN {expression} BETWEEN 0 AND {most} THEN {expression} END"
        return f"CAST({expression} AS {self.type})"


class LeadColumns:
    """``leads`` as it is; raises ConfigurationError with the grant or default to give when no lead could be written."""

    def __init__(self, connection: Connection) -> None:
        self._found = {row.name: LeadColumn(*row) for row in connection.execute(_SHAPE)}
        self._user = str(connection.scalar(text("SELECT current_user")))
        self._demand()

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def of_new(self) -> dict[str, str]:
        """Column and expression for every column of a new lead that there is."""
        return {name: self._found[name].cast(expression) for name, expression in self._present(_OF_NEW) if self._writable(name)}

    def of_profile(self) -> dict[str, str]:
        """Column and expression for what a person may change in a file: name, address and the like."""
        return {name: self._found[name].cast(expression) for name, expression in self._present(_PROFILE) if self._updatable(name)}

    def cast(self, name: str, expression: str) -> str:
        return self._found[name].cast(expression)

    @property
    def left_out(self) -> tuple[str, ...]:
        """What an import would keep with a lead but finds no column for."""
        return tuple(name for name in ("status", "meta") if name not in self._found)

    def _present(self, expressions: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        return ((name, expression) for name, expression in expressions.items() if name in self._found)

    def _writable(self, name: str) -> bool:
        return self._found[name].may_insert

    def _updatable(self, name: str) -> bool:
        return self._found[name].may_update

    def _demand(self) -> None:
        needed = [name for name in ("external_lead_id", "phone", "created_at") if not self._found[name].may_insert]
        changed = [name for name in _UPDATED if name in self._found and not self._found[name].may_update]
        if needed or changed:
            raise ConfigurationError(
                f"{self._user} may not write the CRM's leads: as its owner, GRANT INSERT ON leads TO {self._user}; "
                f"GRANT UPDATE ({', '.join(name for name in _UPDATED if name in self._found)}) ON leads TO {self._user}; "
                "and, where its ids come from a sequence, GRANT USAGE on that sequence"
            )
        unfilled = [each.name for each in self._found.values() if each.required and not each.filled and each.name not in _OF_NEW]
        if not self._found["id"].filled:
            unfilled = sorted({*unfilled, "id"})
        if unfilled:
            raise ConfigurationError(
                f"the CRM's leads must have {', '.join(unfilled)}, which no import knows: give them a default there"
            )
