"""The audit of leads: per campaign, as a whole, and the calls to one number, with earlier audits kept to compare with.

Belongs here: counting, over Brain alone: the dialer's leads are those last read. Does not: judging (checks) or showing
(orchestration, cli).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, Engine, text

from vici_brain.brain.database import brain_errors
from vici_brain.brain.sql import load

THIRTY_DAYS = timedelta(days=30)
Occasion = Literal["before", "after", "audit"]
_KEEP = text("""
    INSERT INTO lead_audits (instance, taken_at, occasion, import_id, figures)
    VALUES (:instance, :at, :occasion, :import_id, CAST(:figures AS jsonb)) RETURNING id
""")
_BEFORE_AND_AFTER = text("""
    SELECT occasion, import_id, taken_at, figures FROM lead_audits
    WHERE import_id = (
        SELECT import_id FROM lead_audits WHERE instance = :instance AND occasion = 'after'
        ORDER BY taken_at DESC, id DESC LIMIT 1
    ) ORDER BY id
""")
_SAMPLE = text("""
    SELECT vici_lead_id FROM vici_lead_links
    WHERE instance = :instance AND removed_at IS NULL AND origin = 'vici' AND (
        entered_at >= (SELECT brain_first_since FROM lead_intake)
        OR vici_lead_id > (SELECT brain_first_after FROM vici_lead_cursors WHERE instance = :instance)
    )
    ORDER BY vici_lead_id DESC LIMIT 10
""")
_LACKING_CODE = text("""
    SELECT kept.vici_lead_id FROM vici_lead_links AS kept JOIN leads ON leads.id = kept.lead_id
    WHERE kept.instance = :instance AND kept.removed_at IS NULL AND kept.seen_at IS NOT NULL AND kept.archived_at IS NULL
      AND kept.vendor_lead_code IS DISTINCT FROM leads.external_lead_id
    ORDER BY kept.vici_lead_id LIMIT 10
""")
_LACKING_LINK = text("""
    SELECT leads.id FROM leads
    WHERE NOT EXISTS (SELECT FROM vici_lead_links AS kept WHERE kept.lead_id = leads.id AND kept.removed_at IS NULL)
      AND NOT EXISTS (
          SELECT FROM lead_call_restrictions AS held
          WHERE held.lead_id = leads.id AND (held.restriction = 'DO_NOT_CALL' OR held.callable_after > :now)
      )
    ORDER BY leads.id DESC LIMIT 10
""")


@dataclass(frozen=True, slots=True)
class CampaignLeads:
    """Leads of one campaign on the dialer; ``own_code``: it carries the id of its lead in Brain. ``lacking_own_code``: it is
    live, has a lead in Brain, and does not.
    """

    campaign: str
    leads: int
    phones: int
    with_code: int
    without_code: int
    invalid_code: int
    linked: int
    own_code: int
    archived: int
    lacking_own_code: int


@dataclass(frozen=True, slots=True)
class LeadAudit:
    """One audit; ``numbers_called_for_two_leads`` were called within thirty days for more than one lead, of this dialer or of
    another too. ``brain_leads_kept_out`` have no link because they must not be called now.
    """

    instance: str
    taken_at: datetime
    campaigns: Sequence[CampaignLeads]
    codes_on_several_numbers: int
    ids_on_several_leads: int
    brain_leads: int
    brain_leads_without_id: int
    brain_leads_without_link: int
    brain_leads_kept_out: int
    entered_outside_brain: int
    brain_first_since: datetime | None
    numbers_called: int
    calls: int
    numbers_called_again: int
    numbers_called_for_two_leads: int
    phones_called_for_two_leads: Sequence[str]
    leads_outside_brain: Sequence[int]
    leads_lacking_own_code: Sequence[int]
    brain_leads_lacking_link: Sequence[int]

    def total(self, name: str) -> int:
        """The sum of a column of the campaigns."""
        return sum(getattr(campaign, name) for campaign in self.campaigns)

    @property
    def imported_without_own_code(self) -> int:
        return self.total("lacking_own_code")

    @property
    def brain_leads_to_link(self) -> int:
        return self.brain_leads_without_link - self.brain_leads_kept_out

    def figures(self) -> dict[str, int]:
        """The whole numbers, by name, as kept and compared."""
        names = [name for name, value in asdict(self).items() if type(value) is int]
        sums = {name: self.total(name) for name in CampaignLeads.__dataclass_fields__ if name != "campaign"}
        return {f"vici_{name}": value for name, value in sums.items()} | {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The figures before and after the last import that changed something."""

    import_id: int
    before: Mapping[str, int]
    after: Mapping[str, int]


def audit_leads(connection: Connection, instance: str, now: datetime) -> LeadAudit:
    """Counts, now; of ``now`` only the thirty days of calls depend."""
    scope = {"instance": instance, "now": now, "since": now - THIRTY_DAYS}
    campaigns = [CampaignLeads(*row) for row in connection.execute(load("audit_campaigns"), scope)]
    totals = connection.execute(load("audit_totals"), scope).one()._asdict()
    called = connection.execute(load("audit_repeated_calls"), scope).one()._asdict()
    samples = {
        "phones_called_for_two_leads": called.pop("sample"),
        "leads_outside_brain": list(connection.scalars(_SAMPLE, scope)),
        "leads_lacking_own_code": list(connection.scalars(_LACKING_CODE, scope)),
        "brain_leads_lacking_link": list(connection.scalars(_LACKING_LINK, scope)),
    }
    return LeadAudit(instance, now, campaigns, **totals, **called, **samples)


def keep_audit(connection: Connection, audit: LeadAudit, occasion: Occasion, import_id: int | None = None) -> int:
    """Keeps the figures of ``audit``; its number."""
    values = {"instance": audit.instance, "at": audit.taken_at, "occasion": occasion, "import_id": import_id}
    return int(connection.execute(_KEEP, values | {"figures": json.dumps(audit.figures())}).scalar_one())


def last_comparison(brain: Engine, instance: str) -> Comparison | None:
    """What the last import changed; ``None`` if none did yet."""
    with brain_errors(), brain.connect() as connection:
        rows = {row.occasion: row for row in connection.execute(_BEFORE_AND_AFTER, {"instance": instance})}
    if not {"before", "after"} <= rows.keys():
        return None
    return Comparison(rows["after"].import_id, rows["before"].figures, rows["after"].figures)
