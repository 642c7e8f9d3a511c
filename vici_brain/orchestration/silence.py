"""A look for silence in Dagster's words, shared by the sensor that watches and the check that a person runs.

Belongs here: verdict to evaluation and to one line of text. Does not: looking (flows/watch_silence).
"""

from typing import Any

import dagster as dg

from vici_brain.flows.watch_silence import SilenceWatch
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.orchestration.reporting import as_value

CHECK = "dialer_is_as_busy_as_usual"
_SAYS_NOTHING = ("unknown_not_read", "not_enough_history")


def checked_asset(instance: str) -> dg.AssetKey:
    """The dialer's own table: it is the dialer that is silent, and no run of ours should stop to ask."""
    return InstanceNames(instance).dialer_tables[0]


def severity_of(seen: SilenceWatch) -> dg.AssetCheckSeverity:
    """ERROR for the dialer, WARN for a campaign."""
    return dg.AssetCheckSeverity.ERROR if seen.is_whole_dialer else dg.AssetCheckSeverity.WARN


def evaluation_of(seen: SilenceWatch) -> dg.AssetCheckEvaluation | None:
    """The mark of the check; ``None`` where nothing is known and nothing is open, so that the last mark stands."""
    if seen.verdict.kind in _SAYS_NOTHING and seen.is_busy_as_usual:
        return None
    return dg.AssetCheckEvaluation(
        asset_key=checked_asset(seen.instance),
        check_name=CHECK,
        passed=seen.is_busy_as_usual,
        severity=severity_of(seen),
        description=told(seen),
        metadata=metadata_of(seen),
    )


def metadata_of(seen: SilenceWatch) -> dict[str, dg.MetadataValue[Any]]:
    return {
        "verdict": as_value(seen.verdict.kind),
        "hour_until": as_value(seen.until),
        "calls": as_value(seen.verdict.calls),
        "usual_calls": as_value(float(seen.verdict.expected)),
        "reasons": as_value(seen.verdict.reasons),
        "open_silences": as_value(tuple(name or "the whole dialer" for name in seen.opened)),
    }


def told(seen: SilenceWatch | str) -> str:
    """One line for a skip reason."""
    if isinstance(seen, str):
        return seen
    still = f"; alerts open: {', '.join(name or 'the whole dialer' for name in seen.opened)}" if seen.opened else ""
    return f"{seen.instance}: {seen.verdict.kind}, {seen.verdict.reasons[0]}{still}"
