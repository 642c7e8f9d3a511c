"""What Brain writes to a dialer: the code of each linked lead, and leads that came to Brain first.

Belongs here: the two assets and their options. Does not: how it is written (flows), or when (orchestration/write_back).
"""

import dagster as dg
from pydantic import Field

from vici_brain.domain.identifiers import normalised_phone
from vici_brain.errors import ConfigurationError
from vici_brain.flows.code_orders import CodeOrder, CodeResult
from vici_brain.flows.push_leads import PushOrder
from vici_brain.flows.writing import push_leads_to, write_codes_to
from vici_brain.orchestration.asset_keys import LEADS_GROUP, OWNERS, InstanceNames
from vici_brain.orchestration.reporting import as_failures, as_metadata, trigger_of
from vici_brain.orchestration.resources import Connections


class CodeOptions(dg.Config):
    """As it stands: all linked leads of the configured campaigns."""

    campaigns: list[str] = Field(default=[], description="Campaigns whose leads get their codes; empty: those of the settings")
    phone: str = Field(default="", description="Only the leads with this number")
    batch: int = Field(default=0, ge=0, le=500, description="Leads looked at and written at a time; 0: as in the settings")
    due_only: bool = Field(default=False, description="Only look again at what was written or put off before")
    dry_run: bool = Field(default=False, description="Read and count, but write nothing")


class PushOptions(dg.Config):
    """As it stands: what arrived and what is due."""

    dry_run: bool = Field(default=False, description="Search, judge and count, but add and mark nothing")


def vendor_lead_codes(instance: str) -> dg.AssetsDefinition:
    """``[instance, vendor_lead_codes]``; fails with the remedy where no right to write is configured."""
    names = InstanceNames(instance)

    @dg.asset(
        key=names.vendor_codes,
        deps=[names.lead_links],
        description=f"Brain's external_lead_id as vendor_lead_code of the linked leads on the dialer {instance}: written where "
        "there is none, read back, looked at again hours later, never over another code.",
        group_name=LEADS_GROUP,
        pool=names.write_pool,
        owners=OWNERS,
        kinds={"mariadb"},
    )
    def written(
        context: dg.AssetExecutionContext, config: CodeOptions, connections: dg.ResourceParam[Connections]
    ) -> dg.MaterializeResult[None]:
        with as_failures(context):
            site = connections.site(instance)
            chosen = tuple(config.campaigns) or (site.access.policy.campaigns if site.access else ())
            key = normalised_phone("1", config.phone)
            if config.phone and key is None:
                raise ConfigurationError(f"{config.phone!r} is no phone number; write 2125550101 or +442071234567")
            order = CodeOrder(chosen, trigger_of(context.run.tags), key, config.due_only, config.dry_run, context.run.run_id)
            size = config.batch or None
            result = write_codes_to(site, order, batch=size, on_batch=lambda so_far: _progress(context, so_far))
        return dg.MaterializeResult(metadata=as_metadata(result))

    return written


def pushed_leads(instance: str) -> dg.AssetsDefinition:
    """``[instance, pushed_leads]``; fails with the remedy where no push is configured."""
    names = InstanceNames(instance)

    @dg.asset(
        key=names.pushed_leads,
        # Whom a number was called for decides; the leads themselves come before that anyway, and need no second line.
        deps=[names.call_metrics],
        description=f"Leads that came to Brain first, in the dialer {instance} with their code: linked where the number is known "
        "there, added where the 30-day rule and the do-not-call lists allow, else marked with the reason.",
        group_name=names.write_back_group,
        pool=names.write_pool,
        owners=OWNERS,
        kinds={"mariadb"},
    )
    def pushed(
        context: dg.AssetExecutionContext, config: PushOptions, connections: dg.ResourceParam[Connections]
    ) -> dg.MaterializeResult[None]:
        with as_failures(context):
            order = PushOrder(trigger_of(context.run.tags), dry_run=config.dry_run, run_id=context.run.run_id)
            result = push_leads_to(connections.site(instance), order)
        return dg.MaterializeResult(metadata=as_metadata(result))

    return pushed


def _progress(context: dg.AssetExecutionContext, so_far: CodeResult) -> None:
    context.log.info("%d leads looked at, %d codes written, %d conflicts", so_far.examined, so_far.updated, so_far.conflict)
