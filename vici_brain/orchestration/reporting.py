"""How runs tell people what happened: results as metadata, progress as events, errors as failures, and who started them.

Belongs here: translation from the flows' frozen results and errors into Dagster's words. Does not: counting or deciding anything.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
from sqlalchemy import Dialect, Table
from sqlalchemy.dialects import mysql, postgresql

from vici_brain.brain.calls import MergeCounts
from vici_brain.brain.comments import column_comments
from vici_brain.brain.journal import SyncIdentity
from vici_brain.domain.windows import BUCKET
from vici_brain.errors import CircuitOpenError, RetriableError, ViciBrainError
from vici_brain.flows.read_calls import SliceDone
from vici_brain.orchestration.asset_keys import SHOW_TAG
from vici_brain.orchestration.automation import RETRY
from vici_brain.orchestration.partitions import key_of, window_of

StepContext = dg.OpExecutionContext | dg.AssetExecutionContext | dg.AssetCheckExecutionContext
ROW_COUNT = "dagster/row_count"
_TRIGGERS = {"dagster/schedule_name": "schedule", "dagster/sensor_name": "sensor", "dagster/backfill": "backfill"}


def as_metadata(
    result: Any, *, rows: str | None = None, without: tuple[str, ...] = (), prefix: str = ""
) -> dict[str, dg.MetadataValue[Any]]:
    """The fields of a frozen result, each once; ``rows`` names the one that counts the rows of the partition."""
    values = {field.name: getattr(result, field.name) for field in fields(result) if field.name not in without}
    metadata = {prefix + name: as_value(value) for name, value in values.items()}
    return metadata if rows is None else metadata | {ROW_COUNT: dg.MetadataValue.int(getattr(result, rows))}


def of_whole_run(result: Any, *, without: tuple[str, ...] = ()) -> dict[str, dg.MetadataValue[Any]]:
    """The same fields as one entry, ``run``, for every partition of a range: each entry of each event costs Dagster time."""
    values = {field.name: getattr(result, field.name) for field in fields(result) if field.name not in without}
    plain = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
    return {"run": dg.MetadataValue.json(plain)}


def as_value(value: object) -> dg.MetadataValue[Any]:  # noqa: PLR0911 - a table of types
    match value:
        case bool():
            return dg.MetadataValue.bool(value)
        case int():
            return dg.MetadataValue.int(value)
        case float():
            return dg.MetadataValue.float(value)
        case datetime():
            return dg.MetadataValue.timestamp(value)
        case None:
            return dg.MetadataValue.null()
        case tuple() | list():
            return dg.MetadataValue.text("; ".join(map(str, value)))
        case Mapping():
            return dg.MetadataValue.json(dict(value))
    return dg.MetadataValue.text(str(value))


def table_metadata(table: Table, *, cut_by: str | None = None, half_of: Table | None = None) -> dict[str, Any]:
    """What the catalog shows of a relation of Brain: its name, its columns, and the column its partitions are ``cut_by``.

    A view has no comments of its own: it shows those of the table that it is ``half_of``.
    """
    comments = column_comments((table if half_of is None else half_of).name)
    shown = _shown(table, postgresql.dialect(), comments)  # type: ignore[no-untyped-call]
    return shown if cut_by is None else shown | {"dagster/partition_expr": cut_by}


def dialer_table_metadata(table: Table) -> dict[str, Any]:
    """The same of a dialer's table, as ViciDial's schema has it; a dialer may have more columns, which nobody reads here."""
    return _shown(table, mysql.dialect(), {})


def _shown(table: Table, dialect: Dialect, comments: Mapping[str, str]) -> dict[str, Any]:
    columns = [
        dg.TableColumn(
            column.name,
            column.type.compile(dialect).removesuffix(' COLLATE "C"').lower(),
            comments.get(column.name),
            constraints=dg.TableColumnConstraints(nullable=bool(column.nullable)),
        )
        for column in table.columns
    ]
    return {"dagster/column_schema": dg.TableSchema(columns), "dagster/table_name": table.name}


def trigger_of(tags: Mapping[str, str]) -> str:
    """Who started a run: ``schedule``, ``sensor``, ``backfill`` or ``manual``."""
    return next((trigger for tag, trigger in _TRIGGERS.items() if tag in tags), "manual")


def identity_of(context: dg.AssetExecutionContext, instance: str) -> SyncIdentity:
    """The sync that a run is, as sync_logs keeps it: ``calls`` for one partition, ``history`` for more."""
    window = window_of(context)
    kind = "calls" if window.length <= BUCKET else "history"
    tags = context.run.tags
    return SyncIdentity(instance, kind, trigger_of(tags), window, context.run.run_id, tags.get("dagster/root_run_id"))


@contextmanager
def as_failures(context: StepContext) -> Iterator[None]:
    """Our errors as the step's: another try where RETRY allows one, else a failure that says the one line with the remedy.

    A ``retry_policy`` on the step would repeat programming errors too, and would end with "exceeded max_retries" instead
    of that line.
    """
    try:
        yield
    except ViciBrainError as error:
        # An open breaker would refuse again; what was not read is asked for once more by whoever watches the ledger.
        is_worth_it = isinstance(error, RetriableError) and not isinstance(error, CircuitOpenError)
        if is_worth_it and context.retry_number < RETRY.max_retries:
            context.log.warning("try %d failed: %s", context.retry_number + 1, error)
            wait = RETRY.calculate_delay(context.retry_number + 1)
            raise dg.RetryRequested(max_retries=RETRY.max_retries, seconds_to_wait=wait) from error
        raise dg.Failure(str(error), allow_retries=False) from error


def each_partition(context: dg.AssetExecutionContext, key: dg.AssetKey, figures: Mapping[datetime, Mapping[str, int]]) -> None:
    """Gives the partitions of a ranged run figures of their own, by their start; what a result carries is copied onto them all.

    One in which nothing was counted has :func:`nothing_counted` from the result.
    """
    counted = {key_of(start): each for start, each in figures.items() if any(each.values())}
    try:
        give_at_once(context, key, counted)
    except (ImportError, AttributeError):  # a Dagster that is built otherwise
        give_one_by_one(context, key, counted)


def give_one_by_one(context: dg.AssetExecutionContext, key: dg.AssetKey, figures: Mapping[str, Mapping[str, int]]) -> None:
    """Dagster's own way, which copies and checks all that was given so far for each that is given."""
    for partition, each in figures.items():
        context.add_asset_metadata(each, asset_key=key, partition_key=partition)


