"""The code location as a whole: it loads anywhere, nothing in it is a phantom, and everything says what it is."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from call_centre import VICI, settings_for

import definitions
from vici_brain.brain.audits import AUDITS
from vici_brain.orchestration.asset_keys import LEADS, InstanceNames
from vici_brain.orchestration.automation import pool_limits

ROOT = Path(definitions.__file__).parent
FOLDERS = ("vici_assets", "brain_assets", "checks", "sensors")
LOADING = """
import socket, sys
def refuse(*_): raise AssertionError("the network was touched")
socket.socket.connect = socket.create_connection = refuse
import definitions
heavy = {"pandas", "numpy", "pyarrow", "great_expectations", "alembic"} & set(sys.modules)
assert not heavy, heavy
print(len(definitions.defs.resolve_asset_graph().get_all_asset_keys()))
"""


@pytest.fixture
def defs(tmp_path: Path) -> dg.Definitions:
    return definitions.definitions_for(settings_for(tmp_path, None, "east", "west"))


def assets_of(defs: dg.Definitions) -> Iterator[dg.AssetSpec]:
    for asset in defs.assets or ():
        if isinstance(asset, dg.AssetSpec):
            yield asset
        elif isinstance(asset, dg.AssetsDefinition):
            yield from asset.specs


def test_the_code_location_loads_with_an_empty_environment_and_without_a_network(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LOADING], cwd=ROOT, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 6
    assert "Warning" not in done.stderr


def test_a_run_never_walks_through_what_was_imported() -> None:
    counting = "import gc, definitions; print(gc.get_freeze_count(), len(gc.get_objects()))"
    done = subprocess.run([sys.executable, "-c", counting], cwd=ROOT, env={}, capture_output=True, text=True, check=True)
    spared, left = map(int, done.stdout.split())
    assert spared > 100_000
    assert left < 1_000


def test_everything_can_be_loaded_and_resolved(defs: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(defs)


def test_every_key_named_anywhere_is_an_asset_of_ours_or_declared_external(defs: dg.Definitions) -> None:
    declared = {spec.key for spec in assets_of(defs)}
    named = {dep.asset_key for spec in assets_of(defs) for dep in spec.deps}
    checked = {key.asset_key for checks in defs.asset_checks or () for key in checks.check_keys}
    assert (named | checked) - declared == set()
    names = [InstanceNames(instance) for instance in ("east", "west")]
    assert declared >= {LEADS} | {key for each in names for key in (*each.pipeline, *each.dialer_tables)}
    materialisable = {key for asset in defs.assets or () if isinstance(asset, dg.AssetsDefinition) for key in asset.keys}
    assert materialisable >= {key for each in names for key in each.pipeline}


def test_every_module_of_the_four_folders_contributes() -> None:
    text = (ROOT / "definitions.py").read_text()
    modules = [f"{folder}.{path.stem}" for folder in FOLDERS for path in (ROOT / folder).glob("*.py") if path.stem != "__init__"]
    assert len(modules) >= 7
    assert [module for module in modules if f"from {module} import" not in text] == []


def test_every_definition_says_what_it_is(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()
    described = {
        **{spec.key.to_user_string(): spec.description for spec in assets_of(defs)},
        **{job.name: job.description for job in repository.get_all_jobs() if not job.name.startswith("__")},
        **{schedule.name: schedule.description for schedule in repository.schedule_defs},
        **{sensor.name: sensor.description for sensor in repository.sensor_defs},
        **{spec.name: spec.description for checks in defs.asset_checks or () for spec in checks.check_specs},
    }
    assert [name for name, text in described.items() if not text] == []
    assert len(described) >= 11 + 6 + 4 + 1 + len(AUDITS)


# What nobody can make up: which item is meant, what was decided, and who did.
ASKED_FOR = {"settle_review": {"item", "decision", "person"}}


def test_every_job_has_options_that_say_what_they_are_and_have_a_default(defs: dg.Definitions) -> None:
    for job in defs.get_repository_def().get_all_jobs():
        if job.name.startswith("__"):
            continue
        options = dict(_options(job))
        assert options, f"{job.name} has no option in its launchpad"
        assert [name for name, field in options.items() if not field.description] == [], job.name
        assert {name for name, field in options.items() if field.is_required} == ASKED_FOR.get(job.name, set())


def _options(job: dg.JobDefinition) -> Iterator[tuple[str, dg.Field]]:
    shape: Any = job.run_config_schema.config_type
    ops = shape.fields.get("ops")
    for op in ops.config_type.fields.values() if ops else ():
        config = op.config_type.fields.get("config")
        yield from getattr(config.config_type, "fields", {}).items() if config else ()


def test_every_asset_has_a_group_an_owner_and_kinds(defs: dg.Definitions) -> None:
    specs = [spec for spec in assets_of(defs) if not spec.metadata.get("dagster/internal")]
    assert [spec.key for spec in specs if not (spec.group_name and spec.owners and spec.kinds)] == []


def test_assets_carry_what_the_catalog_shows(defs: dg.Definitions) -> None:
    (calls,) = [spec for spec in assets_of(defs) if spec.key == InstanceNames("east").call_logs]
    columns = calls.metadata["dagster/column_schema"].columns
    assert [(column.name, column.type) for column in columns[:2]] == [("instance", "text"), ("source_table", "text")]
    assert calls.kinds == {"mariadb", "postgres"}
    assert list(calls.owners) == ["team:data-engineering"]
    assert calls.group_name == "east_calls"


def test_partitions_are_five_utc_minutes_and_a_backfill_run_takes_a_week(defs: dg.Definitions) -> None:
    pipeline = {key for instance in ("east", "west") for key in InstanceNames(instance).pipeline}
    for asset in (each for each in defs.assets or () if isinstance(each, dg.AssetsDefinition) and each.keys & pipeline):
        partitions = asset.partitions_def
        if partitions is None:
            continue
        assert isinstance(partitions, dg.TimeWindowPartitionsDefinition)
        assert (partitions.fmt, partitions.timezone, partitions.cron_schedule) == ("%Y-%m-%d-%H:%M", "UTC", "*/5 * * * *")
        assert partitions.has_partition_key("2025-06-01-00:00")
        assert not partitions.has_partition_key("2025-05-31-23:55")
        assert asset.backfill_policy == dg.BackfillPolicy.multi_run(2016)


def test_every_pool_that_is_used_has_a_limit(defs: dg.Definitions, tmp_path: Path) -> None:
    repository = defs.get_repository_def()
    used = {pool for job in repository.get_all_jobs() for node in job.graph.nodes for pool in node.definition.pools}
    assert used == set(pool_limits(settings_for(tmp_path, None, "east", "west")))


def test_the_sync_job_reads_matches_and_checks_in_one_process(defs: dg.Definitions) -> None:
    job = defs.resolve_job_def(InstanceNames("east").sync_job)
    assert {node.name for node in job.graph.nodes} == {"east__vici_call_logs", "east__match_calls", "east__audit_calls"}
    assert job.executor_def.name == "in_process"
    assert definitions.defs.executor is dg.in_process_executor
    assert VICI.sync_job == "sync_calls_vici"
