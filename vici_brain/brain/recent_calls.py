"""The newest call of leads, calls that ended in "do not call me again", and whether Brain holds all calls that could matter.

Belongs here: these three questions. Does not: the verdict (domain/recent_calls) or the do-not-call lists, which are the dialer's.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from vici_brain.brain.sql import load
from vici_brain.domain.lead_import import DO_NOT_CALL_STATUSES
from vici_brain.domain.recent_calls import RECENT, LastCall
from vici_brain.domain.windows import BUCKET, floor_to


@dataclass(frozen=True, slots=True)
class Subject:
    """A lead of Brain and every number of it that is known, as phone keys."""

    lead_id: int
    phone_keys: Collection[str]


def newest_calls(connection: Connection, subjects: Iterable[Subject], now: datetime) -> dict[int, LastCall]:
    """By lead, the newest call of the last 30 days; a lead without one is not in it."""
    # A lead without a number is asked for all the same: by its links and by what was matched to it.
    pairs: list[tuple[int, str | None]] = [(each.lead_id, key) for each in subjects for key in each.phone_keys or (None,)]
    values = {"leads": [lead for lead, _ in pairs], "phones": [key for _, key in pairs], "since": now - RECENT}
    rows = connection.execute(load("recent_calls"), values)
    return {row.lead_id: LastCall(row.called_at, row.instance, row.source_key, row.phone_key) for row in rows}


def forbidding_calls(connection: Connection, subjects: Iterable[Subject]) -> dict[int, str]:
    """By lead, the call or the dialer's lead whose status forbids calls, however long ago; a lead without one is not in it."""
    pairs: list[tuple[int, str | None]] = [(each.lead_id, key) for each in subjects for key in each.phone_keys or (None,)]
    values = {"leads": [lead for lead, _ in pairs], "phones": [key for _, key in pairs], "well_known": list(DO_NOT_CALL_STATUSES)}
    return {row.lead_id: row.why for row in connection.execute(load("forbidding_calls"), values)}


def uncovered(
    connection: Connection, instances: Sequence[str], source_tables: Sequence[str], now: datetime, *, fresh: timedelta
) -> tuple[str, ...]:
    """Why the last 30 days of some dialer are not wholly in Brain, one line each; the newest ``fresh`` may be on its way."""
    values = {
        "instances": list(instances),
        "source_tables": list(source_tables),
        "start": floor_to(now - RECENT, BUCKET),
        "end": floor_to(now - fresh, BUCKET),
    }
    return tuple(
        f"of {row.source_table} on {row.instance} {row.wanted - row.held:,} of {row.wanted:,} buckets of the last 30 days were "
        f"not read or differ: `vici-brain fetch-complete 31 --instance {row.instance}`"
        for row in connection.execute(load("uncovered_history"), values)
    )
