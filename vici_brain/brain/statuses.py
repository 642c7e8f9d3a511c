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
    VALUES (:instance, :campaign_id, :status, :status_name, {", ".join(f":{flag}" for flag in FLAGS)}, clock_timestamp())
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
        rows = [
            {"instance": instance, "campaign_id": known.campaign_id, "status": known.status, "status_name": known.status_name}
            | {flag: flag in known.flags for flag in FLAGS}
            for known in statuses
        ]
        present = {"campaigns": [known.campaign_id for known in statuses], "statuses": [known.status for known in statuses]}
        with brain_errors(), self.engine.begin() as connection:
            changed = connection.execute(_UPSERT, rows).rowcount
            removed = connection.execute(_REMOVE, {"instance": instance} | present).rowcount
        return changed + removed
