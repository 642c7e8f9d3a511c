"""The CRM's own leads: used here, owned by the CRM.

Belongs here: the external asset. Does not: anything that writes a lead.
"""

import dagster as dg

from vici_brain.brain.schema import leads as leads_table
from vici_brain.orchestration.asset_keys import LEADS, LEADS_GROUP, OWNERS
from vici_brain.orchestration.reporting import table_metadata


def leads() -> dg.AssetSpec:
    """The table that every dialer's calls are matched with."""
    return dg.AssetSpec(
        LEADS,
        description="Leads of the CRM, found by 13-digit external_lead_id, by stored link or by normalised phone",
        group_name=LEADS_GROUP,
        kinds={"postgres", "table"},
        owners=OWNERS,
        metadata=table_metadata(leads_table),
    )
