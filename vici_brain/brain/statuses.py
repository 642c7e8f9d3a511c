"""The mirror of a dialer's call statuses and their meaning.

Belongs here: writing vici_statuses. Does not: judging a call by them (checks, reports).
"""

from collections.abc import Sequence

from sqlalchemy import Engine, text

from vici_brain.brain.database import brain_errors
from vici_brain.domain.statuses import FLAGS, CallStatus

_FLAGS = ", ".join(FLAGS)
_UPSERT = text(f"""
    INSERT INTO vici_statuses AS held (instance, campaign_id, status, status_name, {_FLAGS}, synced_at)
    SELECT :instance, campaign_id, status, status_name, {_FLAGS}, clock_timestamp()
    FROM unnest(
        CAST(:campaigns AS text[]), CAST(:statuses AS text[]), CAST(:names AS text[]),
        {", ".join(f"CAST(:{flag} AS boolean[])" for flag in FLAGS)}
    ) AS told (campaign_id, status, status_name, {_FLAGS})
    ORDER BY campaign_id, status
    ON CONFLICT (instance, campaign_id, status) DO UPDATE
    SET status_name = excluded.status_name, synced_at = excluded.synced_at, removed_at = NULL,
        {", ".join(f"{flag} = excluded.{flag}" for flag in FLAGS)}
    WHERE (held.status_name, held.removed_at, {", ".join(f"held.{flag}" for flag in FLAGS)})
        IS DISTINCT FROM (excluded.status_name, NULL::timestamptz, {", ".join(f"excluded.{flag}" for flag in FLAGS)})
""")  # noqa: S608 - the names are the constant of the schema
_REMOVE = text("""
    UPDATE vici_statuses SET removed_at = clock_timestamp()
    WHERE instance = :instance AND removed_at IS NULL AND (campaign_id, status) NOT IN (
        SELECT campaign_id, status
        FROM unnest(CAST(:campaigns AS text[]), CAST(:statuses AS text[])) AS present (campaign_id, status)
    )
""")


class StatusStore:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def mirror(self, instance: str, statuses: Sequence[CallStatus]) -> int:
        """Makes vici_statuses of ``instance`` equal to ``statuses`` (those gone are stamped, not deleted); rows changed."""
        if not statuses:
            # Every dialer ships some fifty statuses: none read is a failed read, never an empty table.
            return 0
        # Of two rows for one status the later one counts.
        told = list({(known.campaign_id, known.status): known for known in statuses}.values())
        present = {"campaigns": [known.campaign_id for known in told], "statuses": [known.status for known in told]}
        names = {"names": [known.status_name for known in told]}
        flags = {flag: [flag in known.flags for known in told] for flag in FLAGS}
        with brain_errors(), self.engine.begin() as connection:
            changed = connection.execute(_UPSERT, {"instance": instance} | present | names | flags).rowcount
            removed = connection.execute(_REMOVE, {"instance": instance} | present).rowcount
        return changed + removed
