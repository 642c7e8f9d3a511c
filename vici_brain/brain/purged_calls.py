"""Purged orphans and the sync: when a call that was taken out of vici_call_logs goes back there, and what lets it stay out.

Belongs here: moves out of purged_orphan_calls, and the stamp on purged calls that are gone at the dialer. Does not: purging and
restoring on command (brain/orphan_archive), or proving, which counts both tables (the view held_call_logs).

A purged call stays out only as long as there is nothing to say of it: the dialer shows exactly the row that was exported, and no
lead fits it. Otherwise it goes back first, whole and as it was, and is then merged or matched like any other. So the merge and
the match keep all their guards, and need to know nothing of purges.
"""

from functools import cache

from sqlalchemy import Connection, Engine, TextClause, text

from vici_brain.brain.database import brain_errors
from vici_brain.brain.schema import vici_call_logs
from vici_brain.brain.sql import load

COLUMNS = tuple(column.name for column in vici_call_logs.columns)
"""The columns of a call, in the order of vici_call_logs."""
NAMED = ", ".join(COLUMNS)


@cache
def move_back(due: str) -> TextClause:
    """Moves the purged calls whose keys ``due`` selects back into vici_call_logs; yields their keys."""
    return text(f"""
        WITH due AS ({due}), back AS (
            DELETE FROM purged_orphan_calls AS call USING due
            WHERE (call.instance, call.source_table, call.source_key) = (due.instance, due.source_table, due.source_key)
            RETURNING call.*
        )
        INSERT INTO vici_call_logs ({NAMED}) SELECT {NAMED} FROM back ORDER BY instance, source_table, source_key
        ON CONFLICT (instance, source_table, source_key) DO NOTHING
        RETURNING source_table, source_key
    """)  # noqa: S608 - columns are the schema's, the selection is a file beside this one


def return_changed(connection: Connection, scope: dict[str, object]) -> int:
    """Brings back the purged calls of which the rows in placed_calls say something new; how many. Part of every merge.

    Its INSERT, even of nothing, locks vici_call_logs against purges until the merge is committed. It must come before the merge
    looks up what is held: else a call could move away between finding and writing, and then stand in both tables.
    """
    return len(connection.execute(move_back(load("purged_that_changed").text), scope).all())


def return_claimed(brain: Engine, instance: str) -> int:
    """Brings back the purged calls that a lead fits, for the match that follows; how many."""
    with brain_errors(), brain.begin() as connection:
        return len(connection.execute(move_back(load("purged_with_a_lead").text), {"instance": instance}).all())


def vanish_purged(connection: Connection, values: dict[str, object]) -> int:
    """Stamps purged calls that are gone at the dialer, where they are; how many."""
    return connection.execute(load("vanish_purged"), values).rowcount
