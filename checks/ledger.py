"""Standing checks of a dialer: is anything unread, unproven, or its clock wrong, now. With the picture of ninety days.

Belongs here: the ledger's state in Dagster's words. Does not: the state (brain/standing), or checks of a window (call_logs).
"""

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import dagster as dg
from pydantic import Field

from vici_brain.brain.standing import LedgerState, Standing, ledger_state
from vici_brain.domain.proof_map import as_markdown, proof_map
from vici_brain.errors import ViciBrainError
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.orchestration.reporting import as_failures
from vici_brain.orchestration.resources import Connections
from vici_brain.settings import Settings
from vici_brain.vici.call_tables import CALL_TABLES

UNREAD, UNPROVEN, CLOCK = "no_partition_left_failed", "nothing_unproven_past_due", "clock_and_zone_agree"
_DESCRIPTIONS = {
    UNREAD: "Every five minutes since the first partition were read, but for the last half hour. If not: the gap sensor has them "
    "read again; if they stay, see what its runs failed of, or materialise the stretches by hand.",
    UNPROVEN: "Every five minutes read more than 90 minutes ago are proven equal to the dialer by count and checksum. If not: "
    "`vici-brain reconcile --from … --to … --repair` names the keys that differ.",
    CLOCK: "The dialer's clock is within 30 seconds of ours and its calls are written in the configured time zone. If not: no "
    "call is read until clock or setting is put right.",
}


class Audited(dg.Config):
    """What the picture of proofs shows."""

    days: int = Field(default=90, ge=1, le=366, description="How many days back the picture of proofs shows")


def ledger_checks(instance: str, settings: Settings) -> dg.AssetChecksDefinition:
    """The standing checks of one dialer, on its ledger."""
    key = InstanceNames(instance).ledger

    @dg.multi_asset_check(
        name=f"{instance}__audit_ledger",
        specs=[dg.AssetCheckSpec(name, asset=key, description=text, blocking=False) for name, text in _DESCRIPTIONS.items()],
        description=f"Asks the ledger and the dialer {instance} what is wrong now",
        can_subset=True,
        pool=InstanceNames(instance).dialer_pool,
    )
    def audit_ledger(
        context: dg.AssetCheckExecutionContext, config: Audited, connections: dg.ResourceParam[Connections]
    ) -> Iterator[dg.AssetCheckResult]:
        wanted = {check.name for check in context.selected_asset_check_keys}
        with as_failures(context):
            now = connections.clock()
            first = datetime.combine(settings.sync_start, datetime.min.time(), now.tzinfo)
            tables = [table.name for table in CALL_TABLES]
            state = ledger_state(connections.brain, instance, tables, first, now, days=config.days)
        if UNREAD in wanted:
            yield _result(key, UNREAD, state.unread, {})
        if UNPROVEN in wanted:
            yield _result(key, UNPROVEN, state.unproven, _picture(instance, state, config.days))
        # Last: a dialer that cannot be reached is when the ledger's verdicts are needed most.
        if CLOCK in wanted:
            with as_failures(context):
                passed, metadata = _clock(connections, instance)
            yield dg.AssetCheckResult(asset_key=key, check_name=CLOCK, passed=passed, metadata=metadata)

    return audit_ledger


def ledger_check_keys(instance: str) -> list[dg.AssetCheckKey]:
    return [dg.AssetCheckKey(InstanceNames(instance).ledger, name) for name in _DESCRIPTIONS]


def _result(key: dg.AssetKey, name: str, standing: Standing, more: dict[str, dg.MetadataValue[Any]]) -> dg.AssetCheckResult:
    metadata: dict[str, dg.MetadataValue[Any]] = {
        "offending_buckets": dg.MetadataValue.int(standing.offending),
        "due_buckets": dg.MetadataValue.int(standing.due),
    }
    if standing.stretches:
        records = [dg.TableRecord({"stretch_utc": stretch}) for stretch in standing.stretches]
        metadata |= {"sample": dg.MetadataValue.table(records), "what_to_do": dg.MetadataValue.text(_DESCRIPTIONS[name])}
    return dg.AssetCheckResult(asset_key=key, check_name=name, passed=standing.passed, metadata=metadata | more)


def _picture(instance: str, state: LedgerState, days: int) -> dict[str, dg.MetadataValue[Any]]:
    shares = {(hour.day, hour.hour): (state.share(hour), hour.differing > 0) for hour in state.coverage}
    svg = proof_map(shares, state.shown.start.date(), state.shown.end.date())
    return {
        f"proven_percent_of_{days}_days": dg.MetadataValue.float(math.floor(1000 * state.proven_percent) / 1000),
        "proof_map": dg.MetadataValue.md(
            as_markdown(svg, f"share of five-minute buckets of {instance} that is proven, by hour UTC")
        ),
    }


def _clock(connections: Connections, instance: str) -> tuple[bool, dict[str, dg.MetadataValue[Any]]]:
    """A session is refused for a wrong clock or zone; any other refusal says nothing about either and fails the step."""
    try:
        with connections.dialer(instance).session(connections.clock) as session:
            clock, behind = session.clock, session.behind
    except ViciBrainError as error:
        if "the dialer is refused" not in str(error):
            raise
        return False, {"problem": dg.MetadataValue.text(str(error)), "what_to_do": dg.MetadataValue.text(_DESCRIPTIONS[CLOCK])}
    skew = dg.MetadataValue.float(round(clock.skew.total_seconds(), 3))
    return True, {
        "clock_skew_seconds": skew,
        "replica_behind_seconds": dg.MetadataValue.float(behind.total_seconds()),
        "notices": dg.MetadataValue.text("; ".join(clock.warnings) or "none"),
    }
