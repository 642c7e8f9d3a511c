"""The standing checks on calls and appointments: one for each rule, of any age, and one for the triggers.

Belongs here: verdicts with counts and samples. Does not: the rules (brain/consistency), or alerts (flows/watch_consistency).
"""

from collections.abc import Iterator

import dagster as dg

from vici_brain.brain.consistency import Standing, standing
from vici_brain.brain.consistency_rules import RULES, Rule
from vici_brain.brain.triggers import absent_triggers
from vici_brain.orchestration.asset_keys import APPOINTMENTS, CALLS
from vici_brain.orchestration.reporting import as_failures, as_value
from vici_brain.orchestration.resources import Connections

TRIGGERS = "consistency_triggers_are_in_place"
_TRIGGERS_TEXT = (
    "Every trigger that keeps calls and appointments right exists and is switched on. If not: somebody dropped or disabled it; "
    "enable it, or make it again from the migration."
)


def consistency_checks() -> dg.AssetChecksDefinition:
    """All of them in one step, asked after each sweep."""

    @dg.multi_asset_check(
        name="audit_consistency",
        specs=[
            *(dg.AssetCheckSpec(rule.check, asset=_asset(rule), description=_text(rule), blocking=False) for rule in RULES),
            dg.AssetCheckSpec(TRIGGERS, asset=CALLS, description=_TRIGGERS_TEXT, blocking=False),
        ],
        description="Asks which calls and appointments disagree now, whenever that came to be",
        can_subset=True,
    )
    def audit_consistency(
        context: dg.AssetCheckExecutionContext, connections: dg.ResourceParam[Connections]
    ) -> Iterator[dg.AssetCheckResult]:
        wanted = {check.name for check in context.selected_asset_check_keys}
        with as_failures(context):
            for rule in RULES:
                if rule.check in wanted:
                    yield _result(standing(connections.brain, rule, connections.clock()))
            if TRIGGERS in wanted:
                absent = absent_triggers(connections.brain)
                found = {"absent": as_value(absent), "what_to_do": as_value(_TRIGGERS_TEXT)}
                yield dg.AssetCheckResult(asset_key=CALLS, check_name=TRIGGERS, passed=not absent, metadata=found)

    return audit_consistency


def consistency_check_keys() -> list[dg.AssetCheckKey]:
    return [*(dg.AssetCheckKey(_asset(rule), rule.check) for rule in RULES), dg.AssetCheckKey(CALLS, TRIGGERS)]


def _asset(rule: Rule) -> dg.AssetKey:
    return CALLS if rule.entity_type == "call" else APPOINTMENTS


def _text(rule: Rule) -> str:
    return f"Nothing breaks the rule {rule.name} ({rule.severity}): no {rule.entity_type} {rule.says}. If so: {rule.remedy}"


def _result(found: Standing) -> dg.AssetCheckResult:
    rule = found.rule
    metadata = {"offending": as_value(found.offending), "rule": as_value(rule.name)}
    if found.sample:
        metadata["sample"] = dg.MetadataValue.table([dg.TableRecord({rule.entity_type: each}) for each in found.sample])
        metadata["what_to_do"] = as_value(rule.remedy)
    severity = dg.AssetCheckSeverity.ERROR if rule.severity == "critical" else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        asset_key=_asset(rule), check_name=rule.check, passed=found.passed, severity=severity, metadata=metadata
    )
