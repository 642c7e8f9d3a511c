"""The entry point: commands that sync, match and tell how things stand. Each opens its stores, calls one flow, prints.

Belongs here: options, exit codes, the order of printing. Does not: rules, SQL, tables for people (cli/pages).

Exit codes: 0 done; 1 something failed that may work later; 2 the configuration must be changed.
"""

import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.markup import escape

from vici_brain.brain.database import migrate as migrate_brain
from vici_brain.brain.database import missing_lead_lookups
from vici_brain.brain.journal import SyncIdentity
from vici_brain.brain.overview import Overview
from vici_brain.cli import alerts, consistency, expectations, leads, orphans, pages, reports, site, write_back
from vici_brain.cli.dialers import DryRun, Instances, each_dialer, errors, opened
from vici_brain.cli.progress import history_progress
from vici_brain.domain.windows import BUCKET, Window, floor_to
from vici_brain.errors import ConfigurationError, DifferenceError, ViciBrainError
from vici_brain.flows.match_calls import rematch_orphans
from vici_brain.flows.prove_calls import reconcile
from vici_brain.flows.sync_calls import fetch_history, sync_incremental
from vici_brain.flows.syncing import Syncing
from vici_brain.startup import spare_imports

_HELP = "Replicates the call history of ViciDial dialers into Brain (PostgreSQL), and proves that nothing is missing."
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=_HELP)
site.register(app)
orphans.register(app)
reports.register(app)
expectations.register(app)
alerts.register(app)
leads.register(app)
write_back.register(app)
consistency.register(app)
_MOST_DAYS = 3660


def _now() -> datetime:
    return datetime.now(UTC)


@app.command()
def migrate() -> None:
    """Make or update Brain's tables."""
    with opened() as (_, brain):
        applied = migrate_brain(brain)
        lookups = missing_lead_lookups(brain)
    pages.say(f"applied: {', '.join(applied)}" if applied else "Brain is up to date")
    if lookups:
        pages.say("leads belongs to another role: ask its owner to run these, or matching will be slow")
        for statement in lookups:
            pages.say(f"  {statement}")


@app.command("sync-incremental")
def sync_incremental_command(
    instance: Instances = None,
    minutes: Annotated[
        int | None, typer.Option(min=1, max=_MOST_DAYS * 1440, help="Look back this far instead of from where the ledger stands.")
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Read and match what is new on each dialer, from where the ledger stands up to now."""
    with opened() as (settings, brain):

        def work(name: str) -> None:
            dialer, trailing = settings.guarded_dialer(name, lambda: brain), settings.trailing_proof
            sync = Syncing(dialer, brain, _now, settings.slow_sync_seconds, dry_run, trailing=trailing)
            pages.synced(name, *sync_incremental(sync, "cli", minutes=minutes), dry_run=dry_run)

        each_dialer(settings, instance, work)


@app.command("fetch-complete")
def fetch_complete(  # noqa: PLR0917 - each is an option of the command
    days: Annotated[int | None, typer.Argument(min=1, max=_MOST_DAYS, help="How many days back from --to.")] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="First moment, UTC unless it carries an offset: 2026-08-01T00:00.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="End, not included; default now.")] = None,
    instance: Instances = None,
    reread: Annotated[bool, typer.Option("--reread", help="Read what is proven too, instead of comparing it first.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Read and match a stretch of history, in batches of 7 days; what is proven is compared again and read where it differs."""
    window = _stretch(days, since, until)
    with opened() as (settings, brain):

        def work(name: str) -> None:
            with history_progress(name, window) as bar:
                sync = Syncing(
                    settings.guarded_dialer(name, lambda: brain), brain, _now, settings.slow_sync_seconds, dry_run, bar.read
                )
                for read, matched in fetch_history(sync, "cli", window, reread=reread or dry_run):
                    pages.synced(name, read, matched, dry_run=dry_run)

        each_dialer(settings, instance, work)


@app.command("reconcile")
def reconcile_command(
    since: Annotated[
        str | None, typer.Option("--from", help="First moment, UTC unless it carries an offset; default 48 hours before --to.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="End, not included; default now.")] = None,
    instance: Instances = None,
    repair: Annotated[bool, typer.Option("--repair", help="Read differing buckets again and stamp calls that are gone.")] = False,
) -> None:
    """Compare every 5-minute bucket with the dialer, by count and checksum; print those that differ, with sample keys."""
    window = _stretch(None if since else 2, since, until)
    with opened() as (settings, brain):

        def work(name: str) -> None:
            with history_progress(name, window) as bar:
                sync = Syncing(
                    settings.guarded_dialer(name, lambda: brain), brain, _now, settings.slow_sync_seconds, on_proof=bar.proven
                )
                result = reconcile(sync, SyncIdentity(name, "reconcile", "cli", window), repair=repair)
            pages.reconciled(name, result)
            if result.differing:
                raise DifferenceError(
                    f"{name}: {len(result.differing)} buckets differ from the dialer" + ("" if repair else "; --repair")
                )

        each_dialer(settings, instance, work)


def _stretch(days: int | None, since: str | None, until: str | None) -> Window:
    if (days is None) == (since is None):
        raise typer.BadParameter("give either DAYS or --from")
    end = _moment(until) if until else _now()
    start = _moment(since) if since else end - timedelta(days=days or 0)
    if start >= end:
        raise typer.BadParameter(f"--from {start:%Y-%m-%d %H:%M} is not before --to {end:%Y-%m-%d %H:%M}")
    return Window(floor_to(start, BUCKET), end)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no date or time; write 2026-08-01 or 2026-08-01T13:30 (UTC) or add an offset"
        ) from None
    if not 1990 <= moment.year <= 2100:
        raise typer.BadParameter(f"{text!r} is no time at which a dialer took calls")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@app.command("match-orphans")
def match_orphans_command(
    instance: Instances = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Look at no more than this many orphans.")] = None,
    dry_run: DryRun = False,
) -> None:
    """Look for the leads of all orphans, of any age."""
    with opened() as (settings, brain):

        def work(name: str) -> None:
            identity = SyncIdentity(name, "match_orphans", "cli")
            pages.rematched(name, rematch_orphans(brain, identity, limit=limit, dry_run=dry_run), dry_run=dry_run)

        each_dialer(settings, instance, work)


@app.command()
def status(
    instance: Instances = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
) -> None:
    """Last sync, calls per day, campaign and status, orphan backlog and age of the ledger, for each dialer."""
    with opened() as (settings, brain):
        names = [settings.dialer_settings(name) for name in instance] if instance else settings.dialers
        found = [Overview(brain).of_instance(dialer.name, dialer.time_zone, _now()) for dialer in names]
    pages.status_json(found, _now()) if as_json else pages.status(found, _now())


def main() -> None:
    """Runs the command line; what users can mend is said in one line, never as a traceback."""
    spare_imports()
    try:
        app()
    except ViciBrainError as error:
        errors.print(f"[red]failed[/red] {escape(str(error))}", soft_wrap=True)
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)
