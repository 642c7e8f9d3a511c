"""The command `expectations`: holds the calls and leads of any stretch against what is expected of them.

Belongs here: options and printing. Does not: the suites (orchestration/expectation_suites).
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from vici_brain.errors import DifferenceError
from vici_brain.settings import load_settings

if TYPE_CHECKING:
    from vici_brain.orchestration.expectations import SuiteResult

_out = Console(highlight=False)


def register(app: typer.Typer) -> None:
    app.command("expectations")(expectations)


def expectations(
    since: Annotated[
        str | None,
        typer.Option("--from", help="First moment, UTC unless it carries an offset; default: the newest day that is over."),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="End, not included; default: a day after --from.")] = None,
) -> None:
    """Check columns, ranges, formats, sets, uniqueness and drift of calls and leads; fails if one that matters is not met."""
    # Dagster's words and Great Expectations: seconds of imports that no other command should pay.
    from vici_brain.orchestration.call_report import stretch  # noqa: PLC0415
    from vici_brain.orchestration.expectations import check_expectations  # noqa: PLC0415
    from vici_brain.orchestration.resources import Connections  # noqa: PLC0415

    settings = load_settings()
    now = datetime.now(UTC)
    connections = Connections(settings, lambda: now)
    try:
        run = check_expectations(connections, stretch(since, until, settings.reports, now))
    finally:
        connections.close()
    table = Table("suite", "rows", "expectations", "not met", title=f"{run.window}", title_justify="left", box=None)
    for result in run.results:
        table.add_row(result.name, _rows(result), *_counts(result.expectations, result.broken))
    _out.print(table)
    for result in run.results:
        for each in result.broken:
            said = f"{result.name}: {each.expectation} {each.column}: {each.unexpected:,} rows ({each.percent} %)"
            _out.print(f"{said} {'; '.join(each.sample)}", soft_wrap=True, markup=False)
    _out.print(f"pages: {run.docs.as_uri()}", soft_wrap=True, markup=False)
    if not run.passed:
        raise DifferenceError(f"{run.window}: not every expectation is met")


def _rows(result: "SuiteResult") -> str:
    return "not there yet" if result.is_absent else f"{result.rows:,}" + (" (newest)" if result.is_cut else "")


def _counts(expectations: int, broken: tuple[object, ...]) -> tuple[str, str]:
    return str(expectations), str(len(broken)) if broken else "none"
