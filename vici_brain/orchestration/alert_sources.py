"""What Dagster itself knows to be wrong: runs that failed, and checks of severity ERROR that are red.

Belongs here: reading Dagster's record. Does not: what Brain's tables tell (brain/troubles), or sending (flows/send_alerts).

A sensor for failed runs would not see a red check, after which a run ends well, and would send without a throttle.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

import dagster as dg

from vici_brain.domain.throttle import Matter
from vici_brain.errors import scrub

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
        matter = Matter(
            f"run_failed/{run.job_name}",
            "run_failed",
            "critical",
            f"the run of {run.job_name} failed",
            _reason(instance, run.run_id),
            f"/runs/{run.run_id}",
        )
        found.append((record.update_timestamp, matter))
    return found


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
