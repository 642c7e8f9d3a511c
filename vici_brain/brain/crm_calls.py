"""The table calls as the dialers feed it: matched calls in, changes over what came this way.

Belongs here: running the feed from its watermark. Does not: its rule (sql/feed_calls.sql), rows of other systems, appointments.
"""

from collections.abc import Mapping
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
# One step down calls_unexplained for each status that is known now: the many calls of other statuses are not looked at.
_UNEXPLAINED = """(instance, source_table, source_key) IN (
    SELECT held.instance, held.source_table, held.source_key
    FROM (SELECT DISTINCT instance, status FROM vici_statuses WHERE status <> ALL(:transient)) AS explained
    CROSS JOIN LATERAL (
        SELECT instance, source_table, source_key, status FROM calls
        WHERE (calls.instance, calls.status) = (explained.instance, explained.status)
            AND source = 'vici' AND session_outcome IS NULL AND status IS NOT NULL AND NOT appointment_made AND NOT booking_failed
        OFFSET 0
    ) AS held
    JOIN vici_call_logs AS call ON (call.instance, call.source_table, call.source_key)
        = (held.instance, held.source_table, held.source_key)
    WHERE EXISTS (SELECT FROM vici_statuses AS known WHERE (known.instance, known.status) = (held.instance, held.status)
        AND known.status = call.status AND known.campaign_id IN (call.campaign_id, '')))"""
_PAGED = "(instance, source_table, source_key) > (:after_instance, :after_table, :after_key)"


@dataclass(frozen=True, slots=True)
class Fed:
    """What a feed looked at and wrote."""

    examined: int = 0
    added: int = 0
    updated: int = 0


@cache
def _only(which: str) -> TextClause:
    """The same statement over some calls."""
    return text(load("feed_calls").text.replace(_PAGED, f"{which} AND {_PAGED}"))


class CrmCalls:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def feed(self, batch: int = BATCH) -> Fed:
        """Brings calls into step with the dialers' calls, in batches of a transaction each; the watermark moves at the end.

        The first time every call is looked at, later those that changed, and those whose status was not explained before and is
        now. A pass that was cut off is made again; nothing is fed twice.
        """
        with brain_errors(), self._engine.begin() as connection:
            to, since = horizon(connection), position(connection, WATERMARK)
        if since is None:
            fed = self._all(load("feed_calls"), _FROM_THE_START, {}, batch)
        else:
            fed = self._all(_only("(changed_at >= :since OR matched_at >= :since)"), _WHAT_CHANGED, {"since": since}, batch)
            late = self._all(_only(_UNEXPLAINED), None, {}, batch)
            fed = Fed(fed.examined + late.examined, fed.added + late.added, fed.updated + late.updated)
        with brain_errors(), self._engine.begin() as connection:
            advance(connection, WATERMARK, to)
        return fed

    def _all(self, statement: TextClause, planned: TextClause | None, given: Mapping[str, object], batch: int) -> Fed:
        examined = added = updated = 0
        after: tuple[str, str, str] | None = ("", "", "")
        while after is not None:
            values = {"limit": batch, "transient": sorted(TRANSIENT), **given} | dict(
                zip(("after_instance", "after_table", "after_key"), after, strict=True)
            )
            with brain_errors(), self._engine.begin() as connection:
                by_index(connection)
                if planned is not None:
                    connection.execute(planned)
                row = connection.execute(statement, values).one()
            examined, added, updated = examined + row.examined, added + row.added, updated + row.updated
            after = (row.instance, row.source_table, row.source_key) if row.examined == batch else None
        return Fed(examined, added, updated)
