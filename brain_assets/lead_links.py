"""A dialer's leads as Brain's: the import by the clock, and the audit's page.

Belongs here: the two assets. Does not: the import (flows/import_leads), the figures (flows/audit_leads) or when
(orchestration/leads).
"""

from dataclasses import replace

import dagster as dg
from pydantic import Field

from vici_brain.brain.schema import vici_lead_links as vici_lead_links_table
from vici_brain.brain.shown_tables import lead_audits
from vici_brain.errors import ConfigurationError
from vici_brain.flows.audit_leads import take_audit
from vici_brain.flows.import_leads import ImportOrder, LeadStep, import_leads
from vici_brain.flows.read_leads import LeadScope
from vici_brain.orchestration.asset_keys import LEADS, LEADS_GROUP, OWNERS, InstanceNames
from vici_brain.orchestration.leads import audit_pages
from vici_brain.orchestration.reporting import as_failures, as_metadata, dialer_table_metadata, table_metadata, trigger_of
from vici_brain.orchestration.resources import Connections
from vici_brain.vici.schema import vicidial_list


class ImportOptions(dg.Config):
    """As it stands: what may have changed, and the campaigns of the settings; else as ``vici-brain import-to-brain``."""

    campaigns: list[str] = Field(default=[], description="Campaigns whose leads are imported; empty: those of the settings")
    whole: bool = Field(default=False, description="Read all leads of the dialer, not only what may have changed")
    limit: int = Field(default=0, ge=0, description="A trial: the first so many leads, with all of their numbers; 0: none")
    phone: str = Field(default="", description="Only the leads of this number")
    sweep_rows: int | None = Field(
        default=None, ge=100, le=50_000, description="Leads the sweep reads again; unset: as configured"
    )
    dry_run: bool = Field(default=False, description="Read and count, but write nothing")

    def scope(self, configured_rows: int) -> LeadScope:
        """What is read; raises ConfigurationError where the options say two things."""
        if (bool(self.limit) + bool(self.phone) + self.whole) > 1:
            raise ConfigurationError("give one of whole, limit and phone")
        if self.limit or self.phone:
            return LeadScope(limit=self.limit or None, phone=self.phone or None)
        return LeadScope(changes=not self.whole, sweep_rows=self.sweep_rows or configured_rows)


class Importing(dg.Config):
    """What is read and imported; as it stands, what the settings say."""

    campaigns: list[str] | None = Field(default=None, description="Import leads of these campaigns; unset: those of the settings")
    sweep_rows: int | None = Field(
        default=None, ge=100, le=50_000, description="Leads the sweep reads again; unset: as configured"
    )


class Auditing(dg.Config):
    """What becomes of an audit."""

    keep: bool = Field(default=True, description="Keep its figures, so that later ones are compared with them")


def lead_links(instance: str) -> dg.AssetsDefinition:
    """``[instance, vici_lead_links]``: what may have changed, read again; the configured campaigns imported."""
    names = InstanceNames(instance)

    @dg.asset(
        key=names.lead_links,
        deps=[names.dialer_leads, LEADS],
        description=f"The leads of the dialer {instance} as last read, and which lead of Brain each is; imports the campaigns of "
        "the setting leads.campaigns",
        group_name=LEADS_GROUP,
        kinds={"mariadb", "postgres"},
        owners=OWNERS,
        metadata=table_metadata(vici_lead_links_table),
        pool=names.dialer_pool,
    )
    def vici_lead_links(
        context: dg.AssetExecutionContext, config: ImportOptions, connections: dg.ResourceParam[Connections]
    ) -> dg.MaterializeResult[None]:
        def tell(step: LeadStep) -> None:
            context.log.info("%s: %d", step.phase, step.done)

        policy = connections.settings.leads
        with as_failures(context):
            campaigns, scope = tuple(config.campaigns) or policy.campaigns, config.scope(policy.sweep_rows)
            shared = not config.campaigns and len(connections.settings.dialers) > 1
            order = ImportOrder(campaigns, trigger_of(context.run.tags), "dagster", scope, context.run.run_id, shared=shared)
            done = import_leads(replace(connections.syncing(instance), dry_run=config.dry_run), order, tell)
        return dg.MaterializeResult(metadata=as_metadata(done, without=("instance",)))

    return vici_lead_links


def lead_audit(instance: str) -> dg.AssetsDefinition:
    """``[instance, lead_audits]``: the audit as tables to read, and kept."""
    names = InstanceNames(instance)

    @dg.asset(
        key=names.lead_audit,
        deps=[names.lead_links],
        description=f"The audit of the leads of the dialer {instance}: campaigns, codes, links, calls to one number within "
        "thirty days, and what the last import changed",
        group_name=LEADS_GROUP,
        kinds={"postgres", "table"},
        owners=OWNERS,
        metadata=table_metadata(lead_audits),
    )
    def audit(
        context: dg.AssetExecutionContext, config: Auditing, connections: dg.ResourceParam[Connections]
    ) -> dg.MaterializeResult[None]:
        with as_failures(context):
            taken = take_audit(connections.brain, instance, connections.clock(), keep=config.keep)
        pages = {name: dg.MetadataValue.md(page) for name, page in audit_pages(taken).items()}
        return dg.MaterializeResult(metadata=pages | {"taken_at": dg.MetadataValue.timestamp(taken.audit.taken_at)})

    return audit


def dialer_leads(instance: str) -> dg.AssetSpec:
    """``[instance, vicidial_list]``, external: the standing checks hang on what no run of ours makes anew."""
    names = InstanceNames(instance)
    return dg.AssetSpec(
        names.dialer_leads,
        description="Leads as the dialer has them, with their lists and archive; keyed by lead_id",
        group_name=names.dialer_group,
        kinds={"mariadb", "table"},
        owners=OWNERS,
        metadata=dialer_table_metadata(vicidial_list),
    )
