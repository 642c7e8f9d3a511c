"""A small world for the Dagster shells: real definitions over SQLite dialers and a real Brain, run in this process.

The days lie in the past, so that partitions exist; the clock is ours, because a check compares the ledger with it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from builders import NEW_YORK, NOON, Exchange
from pydantic import SecretStr

from definitions import definitions_for
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.orchestration.partitions import key_of
from vici_brain.settings import DialerSettings, Settings

VICI = InstanceNames("vici")
NOON_KEY = key_of(NOON)
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def settings_for(folder: Path, brain_url: str | None, *instances: str, **changes: Any) -> Settings:
    """``instances`` (default: vici) on SQLite files of ``folder``."""
    dialers = tuple(DialerSettings(name, NEW_YORK, SecretStr(f"sqlite:///{folder}/{name}.db")) for name in instances or ("vici",))
    settings = Settings(
        home=folder,
        brain_url=None if brain_url is None else SecretStr(brain_url),
        dagster_url=None,
        dialers=dialers,
        sync_start=date(2025, 6, 1),
    )
    return replace(settings, **changes)


class CallCentre:
    """Dialers, their definitions, and an ephemeral instance of Dagster."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.settings, self.instance = settings, instance
        self.dialers = {
            each.name: Exchange(each.url.get_secret_value(), each.time_zone)
            for each in settings.dialers
            if each.url and "sqlite" in each.url.get_secret_value()
        }
        self.now: datetime | None = None
        self.defs = definitions_for(settings, self.clock)

    def clock(self) -> datetime:
        return self.now or datetime.now(UTC)

    @property
    def dialer(self) -> Exchange:
        return self.dialers["vici"]

    def run(
        self, job: str = VICI.sync_job, *, tags: Mapping[str, str] | None = None, **options: Any
    ) -> dg.ExecuteInProcessResult:
        """A run of a job of the definitions; it may fail."""
        return self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, raise_on_error=False, tags=dict(tags or {}), **options
        )

    def sync(self, start: datetime = NOON, *, instance: str = "vici", tags: Mapping[str, str] | None = None) -> Any:
        """The five minutes from ``start``."""
        return self.run(InstanceNames(instance).sync_job, partition_key=key_of(start), tags=tags)

    def sync_range(self, start: datetime, end: datetime) -> dg.ExecuteInProcessResult:
        """Every partition of ``[start, end)`` in one run."""
        keys = (key_of(start), key_of(end - timedelta(minutes=5)))
        return self.run(tags=dict(zip(_RANGE, keys, strict=True)))

    def close(self) -> None:
        for dialer in self.dialers.values():
            dialer.close()


@contextmanager
def call_centre(settings: Settings, *, on_disk: bool = False) -> Iterator[CallCentre]:
    """Ephemeral unless ``on_disk``: a schedule's context reaches an instance by reference only."""
    with (
        pytest.MonkeyPatch.context() as environment,
        dg.instance_for_test() if on_disk else dg.DagsterInstance.ephemeral() as instance,
    ):
        # As `dagster_environment` has it: one event announces a run's partitions, not one for each.
        environment.setenv("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", "1")
        opened = CallCentre(settings, instance)
        try:
            yield opened
        finally:
            opened.close()


def metadata_of(result: dg.ExecuteInProcessResult, key: dg.AssetKey, partition: str = NOON_KEY) -> dict[str, Any]:
    """Plain values of the materialisation of one partition."""
    (found,) = [
        event.materialization
        for event in (each.step_materialization_data for each in result.get_asset_materialization_events())
        if event.materialization.asset_key == key and event.materialization.partition == partition
    ]
    return {name: value.value for name, value in found.metadata.items()}


def verdicts(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {check.check_name: check.passed for check in result.get_asset_check_evaluations()}


def sample(check: dg.AssetCheckEvaluation) -> list[dict[str, Any]]:
    """The offenders that a red check shows."""
    table = check.metadata["sample"]
    assert isinstance(table, dg.TableMetadataValue)
    return [dict(record.data) for record in table.records]


def evaluation(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    (found,) = [check for check in result.get_asset_check_evaluations() if check.check_name == name]
    return found
