"""Leads in Dagster's words: names of jobs and checks, schedules, and an audit as a page.

Belongs here: what the assets, checks and schedules of leads share. Does not: importing or counting (flows).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from vici_brain.brain.lead_audit import CampaignLeads
from vici_brain.flows.audit_leads import AuditTaken
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.orchestration.automation import is_unfinished, job_tags

METRICS = {
    "no_number_is_called_for_two_leads_within_30_days": "No number that this dialer called was called for two leads, its own or "
    "another dialer's, within thirty times 24 hours. If not: `vici-brain audit` counts them, the sample names numbers; take the "
    "double leads off their lists.",
    "every_imported_vici_lead_carries_its_code": "Every live lead of the dialer that has a lead in Brain carries its "
    "external_lead_id as vendor_lead_code. If not: write the codes back.",
    "every_lead_has_a_vici_lead": "Every lead of Brain that may be called is known to a dialer. If not: import its campaign, or "
    "push it.",
    "no_lead_enters_vici_outside_brain": "Since `vici-brain lead-intake brain-first`, every lead that entered the dialer came "
    "with the code of a lead of Brain. If not: find out which loader or form still writes to the dialer.",
}
_COLUMNS = {
    "campaign": "campaign",
    "leads": "leads",
    "phones": "distinct phones",
    "with_code": "with a code",
    "without_code": "without",
    "invalid_code": "invalid code",
    "own_code": "with Brain's code",
    "linked": "linked",
    "archived": "archived",
    "lacking_own_code": "to be written",
}


def import_job(instance: str) -> Any:
    """``import_leads_<instance>`` (Dagster keeps the type to itself)."""
    names = InstanceNames(instance)
    return dg.define_asset_job(
        names.leads_job,
        selection=dg.AssetSelection.assets(names.lead_links),
        description=f"Reads what may have changed of the leads of the dialer {instance}, and imports the configured campaigns",
        # Long reads of one dialer wait for each other, so that a tick always finds a free connection.
        tags=job_tags(names.backfill_lane, seconds=3600),
        executor_def=dg.in_process_executor,
    )


def audit_job(instance: str) -> Any:
    """``audit_leads_<instance>``: the page and the four success metrics."""
    names = InstanceNames(instance)
    return dg.define_asset_job(
        names.leads_audit_job,
        selection=dg.AssetSelection.assets(names.lead_audit) | dg.AssetSelection.checks(*metric_keys(instance)),
        description=f"Audits the leads of the dialer {instance} and Brain's, and asks the four success metrics",
        tags=job_tags(f"{instance}/audit_leads", seconds=900),
        executor_def=dg.in_process_executor,
    )


def metric_keys(instance: str) -> list[dg.AssetCheckKey]:
    return [dg.AssetCheckKey(InstanceNames(instance).dialer_leads, name) for name in METRICS]


def lead_schedules(instance: str) -> list[dg.ScheduleDefinition]:
    """The import every quarter of an hour, unless one is at work, and the audit every morning."""
    names = InstanceNames(instance)

    @dg.schedule(
        name=f"{names.leads_job}_every_15_minutes",
        job_name=names.leads_job,
        cron_schedule="9-59/15 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Every fifteen minutes, what may have changed of the leads of the dialer {instance}",
    )
    def every_15_minutes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if is_unfinished(context.instance, names.leads_job):
            return dg.SkipReason(f"a run of {names.leads_job} is queued or at work")
        return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())

    @dg.schedule(
        name=f"{names.leads_audit_job}_daily",
        job_name=names.leads_audit_job,
        cron_schedule="40 6 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Every morning, the audit of the leads of the dialer {instance}",
    )
    def daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())

    return [every_15_minutes, daily]


def audit_pages(taken: AuditTaken) -> dict[str, str]:
    """The audit as tables in Markdown: campaigns, figures, before and after the last import."""
    audit = taken.audit
    rows = [[getattr(campaign, name) for name in _COLUMNS] for campaign in audit.campaigns]
    total = ["**all**", *(audit.total(name) for name in list(_COLUMNS)[1:])]
    pages = {
        "campaigns": _table(list(_COLUMNS.values()), [*([row[0] or "(no list)", *row[1:]] for row in rows), total]),
        "figures": _table(["figure", "now"], [[name.replace("_", " "), value] for name, value in _alone(taken).items()]),
    }
    if taken.comparison is not None:
        before, after = taken.comparison.before, taken.comparison.after
        changed = [
            [name.replace("_", " "), before.get(name, 0), value, value - before.get(name, 0)] for name, value in after.items()
        ]
        pages[f"before_and_after_import_{taken.comparison.import_id}"] = _table(["figure", "before", "after", "change"], changed)
    return pages


def _alone(taken: AuditTaken) -> dict[str, int]:
    of_campaigns = {f"vici_{name}" for name in CampaignLeads.__dataclass_fields__}
    return {name: value for name, value in taken.audit.figures().items() if name not in of_campaigns}


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")
