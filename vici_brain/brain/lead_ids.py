"""New external_lead_id: 13 digits, ascending, never twice.

Belongs here: asking the allocator. Does not: the allocator, a function of the database (migration), so that the CRM's own
programs and statements over many leads use the same one.
"""

from sqlalchemy import Connection, text

_ALLOCATE = text("SELECT id FROM allocate_external_lead_id(:how_many) AS id ORDER BY id")


def allocate_external_lead_ids(connection: Connection, how_many: int = 1) -> list[str]:
    """``how_many`` (up to 1,000,000) ids in ascending order; they stay used whatever becomes of the transaction."""
    return [str(row.id) for row in connection.execute(_ALLOCATE, {"how_many": how_many})]
