"""Commands that write to dialers: `update-vendor-codes` and `push-leads`.

Belongs here: options and printing. Does not: deciding or writing (flows).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from vici_brain.cli.dialers import Instances, each_dialer, opened
from vici_brain.domain.identifiers import normalised_phone
from vici_brain.flows.code_orders import CodeOrder, CodeResult
from vici_brain.flows.push_leads import PushOrder
from vici_brain.flows.writing import Site, push_leads_to, write_codes_to

_out = Console(highlight=False)


def register(app: typer.Typer) -> None:
    app.command("update-vendor-codes")(update_vendor_codes)
    app.command("push-leads")(push)


def _at_each(instances: list[str] | None, work: Callable[[Site], None]) -> None:
    with opened() as (settings, brain):

        def at(name: str) -> None:
            dialer = settings.guarded_dialer(name, lambda: brain)
            site = settings.site(name, dialer, brain, lambda: datetime.now(UTC))
            try:
                work(site)
            finally:
                site.dialer.engine.dispose()

        each_dialer(settings, instances, at)


def update_vendor_codes(
    campaigns: Annotated[str, typer.Option(help="Campaigns whose leads get their codes, separated by commas; case is ignored.")],
    instance: Instances = None,
    batch: Annotated[int | None, typer.Option(min=1, max=500, help="Leads looked at and written at a time.")] = None,
    phone: Annotated[str | None, typer.Option(help="Only the leads with this number.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and count, but write nothing.")] = False,
) -> None:
    """Write Brain's 13-digit ids to vendor_lead_code of linked leads, where there is none; conflicts go to review."""
    key = None if phone is None else normalised_phone("1", phone)
    if phone is not None and key is None:
        raise typer.BadParameter(f"{phone!r} is no phone number; write 2125550101 or +442071234567")
    names = tuple(campaigns.split(","))

    def work(site: Site) -> None:
        order = CodeOrder(names, "cli", key, dry_run=dry_run, shared=len(instance or site.instances) > 1)
        with _progress(site.dialer.instance) as tell:
            result = write_codes_to(site, order, batch=batch, on_batch=tell)
        _told(site.dialer.instance, asdict(result), dry_run=dry_run)

    _at_each(instance, work)


def push(
    instance: Instances = None,
    since_lead: Annotated[
        int | None, typer.Option(min=0, help="Also leads that Brain had before, with an id above this.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Search, judge and count, but add and mark nothing.")] = False,
) -> None:
    """Add leads that are new in Brain to the dialer, with their code, if the 30-day rule and the do-not-call lists allow."""
    order = PushOrder("cli", since_lead, dry_run)
    _at_each(instance, lambda site: _told(site.dialer.instance, asdict(push_leads_to(site, order)), dry_run=dry_run))


@contextmanager
def _progress(instance: str) -> Iterator["Bar"]:
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Bar(progress, instance)


class Bar:
    """Counts the leads that were looked at."""

    def __init__(self, progress: Progress, instance: str) -> None:
        self._progress, self._instance = progress, instance
        self._task = progress.add_task(instance, total=None)

    def __call__(self, so_far: CodeResult) -> None:
        text = f"{self._instance} {so_far.examined:,} looked at, {so_far.updated:,} written"
        self._progress.update(self._task, description=text)


def _told(instance: str, result: dict[str, int | bool], *, dry_run: bool) -> None:
    closed = bool(result.pop("closed"))
    counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in result.items())
    mode = "[yellow]dry run[/yellow] " if dry_run else ""
    if closed:
        counts = f"the intake is switched off, so nothing was done or nothing more: {counts}"
    _out.print(f"{mode}[bold]{instance}[/bold] {counts}", soft_wrap=True)
