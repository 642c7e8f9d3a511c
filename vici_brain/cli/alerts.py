"""The commands `alerts test` and `alerts list`: do they arrive, and what is open.

Belongs here: printing. Does not: sending (flows/send_alerts).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from vici_brain.errors import DifferenceError
from vici_brain.settings import load_settings

if TYPE_CHECKING:
    from vici_brain.orchestration.resources import Connections

_out = Console(highlight=False)


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Tell a test message to every address of ALERT_URLS, or list what is open.")
    group.command("test")(test)
    group.command("list")(list_open)
    app.add_typer(group, name="alerts")


@contextmanager
def _opened() -> "Iterator[Connections]":
    from vici_brain.orchestration.resources import Connections  # noqa: PLC0415 - imports Dagster

    now = datetime.now(UTC)
    connections = Connections(load_settings(), lambda: now)
    try:
        yield connections
    finally:
        connections.close()


def test() -> None:
    """Send a test message to every address; fails if one of them does not take it."""
    from vici_brain.orchestration.alerting import try_channels  # noqa: PLC0415 - imports Dagster

    with _opened() as connections:
        fared = try_channels(connections)
    for channel, error in fared.items():
        _say(f"{channel}: {error or 'delivered'}")
    if broken := [channel for channel, error in fared.items() if error is not None]:
        raise DifferenceError(f"alerts do not reach {', '.join(broken)}")


def list_open() -> None:
    """List the open matters, when people were last told of each, the messages that wait, and the channels."""
    from vici_brain.brain.alert_windows import AlertWindows  # noqa: PLC0415 - only here

    with _opened() as connections:
        windows, now = AlertWindows(connections.brain), connections.clock()
        opened = [each for each in windows.told(now).values() if each.is_open]
        waiting, channels = windows.unsent(now), windows.channels()
    table = Table("severity", "matter", "open since", "last told", "held back", box=None)
    for each in sorted(opened, key=lambda it: (it.matter.rank, it.opened_at)):
        told = f"{each.told_at:%Y-%m-%d %H:%M}" if each.told_at else "never"
        table.add_row(each.matter.severity, each.matter.title, f"{each.opened_at:%Y-%m-%d %H:%M}", told, str(each.held_back))
    _out.print(table) if opened else _say("nothing is open")
    for event in waiting:
        _say(f"waits since {event.happened_at:%Y-%m-%d %H:%M} UTC: {event.matter.title}")
    for channel in channels:
        _say(f"{channel.channel}: {channel.last_error or 'took the last message'}")


def _say(text: str) -> None:
    _out.print(text, soft_wrap=True, markup=False)
