"""Running suites of expectations over a stretch, and the pages that show what was found.

Belongs here: great-expectations, its context and its Data Docs. Does not: what is expected (expectation_suites).

Its import costs four CPU seconds and a quarter of a gigabyte: only here, inside :func:`run_suites`, and never in a tick. Pages of
one look are a folder of their own; a context kept on disk would read every earlier result to write one more page.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from sqlalchemy import Engine

from vici_brain.domain.expectation_policy import ExpectationPolicy
from vici_brain.domain.windows import Window
from vici_brain.errors import ConfigurationError
from vici_brain.orchestration.data_docs import Line, keep_to_this_host, write_list
from vici_brain.orchestration.expectation_suites import SUITES, Look, Suite
from vici_brain.orchestration.page_server import page_link
from vici_brain.orchestration.reporting import as_value
from vici_brain.orchestration.resources import Connections

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext

_SITE = "vici_brain"
_SAMPLE = 5


@dataclass(frozen=True, slots=True)
class Broken:
    """One expectation that was not met, with a few of the values that did not; lookups only, never a whole row."""

    expectation: str
    column: str
    unexpected: int
    percent: float
    sample: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """``instance`` is blank for a suite that is not of one dialer."""

    suite: Suite
    instance: str
    rows: int
    is_cut: bool
    expectations: int
    broken: tuple[Broken, ...]
    is_absent: bool = False
    """Brain has no such relation, so nothing was looked at."""

    @property
    def passed(self) -> bool:
        return not self.broken

    @property
    def name(self) -> str:
        return check_name(self.suite, self.instance)


@dataclass(frozen=True, slots=True)
class ExpectationRun:
    window: Window
    results: tuple[SuiteResult, ...]
    docs: Path
    """The index of the pages."""
    url: str | None = None
    """Their address, where they are served."""

    @property
    def passed(self) -> bool:
        return all(each.passed or not each.suite.is_error for each in self.results)


def check_name(suite: Suite, instance: str) -> str:
    return f"{suite.name}_{instance}" if instance else suite.name


def suites_of(instances: Sequence[str]) -> Iterator[tuple[Suite, str]]:
    """Every suite with each dialer that it is of, blank for those of none."""
    for suite in SUITES:
        yield from ((suite, instance) for instance in (instances if suite.of_each_dialer else ("",)))


def check_expectations(connections: Connections, window: Window, only: Sequence[str] | None = None) -> ExpectationRun:
    """Every suite (or ``only`` those checks) over ``window``, with pages under the project's home."""
    settings = connections.settings
    wanted = [
        (suite, instance)
        for suite, instance in suites_of([dialer.name for dialer in settings.dialers])
        if only is None or check_name(suite, instance) in only
    ]
    run = run_suites(
        connections.brain, wanted, window, settings.expectations, now=connections.clock(), folder=settings.home / "expectations"
    )
    return replace(run, url=page_link(settings.pages_url, settings.home, run.docs))


def run_suites(
    engine: Engine, wanted: Sequence[tuple[Suite, str]], window: Window, policy: ExpectationPolicy, *, now: datetime, folder: Path
) -> ExpectationRun:
    """Raises ConfigurationError where the pages cannot be written."""
    place = folder / f"{window.start:%Y-%m-%dT%H%M}--{window.end:%Y-%m-%dT%H%M}"
    try:
        _make_room(folder, now - timedelta(days=policy.keep_days))
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        context = _context(place)
        looks = [(suite, Look(engine, instance, window, policy, now)) for suite, instance in wanted]
        results = tuple(_validated(context, suite, look) for suite, look in looks)
        context.build_data_docs(site_names=[_SITE])
        keep_to_this_host(place)
        write_list(place, f"What is expected of {window}", [_line(result) for result in results])
    except OSError as error:
        raise ConfigurationError(f"the pages of expectations cannot be written to {place}: {error.strerror}") from error
    return ExpectationRun(window, results, place / "index.html")


def _line(result: SuiteResult) -> Line:
    told = "not there yet" if result.is_absent else f"{len(result.broken)} not met" if result.broken else "met"
    return Line(
        result.name,
        result.suite.description,
        result.rows,
        result.expectations,
        told,
        failed=None if result.is_absent else bool(result.broken),
    )


