"""The dialer's leads of some numbers, merged into one arriving lead each.

Belongs here: the bridge from the mirror to what arrives. Does not: the rule (domain/lead_import, and the same in SQL).
"""

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from vici_brain.brain.sql import load
from vici_brain.domain.lead_import import DO_NOT_CALL, UNKNOWN


def merge_groups(connection: Connection, instance: str, keys: Sequence[str], statuses: Mapping[str, str]) -> int:
    """Adds one row to arriving_leads for each of ``keys`` that the dialer still has; how many."""
    scope = {"instance": instance, "keys": list(keys), "statuses": json.dumps(dict(statuses))}
    return connection.execute(load("merge_lead_groups"), scope | {"unknown": UNKNOWN, "do_not_call": DO_NOT_CALL}).rowcount
