"""The table calls as the dialers feed it: matched calls in, changes over what came this way.

Belongs here: running the feed from its watermark. Does not: its rule (sql/feed_calls.sql), rows of other systems, appointments.
"""

from dataclasses import dataclass
from functools import cache

from sqlalchemy import Engine, TextClause, text

from vici_brain.brain.database import brain_errors, by_index
from vici_brain.brain.sql import load
from vici_brain.brain.watermarks import advance, horizon, position
from vici_brain.domain.statuses import TRANSIENT

WATERMARK = "feed_calls"
BATCH = 20_000
# Of what changed a walk of the key would look at every call there is; from the start anything but the key would read and sort
# them all for each batch. Nothing tells the planner before statistics do.
_WHAT_CHANGED = text("SET LOCAL enable_indexscan = off")
_FROM_THE_START = text("SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_incremental_sort = off")
_PAGED = "(instance, source_table, source_key) > (:after_instance, :after_table, :after_key)"


@dataclass(frozen=True, slots=True)
class Fed:
    """What a feed looked at and wrote."""

    examined: int = 0
    added: int = 0
    updated: int = 0


@cache
def _since() -> TextClause:
    """The same statement over what changed or was matched since an instant."""
    return text(load("feed_calls").text.replace(_PAGED, f"(changed_at >= :since OR matched_at >= :since) AND {_PAGED}"))


class CrmCalls:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def feed(self, batch: int = BATCH) -> Fed:
        """Brings calls into step with the dialers' calls, in batches of a transaction each; the watermark moves at the end.

        The first time every call is looked at, later those that changed. A pass that was cut off is made again; nothing is fed
        twice.
        """
        with brain_errors(), self._engine.begin() as connection:
            to, since = horizon(connection), position(connection, WATERMARK)
        statement = load("feed_calls") if since is None else _since()
        examined = added = updated = 0
        after: tuple[str, str, str] | None = ("", "", "")
        while after is not None:
            values = {"limit": batch, "transient": sorted(TRANSIENT)} | dict(
                zip(("after_instance", "after_table", "after_key"), after, strict=True)
            )
            with brain_errors(), self._engine.begin() as connection:
                by_index(connection)
                connection.execute(_FROM_THE_START if since is None else _WHAT_CHANGED)
                if since is not None:
                    values["since"] = since
                row = connection.execute(statement, values).one()
            examined, added, updated = examined + row.examined, added + row.added, updated + row.updated
            after = (row.instance, row.source_table, row.source_key) if row.examined == batch else None
        with brain_errors(), self._engine.begin() as connection:
            advance(connection, WATERMARK, to)
        return Fed(examined, added, updated)
