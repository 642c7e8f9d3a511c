"""The four success metrics of leads, as standing checks on the dialer's own leads.

Belongs here: figures to verdicts. Does not: the figures (flows/audit_leads) or their names and remedies (orchestration/leads).
"""

from collections.abc import Iterator

import dagster as dg

from vici_brain.brain.lead_audit import LeadAudit
from vici_brain.flows.audit_leads import take_audit
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.orchestration.leads import METRICS
from vici_brain.orchestration.reporting import as_failures, as_value
from vici_brain.orchestration.resources import Connections


def lead_metrics(instance: str) -> dg.AssetChecksDefinition:
    """The four checks; each is a warning, with the number of offenders and up to ten of them."""
    key = InstanceNames(instance).dialer_leads

    @dg.multi_asset_check(
        name=f"{instance}__lead_metrics",
        specs=[dg.AssetCheckSpec(name, asset=key, description=text, blocking=False) for name, text in METRICS.items()],
        description=f"Asks how far the leads of Brain and the dialer {instance} are from being linked both ways",
        can_subset=True,
    )
    def measure(
        context: dg.AssetCheckExecutionContext, connections: dg.ResourceParam[Connections]
    ) -> Iterator[dg.AssetCheckResult]:
        with as_failures(context):
            audit = take_audit(connections.brain, instance, connections.clock(), keep=False).audit
        wanted = {check.name for check in context.selected_asset_check_keys}
        yield from (_result(key, name, audit) for name in METRICS if name in wanted)

    return measure


def _result(key: dg.AssetKey, name: str, audit: LeadAudit) -> dg.AssetCheckResult:
    offending, of, sample = dict(zip(METRICS, _figures(audit), strict=True))[name]
    metadata = {
        "offending": as_value(offending),
        "of": as_value(of),
        "percent": as_value(100 * (1 - offending / of) if of else 100.0),
    }
    if sample:
        metadata["sample"] = as_value(sample)
    if name == "every_lead_has_a_vici_lead":
        metadata["must_not_be_called"] = as_value(audit.brain_leads_kept_out)
    if name == "no_lead_enters_vici_outside_brain":
        metadata["brain_first_since"] = as_value(audit.brain_first_since or "not yet: `vici-brain lead-intake brain-first`")
    return dg.AssetCheckResult(
        asset_key=key, check_name=name, passed=offending == 0, severity=dg.AssetCheckSeverity.WARN, metadata=metadata
    )


def _figures(audit: LeadAudit) -> tuple[tuple[int, int, tuple[object, ...]], ...]:
    """Offenders, out of how many, and some of them; in the order of METRICS."""
    return (
        (audit.numbers_called_for_two_leads, audit.numbers_called, tuple(audit.phones_called_for_two_leads)),
        (audit.imported_without_own_code, audit.total("linked"), tuple(audit.leads_lacking_own_code)),
        (audit.brain_leads_to_link, audit.brain_leads, tuple(audit.brain_leads_lacking_link)),
        (audit.entered_outside_brain, audit.total("leads"), tuple(audit.leads_outside_brain)),
    )
