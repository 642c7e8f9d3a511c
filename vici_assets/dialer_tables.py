"""The dialers' own tables, which ViciDial writes and we only read: where the rows of the graph come from.

Belongs here: external assets. Does not: anything Dagster can run.
"""

import dagster as dg

from vici_brain.orchestration.asset_keys import OWNERS, InstanceNames
from vici_brain.orchestration.reporting import dialer_table_metadata
from vici_brain.vici import schema

_DESCRIPTIONS = {
    "vicidial_log": "Outbound calls as the dialer writes them, and its archive; MyISAM, keyed by uniqueid",
    "vicidial_closer_log": "Inbound calls and transfers as the dialer writes them, and its archive; keyed by closecallid",
}


def dialer_tables(instance: str) -> list[dg.AssetSpec]:
    """The two tables of calls of one dialer."""
    names = InstanceNames(instance)
    return [
        dg.AssetSpec(
            key,
            description=_DESCRIPTIONS[key.path[-1]],
            group_name=names.dialer_group,
            kinds={"mariadb", "table"},
            owners=OWNERS,
            metadata=dialer_table_metadata(schema.metadata.tables[key.path[-1]]),
        )
        for key in names.dialer_tables
    ]
