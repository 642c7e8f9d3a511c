"""What the migrations say of columns, for places that show tables to people.

Belongs here: reading the comments that the migrations give to the database. Does not: comments of its own; a second wording of a
column would be one too many.
"""

import re
from functools import cache
from pathlib import Path

_SQL = Path(__file__).parent / "migrations" / "sql"
_COMMENT = re.compile(r"COMMENT ON COLUMN (\w+)\.(\w+) IS\s+'((?:[^']|'')*)'", re.IGNORECASE)


def column_comments(table: str) -> dict[str, str]:
    """The comments on ``table``'s columns as a migrated database has them; columns without one are left out."""
    return _comments().get(table, {})


@cache
def _comments() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for script in sorted(_SQL.glob("*.sql")):
        for table, column, comment in _COMMENT.findall(script.read_text()):
            found.setdefault(table, {})[column] = comment.replace("''", "'")
    return found
