"""What Dagster itself knows to be wrong: runs that failed, and checks of severity ERROR that are red.

Belongs here: reading Dagster's record. Does not: what Brain's tables tell (brain/troubles), or sending (flows/send_alerts).

A sensor for failed runs would not see a red check, after which a run ends well, and would send without a throttle.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

import dagster as dg

from vici_brain.domain.throttle import Matter
from vici_brain.errors import scrub
from vici_brain.orchestration.partitions import PARTITION_TAG, RANGE_TAGS

_MOST_RUNS = 100
_LONGEST = 600


def failed_runs(instance: dg.DagsterInstance, since: datetime) -> list[tuple[datetime, Matter]]:
    """Runs that failed since then, oldest first, each with when it did; those that are being run again are left out."""
    filters = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since)
    records = instance.get_run_records(filters, limit=_MOST_RUNS, order_by="update_timestamp", ascending=True)
    found = []
    for record in records:
        run = record.dagster_run
        if run.tags.get("dagster/will_retry") == "true":
            continue
        name, partitions = _named(run), _partitions(run.tags)
        matter = Matter(
            f"run_failed/{name}",
            "run_failed",
            "critical",
            f"the run of {name} failed",
            " ".join(filter(None, [partitions, _reason(instance, run.run_id)])),
            f"/runs/{run.run_id}",
        )
        found.append((record.update_timestamp, matter))
    return found


def _named(run: dg.DagsterRun) -> str:
    """Its job; what is materialised from a page of the UI has none of its own and goes by its assets."""
    if not run.job_name.startswith("__"):
        return run.job_name
    keys = {key.to_user_string() for key in run.asset_selection or ()}
    first, *more = sorted(keys | {key.asset_key.to_user_string() for key in run.asset_check_selection or ()}) or [run.job_name]
    return f"{first} and {len(more)} more" if more else first


def _partitions(tags: Mapping[str, str]) -> str:
    first, last = (tags.get(tag) for tag in RANGE_TAGS)
    if first is not None and last is not None and first != last:
        return f"Partitions {first} to {last}:"
    partition = tags.get(PARTITION_TAG, first)
    return f"Partition {partition}:" if partition else ""


def _reason(instance: dg.DagsterInstance, run_id: str) -> str:
    """The line that the step ended with, which says what to do; else what Dagster says of the run."""
    steps = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1).records
    for record in steps:
        event = record.event_log_entry.dagster_event
        if event is not None:
            error = event.step_failure_data.error
            given = event.step_failure_data.user_failure_data
            said = (given.description if given else None) or (error.message if error else None)
            return scrub(" ".join((said or "").split()))[:_LONGEST]
    ends = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.RUN_FAILURE, limit=1).records
    return scrub(" ".join(ends[0].event_log_entry.message.split()))[:_LONGEST] if ends else ""


def red_checks(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey], told_otherwise: Collection[str] = ()
) -> Iterator[Matter]:
    """Checks whose newest verdict is a failure of severity ERROR; ``told_otherwise`` names those that Brain tells of itself."""
    for key in keys:
        if key.name in told_otherwise:
            continue
        record = instance.get_latest_asset_check_evaluation_record(key)
        entry = record.event if record else None
        event = entry.dagster_event if entry else None
        if event is None or event.event_type != dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            continue
        verdict = event.asset_check_evaluation_data
        if verdict.passed or verdict.severity != dg.AssetCheckSeverity.ERROR:
            continue
        asset = key.asset_key.to_user_string()
        yield Matter(
            f"check/{asset}/{key.name}",
            "check",
            "critical",
            f"{asset}: the check {key.name} is red",
            scrub(_said(verdict)),
            f"/assets/{asset}?view=checks&checkDetail={key.name}",
        )


def _said(verdict: dg.AssetCheckEvaluation) -> str:
    shown = [f"{name}: {value.value}" for name, value in verdict.metadata.items() if isinstance(value.value, str | int | float)]
    return " · ".join(filter(None, [verdict.description or "", *(each for each in shown if len(each) <= 200)]))[:_LONGEST]
