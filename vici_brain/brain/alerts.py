"""Alerts about a whole dialer: raised once for as long as they are open, resolved with a note.

Belongs here: rows of data_consistency_alerts of the entity ``dialer_instance``. Does not: deciding what is wrong (domain) or
telling people (sensors). A dialer has a name and no number, so its name stands in the metadata.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, text

from vici_brain.brain.database import brain_errors

_OPEN = text("""
    SELECT coalesce(metadata ->> 'campaign', '') AS campaign, detected_at FROM data_consistency_alerts
    WHERE alert_type = ANY(:types) AND entity_type = 'dialer_instance' AND metadata ->> 'instance' = :instance
      AND corrected_at IS NULL
""")
# The unique index of open alerts decides: of two watchers at once one raises.
_RAISE = text("""
    INSERT INTO data_consistency_alerts
        (alert_type, severity, entity_type, description, metadata, detected_at, created_at, updated_at)
    VALUES (:alert_type, :severity, 'dialer_instance', :description, CAST(:metadata AS jsonb), :at, :at, :at)
    ON CONFLICT DO NOTHING RETURNING id
""")
_RESOLVE = text("""
    UPDATE data_consistency_alerts SET corrected_at = :at, updated_at = :at, resolution_notes = :note
    WHERE alert_type = :alert_type AND entity_type = 'dialer_instance' AND metadata ->> 'instance' = :instance
      AND coalesce(metadata ->> 'campaign', '') = :campaign AND corrected_at IS NULL
    RETURNING id
""")


@dataclass(frozen=True, slots=True)
class DialerAlert:
    """What is wrong with a dialer, or with one of its campaigns (blank: the whole dialer)."""

    alert_type: str
    severity: str
    campaign: str
    description: str
    details: Mapping[str, object]


class DialerAlerts:
    """The alerts of one dialer."""

    def __init__(self, engine: Engine, instance: str) -> None:
        self._engine, self._instance = engine, instance

    def opened(self, *types: str) -> dict[str, datetime]:
        """Since when each campaign (blank: the whole dialer) has an open alert of one of ``types``."""
        with brain_errors(), self._engine.connect() as connection:
            rows = connection.execute(_OPEN, {"types": list(types), "instance": self._instance})
            return {row.campaign: row.detected_at for row in rows}

    def raise_once(self, alert: DialerAlert, at: datetime) -> bool:
        """Whether this call raised it; not if it is open already."""
        named = {"instance": self._instance} | ({"campaign": alert.campaign} if alert.campaign else {})
        values = {
            "alert_type": alert.alert_type,
            "severity": alert.severity,
            "description": alert.description,
            "metadata": json.dumps(dict(alert.details) | named, default=str),
            "at": at,
        }
        with brain_errors(), self._engine.begin() as connection:
            return connection.execute(_RAISE, values).first() is not None

    def resolve(self, alert_type: str, campaign: str, note: str, at: datetime) -> bool:
        """Whether this call resolved it; not if nothing of the kind is open."""
        values = {"alert_type": alert_type, "instance": self._instance, "campaign": campaign, "note": note, "at": at}
        with brain_errors(), self._engine.begin() as connection:
            return connection.execute(_RESOLVE, values).first() is not None
