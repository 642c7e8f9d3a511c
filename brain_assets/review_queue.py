"""The review queue in Dagster: the hourly pass that tries again, jobs for people, and the overview in the catalog.

Belongs here: ops, jobs and the external asset. Does not: what can be tried again (flows/process_reviews).
"""

from datetime import timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from vici_brain.brain.reviews import QueuedItem, ReviewQueue
from vici_brain.brain.shown_tables import manual_review_queue
from vici_brain.domain.breaker import CLOSED
from vici_brain.flows.process_reviews import NOT_TRIED, process_reviews
from vici_brain.orchestration.asset_keys import CONSISTENCY_GROUP, OWNERS, REVIEW_JOB, REVIEW_QUEUE, REVIEW_SETTLE_JOB
from vici_brain.orchestration.automation import job_tags
from vici_brain.orchestration.consistency import overview_metadata
from vici_brain.orchestration.reporting import as_failures, as_metadata, table_metadata
from vici_brain.orchestration.resources import Connections

_SHOWN = 20


def review_queue() -> dg.AssetSpec:
    """``manual_review_queue``: what waits for a person; each pass observes it."""
    return dg.AssetSpec(
        REVIEW_QUEUE,
        description="What needs a person's decision, by reason and urgency; the hourly pass reports here what is open",
        group_name=CONSISTENCY_GROUP,
        kinds={"postgres", "table"},
        owners=OWNERS,
        metadata=table_metadata(manual_review_queue),
    )


class Pass(dg.Config):
    """What a pass looks at; as it stands, all that wait."""

    limit: int | None = Field(default=None, ge=1, description="Look at so many items at most, the most urgent first; unset: all")


def process_reviews_job() -> dg.JobDefinition:
    """``process_reviews``: tries again what can be, closes what settled itself, and shows what is left."""

    @dg.op(description="Looks at every pending item of the review queue again")
    def look_again(context: dg.OpExecutionContext, config: Pass, connections: dg.ResourceParam[Connections]) -> None:
        with as_failures(context):
            retries = {"circuit_open": lambda item: probe_dialer(connections, item)}
            done = process_reviews(connections.brain, connections.clock(), retries, limit=config.limit)
        _report(context, connections, as_metadata(done))

    @dg.job(
        name=REVIEW_JOB,
        description="Tries again what waits in the review queue, closes what has settled, and reports what is left",
        tags=job_tags("process_reviews", seconds=900),
        executor_def=dg.in_process_executor,
    )
    def process() -> None:
        look_again()

    return process


class Decision(dg.Config):
    """What a person decided about one item."""

    item: int = Field(ge=1, description="Number of the item")
    decision: str = Field(pattern="^(assign|resolve|dismiss)$", description="assign, resolve or dismiss")
    person: str = Field(min_length=1, description="Who takes it or decided it")
    note: str = Field(default="", description="What was found or done; kept with the item")


def settle_review_job() -> dg.JobDefinition:
    """``settle_review``: a person's decision about one item."""

    @dg.op(description="Assigns, resolves or dismisses one item of the review queue")
    def settle(context: dg.OpExecutionContext, config: Decision, connections: dg.ResourceParam[Connections]) -> None:
        queue, now = ReviewQueue(connections.brain), connections.clock()
        with as_failures(context):
            match config.decision:
                case "assign":
                    was_open = queue.assign(config.item, config.person, now)
                case "resolve":
                    was_open = queue.resolve(config.item, config.person, config.note, now)
                case _:
                    was_open = queue.dismiss(config.item, config.person, config.note, now)
        if not was_open:
            raise dg.Failure(f"no open item {config.item}: `vici-brain reviews list` shows them", allow_retries=False)
        _report(context, connections, {})

    @dg.job(
        name=REVIEW_SETTLE_JOB,
        description="Assigns, resolves or dismisses one item of the review queue; options: item, decision, person, note",
        tags=job_tags("settle_review", seconds=int(timedelta(minutes=5).total_seconds())),
        executor_def=dg.in_process_executor,
    )
    def settle_review() -> None:
        settle()

    return settle_review


def probe_dialer(connections: Connections, item: QueuedItem) -> str | None:
    """Asks a dialer behind an open breaker whether it answers, as often as the breaker needs to hear it; no other circuit."""
    names = {f"dialer:{dialer.name}": dialer.name for dialer in connections.settings.dialers}
    if item.entity_type != "circuit" or item.entity_key not in names:
        return NOT_TRIED
    dialer, breaker = connections.dialer(names[item.entity_key]), connections.breaker(item.entity_key)
    for _ in range(breaker.policy.successes):
        with dialer.session(connections.clock):
            pass
    return "tried again: the dialer answers" if breaker.state().state == CLOSED else None


def _report(context: dg.OpExecutionContext, connections: Connections, done: dict[str, dg.MetadataValue[Any]]) -> None:
    queue = ReviewQueue(connections.brain)
    shown = {**done, **overview_metadata(queue.overview(), queue.listed(limit=_SHOWN))}
    context.add_output_metadata(shown)
    context.log_event(dg.AssetObservation(REVIEW_QUEUE, metadata=shown))
