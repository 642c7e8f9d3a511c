"""Commands about the whole site: try it (`demo`), work on it (`dev`), deploy it (`dagster-home`).

Belongs here: options and printing. Does not: the demo's steps and Dagster's processes (orchestration).
"""

import shlex
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from vici_brain.errors import ConfigurationError, ViciBrainError
from vici_brain.settings import PROJECT, Settings, load_settings

if TYPE_CHECKING:
    from vici_brain.orchestration.demo import DemoSummary

_out = Console(highlight=False)
_LIVE_SECONDS = 2.0


def register(app: typer.Typer) -> None:
    app.command()(demo)
    app.command()(dev)
    app.command()(pages)
    app.command("dagster-home")(dagster_home)


def demo(
    days: Annotated[int, typer.Option(min=1, max=90, help="Length of the simulated dialer's history.")] = 28,
    calls_per_day: Annotated[int, typer.Option(min=10, help="Calls on a working day.")] = 1500,
) -> None:
    """Try it without any server: a simulated dialer, its history synced by Dagster's jobs, and a verdict."""
    # Dagster's import costs a second that no other command should pay.
    from vici_brain.orchestration.demo import run_demo  # noqa: PLC0415

    settings = load_settings()
    if not any(dialer.simulated for dialer in settings.dialers):
        _out.print(
            "the demo plays with the simulated dialer, but real ones are configured: unset VICI_DATABASE_URL", soft_wrap=True
        )
        raise typer.Exit(2)
    summaries = run_demo(settings, days=days, calls_per_day=calls_per_day, now=datetime.now(UTC), say=_say)
    for each in summaries:
        _show(each)
    if not all(each.proven for each in summaries):
        raise typer.Exit(1)
    _say("\nnext: `make dev`, then open http://127.0.0.1:3000 and look at Lineage, at an asset's Partitions and at its Checks")


def dev(
    host: Annotated[str, typer.Option(help="Address to listen on; the UI has no login of its own.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the UI.")] = 3000,
) -> None:
    """Dagster's UI and daemon over the same data; a simulated dialer takes calls meanwhile."""
    from vici_brain.orchestration.dagster_home import run_dev  # noqa: PLC0415
    from vici_brain.orchestration.local import dagster_instance  # noqa: PLC0415

    settings = load_settings()
    with dagster_instance(settings) as (environment, _):
        pass
    environment |= _serve_pages(settings, host, port + 1)
    simulated = [dialer.name for dialer in settings.dialers if dialer.simulated]
    beside = [lambda stop, name=name: _take_calls(settings, name, stop) for name in simulated]
    raise typer.Exit(run_dev(environment, host=host, port=port, workspace=PROJECT / "workspace.yaml", beside=beside))


def pages(
    host: Annotated[str, typer.Option(help="Address to listen on; the pages have no login.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the pages.")] = 3001,
) -> None:
    """Serve the pages of reports and expectations, to which the UI links once PAGES_URL has their address."""
    from vici_brain.orchestration.page_server import PageServer  # noqa: PLC0415 - only here

    try:
        server = PageServer(load_settings().home, host, port)
    except OSError as error:
        raise ConfigurationError(f"nothing can listen on {host}:{port}: {error.strerror}; see --host and --port") from None
    _say(f"the pages of reports and expectations are on {server.url}")
    server.serve()


def dagster_home() -> None:
    """Write Dagster's home for a deployment, set the pools' limits, and print the variables its processes need."""
    from vici_brain.orchestration.local import dagster_instance  # noqa: PLC0415

    settings = load_settings()
    if settings.dagster_url is None:
        _out.print("set DAGSTER_DATABASE_URL first: a deployment's processes cannot share an embedded server", soft_wrap=True)
        raise typer.Exit(2)
    with dagster_instance(settings) as (environment, _):
        named = {name: value for name, value in environment.items() if name.startswith("DAGSTER_")}
    for name, value in sorted(named.items()):
        if name != "DAGSTER_DATABASE_URL":
            print(f"export {name}={shlex.quote(value)}")  # noqa: T201 - for a shell, unwrapped


def _serve_pages(settings: Settings, host: str, port: int) -> dict[str, str]:
    """Serves them until this process ends, and says where; a deployment that named an address serves them itself."""
    from vici_brain.orchestration.page_server import PageServer  # noqa: PLC0415 - only here

    if settings.pages_url is not None:
        return {}
    try:
        server = PageServer(settings.home, host, port)
    except OSError as error:
        _say(f"the pages of reports and expectations are files only: {host}:{port} is not free ({error.strerror})")
        return {}
    threading.Thread(target=server.serve, name="pages", daemon=True).start()
    return {"PAGES_URL": server.url}


def _take_calls(settings: Settings, name: str, stop: threading.Event) -> None:
    """Keeps one simulated dialer in step with the clock until told to stop; builds it first if there is none."""
    from vici_brain.flows.simulate_site import SimulatedSite, SiteSize, days_back  # noqa: PLC0415

    brain = settings.open_brain()
    now = datetime.now(UTC)
    zone = settings.dialer_settings(name).time_zone
    memory = settings.simulated_dialer_memory(name)
    site = SimulatedSite(settings.simulated_dialer_url(name), memory, name, zone, SiteSize(days_back(now, 7)))
    try:
        if site.is_new:
            site.open_doors(now)
            site.tell_brain(brain, None, now)
        while not stop.wait(_LIVE_SECONDS):
            site.take_calls(brain, datetime.now(UTC))
    except ViciBrainError as error:
        _say(f"{name}: the simulated dialer stopped taking calls: {error}")
    finally:
        site.close()
        brain.dispose()


def _show(each: "DemoSummary") -> None:
    calls = sum(each.calls_by_rule.values())
    table = Table(title=f"{each.instance}: {each.window}", title_justify="left", show_header=False, box=None)
    table.add_row("calls on the dialer", f"{each.source_calls:,}")
    table.add_row("of these missing in Brain", f"{each.missing_calls:,}")
    for rule, count in sorted(each.calls_by_rule.items(), key=lambda pair: -pair[1]):
        table.add_row("orphans" if rule == "orphan" else f"matched by {rule}", f"{count:,}  {count / max(calls, 1):.1%}")
    table.add_row("orphans matched when their lead came", f"{each.rematched_orphans:,}")
    table.add_row("5-minute buckets proven equal", f"{each.buckets_proven:,} of {each.buckets_expected:,}")
    table.add_row("rows that vanished at the dialer", f"{each.vanished_calls:,}")
    table.add_row("calls changed by a second run", f"{each.changed_by_second_run:,}")
    table.add_row("checks passed", f"{each.checks_passed:,}")
    table.add_row("checks with a warning", f"{each.checks_warned:,}")
    table.add_row("checks failed", f"{len(each.checks_failed):,}")
    table.add_row("seconds", f"{each.seconds:.0f}")
    table.add_row("verdict", "[green]proven[/green]" if each.proven else "[red]not proven[/red]")
    _out.print(table)
    for failed in each.checks_failed:
        _say(f"[red]failed[/red] {failed}")


def _say(text: str) -> None:
    _out.print(text, soft_wrap=True)
