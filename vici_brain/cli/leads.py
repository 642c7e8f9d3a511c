"""Commands about leads: import them from a dialer or a file, audit them, stop the intake, take an import back.

Belongs here: options and progress. Does not: what is done (flows) or how it is told (lead_tables).
"""

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy import Engine

from vici_brain.cli.lead_tables import DRY, audited, counted, imported, rolled_back, say
from vici_brain.errors import ConfigurationError, ViciBrainError
from vici_brain.settings import Settings, load_settings

if TYPE_CHECKING:
    from vici_brain.flows.import_leads import LeadStep

_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)
Instances = Annotated[
    list[str] | None,
    typer.Option("--instance", "-i", help="Only this dialer; may be repeated. Default: all that are configured."),
]
_SHORTEST = 6
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and count, but write nothing.")]


def register(app: typer.Typer) -> None:
    app.command("import-to-brain")(import_to_brain)
    app.command("import-csv")(import_csv_command)
    app.command("audit")(audit)
    app.command("lead-intake")(lead_intake)
    app.command("rollback-import")(rollback)


@contextmanager
def _opened() -> Iterator[tuple[Settings, Engine]]:
    settings = load_settings()
    engine = settings.open_brain()
    try:
        yield settings, engine
    finally:
        engine.dispose()


def import_to_brain(
    campaigns: Annotated[str, typer.Option(help="Campaigns whose leads are imported, like Auto2,Autodial; in any case.")],
    limit: Annotated[
        int | None, typer.Option(min=1, help="A trial: only the first so many leads, with all of their numbers.")
    ] = None,
    phone: Annotated[str | None, typer.Option(help="Only the leads of this number.")] = None,
    instance: Instances = None,
    dry_run: DryRun = False,
) -> None:
    """Import a dialer's leads: one lead of Brain for each number, linked both ways; again, it changes nothing."""
    from vici_brain.flows.import_leads import ImportOrder, import_leads  # noqa: PLC0415 - no other command needs it
    from vici_brain.flows.read_leads import LeadScope  # noqa: PLC0415
    from vici_brain.flows.syncing import Syncing  # noqa: PLC0415

    names = tuple(name.strip() for name in campaigns.split(",") if name.strip())
    if not names:
        raise typer.BadParameter("--campaigns names none")
    if limit is not None and phone is not None:
        raise typer.BadParameter("give either --limit or --phone")
    if phone is not None and sum(character.isdecimal() for character in phone) < _SHORTEST:
        raise typer.BadParameter(f"{phone!r} is no phone number; write 2125550101 or +442071234567")
    with _opened() as (settings, brain):
        shared = len(instance or settings.dialers) > 1
        order = ImportOrder(names, "cli", _actor(), LeadScope(limit=limit, phone=phone), shared=shared)

        def work(name: str) -> None:
            with _steps(name) as on_step:
                sync = Syncing(settings.guarded_dialer(name, lambda: brain), brain, lambda: datetime.now(UTC), dry_run=dry_run)
                done = import_leads(sync, order, on_step)
            imported(done)

        _each(settings, instance, work)


def import_csv_command(  # noqa: PLR0917 - the options of the command line
    file: Annotated[Path, typer.Argument(help="The file; its first line names the columns, one of which is the phone number.")],
    match_vici: Annotated[
        bool, typer.Option("--match-vici", help="Look each number up among the dialers' leads first, and link those found.")
    ] = False,
    update_existing: Annotated[
        bool, typer.Option("--update-existing", help="Give leads that Brain has the file's name, address and the like.")
    ] = False,
    column: Annotated[
        list[str] | None,
        typer.Option(help='Which field a column is, like "Cell no.=phone"; "Colour=" means none. May be repeated.'),
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Like cp1250; by default it is found out from the file.")] = None,
    dry_run: DryRun = False,
) -> None:
    """Import leads of a CSV file; bad rows go to FILE.rejects.csv with their line and reason, the rest is imported."""
    from vici_brain.flows.import_csv import CsvOrder, import_csv  # noqa: PLC0415 - no other command needs it

    columns = {}
    for each in column or []:
        name, equals, meaning = each.rpartition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f'{each!r} names no column: write --column "Cell no.=phone"')
        columns[name] = meaning
    with _opened() as (settings, brain):
        names = tuple(dialer.name for dialer in settings.dialers)
        order = CsvOrder(file, _actor(), match_vici, update_existing, dry_run, names, encoding, columns)
        with _bytes(file) as on_bytes:
            done = import_csv(brain, order, on_bytes)
    counted(
        f"{DRY if dry_run else ''}[bold]{escape(file.name)}[/bold] ({done.encoding}), {done.seconds:.1f} s",
        {
            "rows": done.rows,
            "leads created": done.created,
            "leads updated": done.updated,
            "leads that Brain had": done.existing,
            "numbers found at a dialer": done.found_at_dialers,
            "Vici leads linked": done.linked,
            "rows of a number that came before": done.repeated,
            "codes of another lead": done.conflicts,
            "calls that found their lead": done.matched_calls,
            "rows rejected": done.rejected,
        },
    )
    if done.ignored_columns:
        say(f"columns that mean nothing here: {escape(', '.join(done.ignored_columns))}")
    if done.rejects_file:
        say(f"[yellow]rejected[/yellow] rows and their reasons are in {escape(done.rejects_file)}")


