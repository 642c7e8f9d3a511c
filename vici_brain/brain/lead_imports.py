"""The record of imports: what ran, what it changed, and what it left to be matched.

Belongs here: rows of lead_imports. Does not: their items (brain/lead_writer), or taking one back (brain/lead_rollback).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from vici_brain.brain.database import brain_errors

_OPEN = text("""
    INSERT INTO lead_imports (kind, instance, campaigns, file, trigger, actor, started_at)
    VALUES (:kind, :instance, :campaigns, :file, :trigger, :actor, clock_timestamp()) RETURNING id
""")
_CLOSE = text("""
    UPDATE lead_imports SET
        finished_at = clock_timestamp(), leads_created = :created, leads_updated = :updated, leads_linked = :linked
    WHERE id = :id
""")
_FORGET = text("""
    DELETE FROM lead_imports WHERE id = :id AND NOT EXISTS (SELECT FROM lead_import_items WHERE import_id = lead_imports.id)
""")
_LIST = text("""
    SELECT id, kind, instance, coalesce(campaigns, '{}') AS campaigns, file, trigger, actor, started_at, finished_at,
        leads_created, leads_updated, leads_linked, rolled_back_at, snapshot
    FROM lead_imports WHERE CAST(:id AS bigint) IS NULL OR id = :id ORDER BY id DESC LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class LeadImportRow:
    """One import, as recorded."""

    id: int
    kind: str
    instance: str | None
    campaigns: Sequence[str]
    file: str | None
    trigger: str
    actor: str
    started_at: datetime
    finished_at: datetime | None
    leads_created: int
    leads_updated: int
    leads_linked: int
    rolled_back_at: datetime | None
    snapshot: str | None


@dataclass(frozen=True, slots=True)
class ImportIdentity:
    """Who imports what: a dialer's campaigns (``vici``) or a file (``csv``)."""

    kind: str
    trigger: str
    actor: str
    instance: str | None = None
    campaigns: tuple[str, ...] = ()
    file: str | None = None


def open_import(connection: Connection, identity: ImportIdentity) -> int:
    values = {name: getattr(identity, name) for name in ("kind", "trigger", "actor", "instance", "file")}
    return int(connection.execute(_OPEN, values | {"campaigns": list(identity.campaigns)}).scalar_one())


def close_import(connection: Connection, import_id: int, created: int, updated: int, linked: int) -> bool:
    """Closes it; one that changed nothing leaves no trace, and false is returned."""
    connection.execute(_CLOSE, {"id": import_id, "created": created, "updated": updated, "linked": linked})
    return connection.execute(_FORGET, {"id": import_id}).rowcount == 0


def imports(brain: Engine, import_id: int | None = None, *, limit: int = 20) -> list[LeadImportRow]:
    """The newest first; or the one with ``import_id``."""
    with brain_errors(), brain.connect() as connection:
        return [LeadImportRow(*row) for row in connection.execute(_LIST, {"id": import_id, "limit": limit})]
