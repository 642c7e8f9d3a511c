"""The ledger of one dialer: which five-minute buckets were read and proven.

Belongs here: the external asset that the standing checks hang on. Does not: writing the ledger, which happens with the rows.
"""

import dagster as dg

from vici_brain.brain.schema import call_log_proofs
from vici_brain.orchestration.asset_keys import OWNERS, InstanceNames
from vici_brain.orchestration.reporting import table_metadata


def ledger(instance: str) -> dg.AssetSpec:
    """``[instance, call_log_proofs]``, never materialised by itself.

    The UI forgets a check's verdict whenever its asset is made anew, and standing checks are asked less often than that.
    """
    names = InstanceNames(instance)
    return dg.AssetSpec(
        names.ledger,
        deps=[names.call_logs],
        description=f"The ledger of the dialer {instance}: every five-minute bucket, whether it was read, and whether it is "
        "proven equal to the dialer by count and checksum",
        group_name=names.calls_group,
        kinds={"postgres", "table"},
        owners=OWNERS,
        metadata=table_metadata(call_log_proofs),
    )
