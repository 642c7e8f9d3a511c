"""A bar for long reads, on a terminal; silence where there is none.

Belongs here: showing progress. Does not: counting it (flows report each slice as it lands).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vici_brain.domain.windows import Window
from vici_brain.flows.read_calls import SliceDone
from vici_brain.flows.syncing import SliceProven
from vici_brain.vici.call_tables import CALL_TABLES


class HistoryBar:
    """Counts the hours of a dialer's history as slices of it are read or proven."""

    def __init__(self, progress: Progress, instance: str, window: Window) -> None:
        self._progress, self._instance = progress, instance
        self._task = progress.add_task(instance, total=round(window.length.total_seconds() / 3600))
        self._hours = 0.0
        self._counted = 0

    def read(self, done: SliceDone) -> None:
        self._advance(done.window, done.counts.read, "calls")

    def proven(self, done: SliceProven) -> None:
        self._advance(done.window, done.buckets, "buckets")

    def _advance(self, window: Window, counted: int, what: str) -> None:
        self._hours += window.length.total_seconds() / 3600 / len(CALL_TABLES)
        self._counted += counted
        description = f"{self._instance} {window.start:%Y-%m-%d} {self._counted:,} {what}"
        self._progress.update(self._task, completed=int(self._hours), description=description)


@contextmanager
def history_progress(instance: str, window: Window) -> Iterator[HistoryBar]:
    """Yields what to tell of each slice."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("h"))
    console = Console(stderr=True)
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, *times, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield HistoryBar(progress, instance, window)
