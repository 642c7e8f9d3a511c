"""The command `report`: makes the report of one day, prints it, and says where its files lie.

Belongs here: options and printing. Does not: the report (flows/report_calls).
"""

from datetime import UTC, date, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from vici_brain.domain.call_report_page import page
from vici_brain.settings import load_settings

_out = Console(highlight=False)


def register(app: typer.Typer) -> None:
    app.command("report")(report)


def report(
    day: Annotated[
        str | None, typer.Option("--day", help="Like 2026-01-31, in the report's zone; default: the newest that is over.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Print the Markdown as it is.")] = False,
) -> None:
    """Make, store and export the report of one day, and print it."""
    # The connections, and pictures with them, are a second of imports that no other command should pay.
    from vici_brain.orchestration.call_report import report_day  # noqa: PLC0415
    from vici_brain.orchestration.resources import Connections  # noqa: PLC0415

    settings = load_settings()
    now = datetime.now(UTC)
    connections = Connections(settings, lambda: now)
    try:
        made, files = report_day(connections, _day(day) if day else settings.reports.newest_day(now))
    finally:
        connections.close()
    for each in made.all:
        _out.print(page(each), soft_wrap=True, markup=False) if plain else _out.print(Markdown(page(each)))
    for path in (files.html, files.parquet):
        _out.print(f"written to {path}", soft_wrap=True, markup=False)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day; write it like 2026-01-31") from None