def _make_room(folder: Path, before: datetime) -> None:
    for old in folder.glob("*--*"):
        if old.is_dir() and old.stat().st_mtime < before.timestamp():
            shutil.rmtree(old, ignore_errors=True)


def _context(place: Path) -> "EphemeralDataContext":
    import great_expectations as gx  # noqa: PLC0415 - see the charter
    from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(enable=False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    # It brings a site of its own, in a temporary folder that nobody would remove.
    for site, settings in dict(context.variables.data_docs_sites or {}).items():
        shutil.rmtree(settings["store_backend"]["base_directory"], ignore_errors=True)
        context.delete_data_docs_site(site)
    backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(place)}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    context.add_data_docs_site(
        site_config={"class_name": "SiteBuilder", "store_backend": backend, "site_index_builder": index}, site_name=_SITE
    )
    return context


def _validated(context: "EphemeralDataContext", suite: Suite, look: Look) -> SuiteResult:
    import great_expectations as gx  # noqa: PLC0415 - see the charter
    import great_expectations.expectations as gxe  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    name, rows = check_name(suite, look.instance), suite.read(look)
    if rows.is_absent:
        return SuiteResult(suite, look.instance, 0, is_cut=False, expectations=0, broken=(), is_absent=True)
    # As objects: pandas would make floats of whole numbers that may be missing.
    frame = pd.DataFrame(list(rows.rows), columns=list(rows.columns), dtype=object)
    expected = context.suites.add(gx.ExpectationSuite(name=name, expectations=suite.expect(gxe, look, rows)))
    batch = context.data_sources.add_pandas(name).add_dataframe_asset("rows").add_batch_definition_whole_dataframe("window")
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=expected))
    found = definition.run(batch_parameters={"dataframe": frame}, result_format="SUMMARY")
    return SuiteResult(suite, look.instance, len(rows.rows), rows.is_cut, len(found.results), tuple(_broken(found)))


def _broken(found: "ExpectationSuiteValidationResult") -> Iterator[Broken]:
    for each in found.results:
        if each.success:
            continue
        asked: dict[str, Any] = each.expectation_config.kwargs if each.expectation_config else {}
        kind = each.expectation_config.type if each.expectation_config else "?"
        column = asked.get("column") or ", ".join(asked.get("column_list", []))
        unexpected, percent = each.result.get("unexpected_count") or 0, each.result.get("unexpected_percent") or 0.0
        sample = [str(value)[:60] for value in each.result.get("partial_unexpected_list") or []][:_SAMPLE]
        if raised := _raised(each.exception_info or {}):
            sample = [raised[:200]]
        yield Broken(kind, str(column), int(unexpected), round(float(percent), 3), tuple(sample))


def _raised(told: Mapping[str, Any]) -> str:
    """What an expectation that could not be asked ended with; it tells this itself, or for each of its metrics."""
    if told.get("raised_exception"):
        return str(told.get("exception_message"))
    return next((said for each in told.values() if isinstance(each, dict) and (said := _raised(each))), "")


def metadata_of(result: SuiteResult, run: ExpectationRun) -> dict[str, dg.MetadataValue[Any]]:
    """What a check shows: counts, what was not met, and the way to the pages."""
    metadata = {
        "window": as_value(str(run.window)),
        "rows": as_value(result.rows),
        "newest_rows_only": as_value(result.is_cut),
        "expectations": as_value(result.expectations),
        "not_met": as_value(len(result.broken)),
        **({"absent": as_value("Brain has no such relation yet: nothing was looked at")} if result.is_absent else {}),
        # A path to copy too: no browser follows file:// from a page that came over http.
        **({"data_docs_page": dg.MetadataValue.url(run.url)} if run.url else {}),
        "data_docs": dg.MetadataValue.path(str(run.docs)),
    }
    if result.broken:
        records = [
            dg.TableRecord(
                {
                    "expectation": each.expectation,
                    "column": each.column,
                    "unexpected": each.unexpected,
                    "percent": each.percent,
                    "sample": "; ".join(each.sample),
                }
            )
            for each in result.broken
        ]
        metadata["broken"] = dg.MetadataValue.table(records)
    return metadata
