"""Leads that came since somebody last looked, and how many orphans of each dialer they could claim.

Belongs here: the read-only questions of the sensor of new leads. Does not: matching (brain/matches), or when to look (sensors).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine, text

from vici_brain.brain.database import brain_errors
from vici_brain.brain.sql import load

# More leads at once are an import: counting what they could claim would cost as much as a pass over all orphans.
PROBED_AT_MOST = 5_000
# Walks the key of leads from its end: created_at has no index in a CRM, and an import may set it to long ago.
_NEWEST = text("SELECT coalesce(max(id), 0) FROM leads")
_ARRIVED = text("SELECT count(*) AS leads, CAST(min(created_at) AS timestamptz) AS oldest FROM leads WHERE id > :after")


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The leads behind a key; ``claimable`` is ``None`` when they were too many to be asked about."""

    newest_id: int
    leads: int = 0
    oldest: datetime | None = None
    claimable: Mapping[str, int] | None = field(default_factory=dict)


def arrivals_after(brain: Engine, after: int | None) -> Arrivals:
    """Leads with a higher id than ``after``; with ``None`` only where the ids stand."""
    with brain_errors(), brain.connect() as connection:
        newest: int = connection.execute(_NEWEST).scalar_one()
        if after is None or newest <= after:
            return Arrivals(newest)
        arrived = connection.execute(_ARRIVED, {"after": after}).one()
        if arrived.leads > PROBED_AT_MOST:
            return Arrivals(newest, arrived.leads, arrived.oldest, None)
        rows = connection.execute(load("claimable_by_arrivals"), {"after": after})
        return Arrivals(newest, arrived.leads, arrived.oldest, {row.instance: row.calls for row in rows})
