"""What every command that works dialer by dialer shares: the options, opening, and one failing dialer never stopping another.

Belongs here: that loop and its exit codes. Does not: any command.
"""

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from sqlalchemy import Engine

from vici_brain.errors import ConfigurationError, ViciBrainError
from vici_brain.settings import Settings, load_settings

Instances = Annotated[
    list[str] | None,
    typer.Option("--instance", "-i", help="Only this dialer; may be repeated. Default: all that are configured."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and count, but write nothing.")]
errors = Console(stderr=True, highlight=False)


@contextmanager
def opened() -> Iterator[tuple[Settings, Engine]]:
    """Settings and Brain, closed at the end."""
    settings = load_settings()
    engine = settings.open_brain()
    try:
        yield settings, engine
    finally:
        engine.dispose()


def each_dialer(settings: Settings, instances: list[str] | None, work: Callable[[str], None]) -> None:
    """Does ``work`` for every dialer; one that fails is told and does not stop the next. Exits with 1 or 2 if any failed."""
    worst = 0
    names = [settings.dialer_settings(name).name for name in instances or [dialer.name for dialer in settings.dialers]]
    for name in names:
        try:
            work(name)
        except ViciBrainError as error:
            errors.print(f"[red]failed[/red] {escape(str(error))}", soft_wrap=True)
            worst = max(worst, 2 if isinstance(error, ConfigurationError) else 1)
    if worst:
        raise typer.Exit(worst)


def actor() -> str:
    """Who sits at the keyboard, for the record."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
