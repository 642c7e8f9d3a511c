"""What people are to be told.

Belongs here: the external asset that the check on channels hangs on. Does not: adding messages (flows) or sending them (sensors).
"""

import dagster as dg

from vici_brain.brain.shown_tables import outgoing_messages as table
from vici_brain.orchestration.asset_keys import DAILY_CALL_REPORT, OUTGOING_MESSAGES, OWNERS, REPORTS_GROUP
from vici_brain.orchestration.reporting import table_metadata


def outgoing_messages() -> dg.AssetSpec:
    """The outbox, filled by whatever finds something to tell."""
    return dg.AssetSpec(
        OUTGOING_MESSAGES,
        deps=[DAILY_CALL_REPORT],
        description="Messages to people, and whether they were sent; reports and failed runs wait here for the sensor of alerts",
        group_name=REPORTS_GROUP,
        kinds={"postgres", "table"},
        owners=OWNERS,
        metadata=table_metadata(table),
    )
