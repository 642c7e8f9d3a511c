"""The checks of one dialer's calls: one step that asks every rule and shows each as a check of its asset.

Belongs here: findings in Dagster's words. Does not: the rules and their SQL (brain/audits).

None blocks: the rows are written by the time a check can see them, and a red mark must not keep the next window out. They run
over the window of the run that wrote it and say it in their metadata, but have no partitions of their own: the UI shows a
partitioned check as skipped once a range was run, because Dagster plans it for each partition and a ranged run gives one verdict
(42 MB of such plans a week are also why the backfill job runs without checks).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from vici_brain.brain.audits import AUDITS, Audit, Audits, Finding
from vici_brain.domain.windows import Window
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.orchestration.partitions import window_of_tags
from vici_brain.orchestration.reporting import as_failures, as_value
from vici_brain.orchestration.resources import Connections
from vici_brain.settings import Settings
from vici_brain.vici.call_tables import CALL_TABLES


def call_checks(instance: str, settings: Settings) -> dg.AssetChecksDefinition:
    """Every rule of AUDITS, of the window that the run covers."""

    @dg.multi_asset_check(
        name=f"{instance}__audit_calls",
        specs=[_spec(instance, audit) for audit in AUDITS],
        description=f"Asks Brain what must be true of the calls of the dialer {instance}",
        can_subset=True,
    )
    def audit_calls(
        context: dg.AssetCheckExecutionContext, connections: dg.ResourceParam[Connections]
    ) -> Iterator[dg.AssetCheckResult]:
        names = {key.name for key in context.selected_asset_check_keys}
        with as_failures(context):
            audits = Audits(
                connections.brain,
                source_tables=[table.name for table in CALL_TABLES],
                stale_after=settings.stale_after,
                clock=connections.clock,
            )
            window = window_of_tags(context.run.tags) or audits.last_day(instance)
            findings = list(audits.run(instance, window, names))
        yield from (_result(instance, window, finding) for finding in findings)

    return audit_calls


def window_check_keys(instance: str) -> list[dg.AssetCheckKey]:
    return [dg.AssetCheckKey(InstanceNames(instance).relation(audit.relation), audit.name) for audit in AUDITS]


def _spec(instance: str, audit: Audit) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        audit.name,
        asset=InstanceNames(instance).relation(audit.relation),
        description=f"{audit.promise}. If not: {audit.remedy}.",
        blocking=False,
    )


def _result(instance: str, window: Window, finding: Finding) -> dg.AssetCheckResult:
    audit = finding.audit
    metadata: dict[str, dg.MetadataValue[Any]] = {
        "offending": dg.MetadataValue.int(finding.offending),
        "window": dg.MetadataValue.text(str(window)),
    }
    metadata |= {name: as_value(value) for name, value in finding.details.items()}
    if not finding.passed:
        metadata["what_to_do"] = dg.MetadataValue.text(audit.remedy)
    if finding.sample:
        records = [dg.TableRecord({name: _cell(value) for name, value in row.items()}) for row in finding.sample]
        metadata["sample"] = dg.MetadataValue.table(records)
    return dg.AssetCheckResult(
        asset_key=InstanceNames(instance).relation(audit.relation),
        check_name=audit.name,
        passed=finding.passed,
        severity=dg.AssetCheckSeverity.ERROR if finding.is_error else dg.AssetCheckSeverity.WARN,
        metadata=metadata,
    )


def _cell(value: object) -> str | int | float | bool | None:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