def audit(instance: Instances = None) -> None:
    """Leads and phones per campaign, codes, links, calls to one number within 30 days, and what the last import changed."""
    from vici_brain.flows.audit_leads import take_audit  # noqa: PLC0415 - no other command needs it

    with _opened() as (settings, brain):
        _each(settings, instance, lambda name: audited(take_audit(brain, name, datetime.now(UTC))))


def lead_intake(
    to: Annotated[
        str | None, typer.Argument(help="open, vici-only or brain-first; without it, says where the switch stands.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for those who meet the stopped intake.")] = "by hand",
) -> None:
    """Stop (vici-only) or resume (open) imports and pushes of leads, or have new leads enter through Brain (brain-first)."""
    from vici_brain.brain.lead_intake import brain_first, intake, turn  # noqa: PLC0415 - no other command needs it

    with _opened() as (_, brain):
        if to not in {None, "open", "vici-only", "brain-first"}:
            raise typer.BadParameter("the switch can be turned to open, vici-only or brain-first")
        if to is not None:
            with brain.begin() as connection:
                turn(connection, "vici_only" if to == "vici-only" else "open", reason, _actor())
                if to == "brain-first":
                    brain_first(connection, datetime.now(UTC), _actor())
        now = intake(brain)
    since = f"; through Brain first since {now.brain_first_since:%Y-%m-%d %H:%M} UTC" if now.brain_first_since else ""
    say(f"the intake of leads is [bold]{now.mode.replace('_', '-')}[/bold] since {now.changed_at:%Y-%m-%d %H:%M} UTC{since}")


def rollback(
    import_id: Annotated[int | None, typer.Argument(help="Number of an import; without it, lists imports.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Stop the intake and do it; without this, only count.")] = False,
    directory: Annotated[
        Path | None, typer.Option(help="Where the snapshot goes; default: lead-snapshots in VICI_BRAIN_HOME.")
    ] = None,
) -> None:
    """Take an import back: stop the intake, keep a snapshot, clear what that import created and nothing else."""
    from vici_brain.brain.lead_imports import imports  # noqa: PLC0415 - no other command needs it
    from vici_brain.flows.rollback_import import rollback_import  # noqa: PLC0415

    with _opened() as (settings, brain):
        if import_id is None:
            table = Table("import", "of", "when", "by", "created", "updated", "linked", "taken back", box=None)
            for each in imports(brain):
                what = each.file or f"{each.instance}: {', '.join(each.campaigns)}"
                counts = (f"{each.leads_created:,}", f"{each.leads_updated:,}", f"{each.leads_linked:,}")
                back = f"{each.rolled_back_at:%Y-%m-%d %H:%M}" if each.rolled_back_at else ""
                table.add_row(str(each.id), escape(what), f"{each.started_at:%Y-%m-%d %H:%M}", each.actor, *counts, back)
            _out.print(table if table.row_count else "no import changed anything yet")
            return
        rolled_back(rollback_import(brain, import_id, directory or settings.home / "lead-snapshots", _actor(), apply=apply))


@contextmanager
def _steps(name: str) -> Iterator[Callable[["LeadStep"], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_err, transient=True, disable=not _err.is_terminal) as progress:
        task = progress.add_task(name)
        yield lambda step: progress.update(task, description=f"{name} {step.phase}", completed=step.done, total=step.total)


@contextmanager
def _bytes(file: Path) -> Iterator[Callable[[int], None]]:
    size = file.stat().st_size if file.exists() else None
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_err, transient=True, disable=not _err.is_terminal) as progress:
        task = progress.add_task(file.name, total=size)
        yield lambda position: progress.update(task, completed=position)


def _each(settings: Settings, instances: list[str] | None, work: Callable[[str], None]) -> None:
    """Does ``work`` for every dialer; one that fails is told and does not stop the next. Exits with 1 or 2 if any failed."""
    worst = 0
    for name in [settings.dialer_settings(name).name for name in instances or [dialer.name for dialer in settings.dialers]]:
        try:
            work(name)
        except ViciBrainError as error:
            _err.print(f"[red]failed[/red] {escape(str(error))}", soft_wrap=True)
            worst = max(worst, 2 if isinstance(error, ConfigurationError) else 1)
    if worst:
        raise typer.Exit(worst)


def _actor() -> str:
    """Who sits at the keyboard, for the record."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
