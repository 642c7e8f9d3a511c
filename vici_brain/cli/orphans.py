"""Commands about old orphans: put them away (`purge-orphans`), bring them back (`restore-orphans`).

Belongs here: options and printing. Does not: exporting, verifying and acting (flows/purge_orphans).
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from vici_brain.cli.dialers import Instances, actor, each_dialer, opened

if TYPE_CHECKING:
    from vici_brain.brain.orphan_archive import Purge
    from vici_brain.flows.purge_orphans import PurgeResult

_out = Console(highlight=False)


def register(app: typer.Typer) -> None:
    app.command("purge-orphans")(purge)
    app.command("restore-orphans")(restore)


def purge(
    instance: Instances = None,
    days: Annotated[int, typer.Option(min=7, max=3660, help="Orphans of calls that happened longer ago than this.")] = 7,
    apply: Annotated[bool, typer.Option("--apply", help="Export them and act; without this, only count.")] = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="Take them out of vici_call_logs; without this, hide them in orphan_call_logs only.")
    ] = False,
    directory: Annotated[
        Path | None, typer.Option(help="Where the export goes; default: orphan-exports in VICI_BRAIN_HOME.")
    ] = None,
) -> None:
    """Export old orphans to Parquet, verify the file, and hide or purge them; a dry run unless --apply is given."""
    # pyarrow's import costs what no other command should pay.
    from vici_brain.flows.purge_orphans import PurgeOrder, purge_orphans  # noqa: PLC0415

    with opened() as (settings, brain):
        to = directory or settings.home / "orphan-exports"
        order = PurgeOrder("purged" if purge else "hidden", to, "cli", actor(), timedelta(days=days))
        each_dialer(
            settings,
            instance,
            lambda name: _purged(purge_orphans(brain, name, datetime.now(UTC), order, apply=apply), order.mode, apply=apply),
        )


def restore(
    which: Annotated[
        str | None, typer.Argument(metavar="[PURGE_ID|FILE]", help="Number of a purge, or its export; without it, lists purges.")
    ] = None,
) -> None:
    """Bring back the orphans of one purge exactly as they were; a second time changes nothing."""
    from vici_brain.brain.orphan_archive import OrphanArchive  # noqa: PLC0415
    from vici_brain.flows.purge_orphans import restore_orphans  # noqa: PLC0415

    with opened() as (settings, brain):
        if which is None:
            _listed(OrphanArchive(brain).purges([dialer.name for dialer in settings.dialers]))
            return
        done = restore_orphans(brain, which, actor())
    told = f"[bold]{done.purge.instance}[/bold] purge {done.purge.id}: {done.calls:,} orphans restored"
    _say(told + (f", {done.only_in_file:,} of them from the file alone" if done.only_in_file else ""))
    if done.unverified:
        _say(f"[yellow]not compared with the export[/yellow] {done.unverified}; restored from what Brain itself kept")


def _purged(result: "PurgeResult", mode: str, *, apply: bool) -> None:
    due, who = result.due, f"[bold]{result.instance}[/bold]"
    what = f"{due.calls:,} orphans from before {due.cutoff:%Y-%m-%d %H:%M} UTC"
    if due.first is not None and due.last is not None:
        what += f" ({due.first:%Y-%m-%d %H:%M} to {due.last:%Y-%m-%d %H:%M})"
    if not apply:
        _say(f"[yellow]dry run[/yellow] {who} {what} would be exported and {mode}; --apply does it")
        return
    if result.file is None:
        _say(f"{who} {what}: nothing to do")
        return
    acted = f"{result.purge.calls:,} {mode} as purge {result.purge.id}" if result.purge else f"none {mode}: all changed meanwhile"
    _say(f"{who} {what}: {result.file.calls:,} exported to {result.file.path} (sha256 {result.file.sha256[:12]}…), {acted}")


def _listed(purges: list["Purge"]) -> None:
    table = Table("purge", "dialer", "when", "by", "mode", "calls", "before", "restored", "file", box=None)
    for each in purges:
        restored = f"{each.restored_calls:,} at {each.restored_at:%Y-%m-%d %H:%M}" if each.restored_at else ""
        row = (str(each.id), each.instance, f"{each.acted_at:%Y-%m-%d %H:%M}", each.actor, each.mode, f"{each.calls:,}")
        table.add_row(*row, f"{each.cutoff:%Y-%m-%d %H:%M}", restored, each.file)
    if purges:
        _out.print(table)
    else:
        _say("no orphan was ever put away")


def _say(text: str) -> None:
    _out.print(text, soft_wrap=True)
