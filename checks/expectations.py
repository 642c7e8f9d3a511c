"""What is expected of a day's calls and leads, as checks of its report; and the job that looks at any other stretch.

Belongs here: suites in Dagster's words. Does not: the suites (orchestration/expectation_suites) or running them.

They hang on the report, which is made right before them: on the calls themselves, made every five minutes, the UI would show them
as not evaluated. Without partitions of their own, for the reason that checks/call_logs gives.
"""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from vici_brain.orchestration.asset_keys import DAILY_CALL_REPORT, EXPECTATIONS_JOB, EXPECTATIONS_LANE
from vici_brain.orchestration.automation import job_tags
from vici_brain.orchestration.call_report import day_window_of_tags, stretch
from vici_brain.orchestration.expectations import SuiteResult, check_expectations, check_name, metadata_of, suites_of
from vici_brain.orchestration.reporting import as_failures
from vici_brain.orchestration.resources import Connections
from vici_brain.settings import Settings


def expectation_checks(settings: Settings) -> dg.AssetChecksDefinition:
    """One check a suite and dialer, all in one process."""
    instances = [dialer.name for dialer in settings.dialers]

    @dg.multi_asset_check(
        name="check_day",
        specs=[
            dg.AssetCheckSpec(
                check_name(suite, name), asset=DAILY_CALL_REPORT, description=f"{suite.description}.", blocking=False
            )
            for suite, name in suites_of(instances)
        ],
        description="Holds a day's calls and leads against what is expected of them",
        can_subset=True,
    )
    def check_day(
        context: dg.AssetCheckExecutionContext, connections: dg.ResourceParam[Connections]
    ) -> Iterator[dg.AssetCheckResult]:
        names = sorted(key.name for key in context.selected_asset_check_keys)
        window = day_window_of_tags(context.run.tags, settings.reports, connections.clock())
        with as_failures(context):
            run = check_expectations(connections, window, names)
        for result in run.results:
            yield dg.AssetCheckResult(
                asset_key=DAILY_CALL_REPORT,
                check_name=result.name,
                passed=result.passed,
                severity=_severity(result),
                metadata=metadata_of(result, run),
            )

    return check_day


def expectation_check_keys(settings: Settings) -> list[dg.AssetCheckKey]:
    instances = [dialer.name for dialer in settings.dialers]
    return [dg.AssetCheckKey(DAILY_CALL_REPORT, check_name(suite, name)) for suite, name in suites_of(instances)]


class Stretch(dg.Config):
    """What to look at; as it stands, the newest day that is over."""

    since: str | None = Field(default=None, description="First moment, like 2026-01-31T00:00 (UTC); unset: the newest day")
    until: str | None = Field(default=None, description="End, not included; unset: a day after `since`")


def expectations_job(settings: Settings) -> dg.JobDefinition:
    """``check_expectations``; its run fails if an expectation that matters is not met."""

    @dg.op(name="check_stretch", description="Holds the calls and leads of any stretch against what is expected of them")
    def check_stretch(context: dg.OpExecutionContext, config: Stretch, connections: dg.ResourceParam[Connections]) -> None:
        with as_failures(context):
            window = stretch(config.since, config.until, settings.reports, connections.clock())
            run = check_expectations(connections, window)
        for result in run.results:
            context.log_event(dg.AssetObservation(DAILY_CALL_REPORT, description=result.name, metadata=metadata_of(result, run)))
        context.add_output_metadata({"data_docs": dg.MetadataValue.path(str(run.docs)), "passed": run.passed})
        if not run.passed:
            broken = [result.name for result in run.results if not result.passed]
            raise dg.Failure(f"{window}: not met: {', '.join(broken)}; see {run.docs}", allow_retries=False)

    @dg.job(
        name=EXPECTATIONS_JOB,
        description="Holds the calls and leads of any stretch against what is expected of them; options: since, until",
        tags=job_tags(EXPECTATIONS_LANE, seconds=3600),
        executor_def=dg.in_process_executor,
    )
    def check_any_stretch() -> None:
        check_stretch()

    return check_any_stretch


def _severity(result: SuiteResult) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if result.suite.is_error else dg.AssetCheckSeverity.WARN