def give_at_once(context: dg.AssetExecutionContext, key: dg.AssetKey, figures: Mapping[str, Mapping[str, int]]) -> None:
    """The same without the copies, a quarter of Dagster's time of a week's run, and half where no five minutes are silent.

    The one place where we reach into Dagster (docs/decisions/0008): it has no public way to give more than one at a time.
    """
    from dagster._core.execution.context.metadata_logging import AssetMetadataHandle, OutputMetadataAccumulator  # noqa: PLC0415

    step = context.get_step_execution_context()
    given = dict(step._metadata_accumulator.per_output_metadata)  # noqa: SLF001
    given |= {AssetMetadataHandle(asset_key=key, partition_key=partition): each for partition, each in figures.items()}
    step._metadata_accumulator = OutputMetadataAccumulator(per_output_metadata=given)  # noqa: SLF001


def nothing_counted(*names: str) -> dict[str, dg.MetadataValue[Any]]:
    """What a ranged result says for every partition that :func:`each_partition` gives no figures of its own."""
    return {name: dg.MetadataValue.int(0) for name in (ROW_COUNT, *names)}


def is_only_shown(context: dg.AssetExecutionContext) -> bool:
    """Whether the run only shows what the ledger has already."""
    return SHOW_TAG in context.run.tags


class DayProgress:
    """Follows a read slice by slice and reports each UTC day that is done: a line in the log, an observation in the catalog."""

    def __init__(self, context: dg.AssetExecutionContext, key: dg.AssetKey) -> None:
        self._context, self._key = context, key
        self._day: date | None = None
        self._total = MergeCounts()

    def __call__(self, done: SliceDone) -> None:
        day = (done.window.end.astimezone(UTC) - timedelta(microseconds=1)).date()
        if self._day is not None and day != self._day:
            self._report()
        self._day, self._total = day, self._total + done.counts

    def finish(self) -> None:
        """The last day; for a single partition the materialisation says it all."""
        if self._day is not None and self._context.has_partition_key_range and len(self._context.partition_keys) > 1:
            self._report()

    def _report(self) -> None:
        total = self._total
        self._context.log.info(
            "%s: %s is read; so far %d rows, %d new, %d updated, %d quarantined",
            *(self._key.to_user_string(), self._day, total.read, total.new, total.updated, total.quarantined),
        )
        metadata = {"day": dg.MetadataValue.text(str(self._day)), **as_metadata(total)}
        self._context.log_event(dg.AssetObservation(self._key, metadata=metadata))
