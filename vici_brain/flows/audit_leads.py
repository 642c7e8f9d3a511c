"""The audit of a dialer's leads, kept, beside what the last import changed.

Belongs here: taking and keeping it. Does not: counting (brain/lead_audit).
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from vici_brain.brain.database import brain_errors
from vici_brain.brain.lead_audit import Comparison, LeadAudit, audit_leads, keep_audit, last_comparison


@dataclass(frozen=True, slots=True)
class AuditTaken:
    """The figures now, and those before and after the last import that changed something (``None``: none did)."""

    audit: LeadAudit
    comparison: Comparison | None


def take_audit(brain: Engine, instance: str, now: datetime, *, keep: bool = True) -> AuditTaken:
    """Counts and keeps."""
    with brain_errors(), brain.begin() as connection:
        audit = audit_leads(connection, instance, now)
        if keep:
            keep_audit(connection, audit, "audit")
    return AuditTaken(audit, last_comparison(brain, instance))
