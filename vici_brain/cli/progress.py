"""A bar for long reads, on a terminal; silence where there is none.

Belongs here: showing progress. Does not: counting it (flows report each slice as it lands).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vici_brain.domain.windows import Window
from vici_brain.flows.read_calls import SliceDone
from vici_brain.vici.call_reader import CALL_TABLES


@contextmanager
def history_progress(instance: str, window: Window) -> Iterator[Callable[[SliceDone], None]]:
    """Yields what to call after each slice; the bar counts hours of the dialer's history."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("h"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(instance, total=round(window.length.total_seconds() / 3600))
        hours = 0.0
        calls = 0

        def advance(done: SliceDone) -> None:
            nonlocal hours, calls
            hours += done.window.length.total_seconds() / 3600 / len(CALL_TABLES)
            calls += done.counts.read
            progress.update(task, completed=int(hours), description=f"{instance} {done.window.start:%Y-%m-%d} {calls:,} calls")

        yield advance
