"""Commands about calls and appointments: `check-call`, `validate-appointment`, `breakers`, and `reviews` with its verbs.

Belongs here: options and printing. Does not: rules (brain/consistency) or the queue (brain/reviews).
"""

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Engine

from vici_brain.brain.breakers import breaker_statistics
from vici_brain.brain.consistency import broken_by_call
from vici_brain.brain.database import brain_now
from vici_brain.brain.reviews import ReviewQueue
from vici_brain.settings import load_settings

_out = Console(highlight=False)
reviews = typer.Typer(no_args_is_help=True, help="List, take, resolve or dismiss what needs a person's decision.")
Item = Annotated[int, typer.Argument(metavar="ID", min=1, help="Number of the item, as `list` shows it.")]
Note = Annotated[str, typer.Option("--note", help="What was found or done; kept with the item.")]
Person = Annotated[str | None, typer.Option("--by", help="Who; default: the user of this machine.")]


def register(app: typer.Typer) -> None:
    app.command("check-call")(check_call)
    app.command("validate-appointment")(validate_appointment)
    app.command("breakers")(show_breakers)
    app.add_typer(reviews, name="reviews")


@contextmanager
def _brain() -> Iterator[Engine]:
    engine = load_settings().open_brain()
    try:
        yield engine
    finally:
        engine.dispose()


def check_call(call_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="Number of the call in calls.")]) -> None:
    """Hold one call against every rule; exit code 1 if it breaks one."""
    with _brain() as brain:
        broken = broken_by_call(brain, call_id, datetime.now(UTC))
    if broken is None:
        _say(f"there is no call {call_id} in calls")
        raise typer.Exit(2)
    for rule in broken:
        _say(f"[red]{rule.severity}[/red] {rule.name}: call {call_id} {rule.says}. {rule.remedy}")
    if broken:
        raise typer.Exit(1)
    _say(f"call {call_id} breaks no rule")


def validate_appointment(
    call_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="Number of the call in calls.")],
    appointment: Annotated[int | None, typer.Option(min=1, help="Number of the appointment; default: the call's newest.")] = None,
    booking: Annotated[str | None, typer.Option(help="The booking at the calendar that the appointment must have.")] = None,
    roll_back_flags: Annotated[
        bool, typer.Option("--roll-back", help="If it fails take the call's flags back, unless a booking exists; queue it.")
    ] = False,
) -> None:
    """Hold a new appointment against the five checks of its creation; exit code 1 if one fails."""
    from vici_brain.flows.book_appointment import roll_back, validate_appointment_creation  # noqa: PLC0415 - only here

    oldest = load_settings().consistency.appointment_age
    with _brain() as brain:
        now = brain_now(brain)
        try:
            done = validate_appointment_creation(
                brain, call_id, now, appointment_id=appointment, booking_id=booking, oldest=oldest
            )
        except LookupError as error:
            _say(str(error))
            raise typer.Exit(2) from None
        if done.reason is None:
            _say(f"appointment {done.appointment_id} of call {call_id} is right")
            return
        _say(f"[red]{done.reason}[/red]: call {call_id}, appointment {done.appointment_id or 'none'}")
        if roll_back_flags:
            back = roll_back(brain, call_id, done.reason, now, appointment_id=appointment, booking_id=booking)
            _say("its flags were taken back" if back.rolled_back else "an appointment or booking exists: queued for review")
    raise typer.Exit(1)


def show_breakers(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
) -> None:
    """Show every circuit breaker with its state, counters and times; none can be closed by hand."""
    with _brain() as brain:
        found = breaker_statistics(brain)
    if as_json:
        typer.echo(json.dumps([{"circuit_key": key} | asdict(each) for key, each in found.items()], default=str))
        return
    table = Table("key", "state", "failures", "successes", "last failure", "opened", "closed", box=None)
    for key, each in found.items():
        times = [f"{at:%Y-%m-%d %H:%M:%S}" if at else "" for at in (each.last_failure_at, each.opened_at, each.closed_at)]
        table.add_row(escape(key), each.state, str(each.failure_count), str(each.success_count), *times)
    _out.print(table) if found else _say("nothing has passed a breaker yet")


@reviews.command("list")
def list_items(
    every: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
) -> None:
    """Show open items, the most urgent first."""
    states = ("pending", "in_progress", "resolved", "dismissed") if every else ()
    with _brain() as brain:
        items = ReviewQueue(brain).listed(*states, limit=limit)
    if as_json:
        fields = ("id", "call_id", "reason", "priority", "status", "entity_type", "entity_key", "assigned_to", "created_at")
        rows = [{name: getattr(item, name) for name in fields} | {"context": dict(item.context)} for item in items]
        typer.echo(json.dumps(rows, default=str))
        return
    table = Table("id", "prio", "status", "reason", "about", "by", "since", box=None)
    for item in items:
        about = escape(f"{item.entity_type} {item.entity_key}")
        since = f"{item.created_at:%Y-%m-%d %H:%M}"
        table.add_row(str(item.id), str(item.priority), item.status, item.reason, about, item.assigned_to or "", since)
    _out.print(table) if items else _say("nothing waits for a decision")


@reviews.command("assign")
def assign(item: Item, person: Person = None) -> None:
    """Take an item, or give it to somebody."""
    with _brain() as brain:
        _done(ReviewQueue(brain).assign(item, person or _me(), datetime.now(UTC)), item, f"is with {person or _me()}")


@reviews.command("resolve")
def resolve(item: Item, note: Note, person: Person = None) -> None:
    """Close an item whose matter is settled, and its alert."""
    with _brain() as brain:
        _done(ReviewQueue(brain).resolve(item, person or _me(), note, datetime.now(UTC)), item, "is resolved")


@reviews.command("dismiss")
def dismiss(item: Item, note: Note, person: Person = None) -> None:
    """Close an item about which nothing was wrong; its alert counts as a false positive."""
    with _brain() as brain:
        _done(ReviewQueue(brain).dismiss(item, person or _me(), note, datetime.now(UTC)), item, "is dismissed")


def _done(was_open: bool, item: int, what: str) -> None:
    if not was_open:
        _say(f"no open item {item}: `vici-brain reviews list` shows them")
        raise typer.Exit(2)
    _say(f"item {item} {escape(what)}")


def _me() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def _say(text: str) -> None:
    _out.print(text, soft_wrap=True)
