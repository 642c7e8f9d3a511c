"""A dialer with leads and lists, a Brain, and imports at instants that a test names."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from builders import NOON, Exchange, ask, exchange, one
from sqlalchemy import Engine

from vici_brain.flows.import_leads import ImportOrder, LeadImport, import_leads
from vici_brain.flows.read_leads import LeadScope
from vici_brain.flows.syncing import Syncing
from vici_brain.vici import schema

AUTO2, AUTODIAL, OTHER = 101, 201, 301
CODE, OTHER_CODE = "1755041041000", "1755041042000"
CAMPAIGNS = ("Auto2", "Autodial")


class LeadSite:
    """Leads of three lists (campaigns AUTO2, AUTODIAL, RETENT) and one Brain."""

    def __init__(self, site: Exchange, brain: Engine) -> None:
        self.site, self.brain = site, brain
        schema.metadata.create_all(site.engine, tables=[schema.vicidial_lists])
        for list_id, campaign in ((AUTO2, "AUTO2"), (AUTODIAL, "AUTODIAL"), (OTHER, "RETENT")):
            site.put("vicidial_lists", {"list_id": list_id, "list_name": str(list_id), "campaign_id": campaign, "active": "Y"})

    def lead(self, lead_id: int, phone: str, *, table: str = "vicidial_list", **columns: Any) -> None:
        row: dict[str, Any] = {
            "lead_id": lead_id,
            "phone_number": phone,
            "phone_code": "1",
            "list_id": AUTO2,
            "status": "NEW",
            "vendor_lead_code": "",
            "entry_date": "2025-06-01 09:00:00",
            "last_local_call_time": "2008-01-01 00:00:00",
            "called_count": 0,
        }
        self.site.put(table, row | columns)

    def syncing(self, *, dry_run: bool = False, instance: str = "vici", **policy: Any) -> Syncing:
        # SQLite's clock cannot be stopped.
        now = datetime.now(UTC) if self.site.url.startswith("sqlite") else NOON
        return Syncing(self.site.dialer(instance, now=now, **policy), self.brain, lambda: now, dry_run=dry_run)

    def take_in(
        self, *campaigns: str, dry_run: bool = False, instance: str = "vici", page_rows: int = 5_000, **scope: Any
    ) -> LeadImport:
        """One import of Auto2 and Autodial unless others are named."""
        sync = self.syncing(dry_run=dry_run, instance=instance, page_rows=page_rows)
        try:
            return import_leads(sync, ImportOrder(campaigns or CAMPAIGNS, "test", "somebody", LeadScope(**scope)))
        finally:
            sync.dialer.engine.dispose()

    def brain_lead(self, vici_lead_id: int) -> dict[str, Any]:
        """The lead of Brain that a lead of the dialer is linked to."""
        found = ask(
            self.brain,
            "SELECT to_jsonb(leads) FROM leads JOIN vici_lead_links ON lead_id = id WHERE vici_lead_id = :lead",
            lead=vici_lead_id,
        )
        ((row,),) = found
        return dict(row)

    def count(self, table: str) -> int:
        return int(one(self.brain, f"SELECT count(*) FROM {table}"))


@contextmanager
def lead_site(url: str, brain: Engine, *, without: tuple[str, ...] = ()) -> Iterator[LeadSite]:
    with exchange(url, without=without) as site:
        yield LeadSite(site, brain)


def days_ago(days: float) -> datetime:
    return NOON - timedelta(days=days)
