"""What the commands about leads print.

Belongs here: figures as lines and tables. Does not: options or progress (leads).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from vici_brain.flows.audit_leads import AuditTaken
    from vici_brain.flows.import_leads import LeadImport
    from vici_brain.flows.rollback_import import ImportRollback

_out = Console(highlight=False)
DRY = "[yellow]dry run[/yellow] "


def rolled_back(done: "ImportRollback") -> None:
    counts, head = done.counts, f"[bold]import {done.imported.id}[/bold]"
    counted(
        head if done.snapshot else f"[yellow]dry run[/yellow] {head}",
        {
            "leads cleared": counts.cleared,
            "leads as before again": counts.restored,
            "Vici leads unlinked": counts.unlinked,
            "calls that wait for a lead again": counts.orphaned_calls,
            **{f"leads kept: {why}": leads for why, leads in sorted(counts.kept.items())},
        },
    )
    if done.snapshot is None:
        say("--apply does it, and stops the intake of leads first")
    else:
        say(
            f"snapshot: {done.snapshot} (sha256 {done.sha256[:12]}…); the intake is vici-only until `vici-brain lead-intake open`"
        )


def imported(done: "LeadImport") -> None:
    counted(
        f"{DRY if done.dry_run else ''}[bold]{done.instance}[/bold] "
        f"{f'import {done.import_id}' if done.import_id else 'no lead of Brain changed'}, {done.seconds:.1f} s",
        {
            "Vici leads read": done.read,
            "first seen": done.added,
            "changed": done.changed,
            "moved to another list": done.moved,
            "archived": done.archived,
            "removed": done.removed,
            "numbers with news": done.numbers,
            "leads created": done.created,
            "leads updated": done.updated,
            "Vici leads linked": done.linked,
            "codes of another lead, for review": done.conflicts,
            "deleted in Brain, for review": done.withheld,
            "calls that found their lead": done.matched_calls,
        },
    )
    if done.absent_campaigns:
        say(f"[yellow]no list here[/yellow] of campaign {escape(', '.join(done.absent_campaigns))}")


def audited(taken: "AuditTaken") -> None:
    audit = taken.audit
    fields = (
        "leads",
        "phones",
        "with_code",
        "without_code",
        "invalid_code",
        "own_code",
        "linked",
        "archived",
        "lacking_own_code",
    )
    table = Table(
        "campaign", *(name.replace("_", " ") for name in fields), box=None, title=f"{audit.instance}: leads of the dialer"
    )
    for each in audit.campaigns:
        table.add_row(each.campaign or "(no list)", *(f"{getattr(each, name):,}" for name in fields))
    _out.print(table)
    figures = {name: value for name, value in audit.figures().items() if not name.startswith("vici_")}
    counted(f"[bold]{audit.instance}[/bold]", {name.replace("_", " "): value for name, value in figures.items()})
    if taken.comparison is not None:
        before, after = taken.comparison.before, taken.comparison.after
        compared = Table("figure", "before", "after", box=None, title=f"import {taken.comparison.import_id}")
        for name, value in after.items():
            if value != before.get(name, 0):
                compared.add_row(name.replace("_", " "), f"{before.get(name, 0):,}", f"{value:,}")
        _out.print(compared)


def counted(head: str, counts: Mapping[str, int]) -> None:
    say(head)
    for name, value in counts.items():
        _out.print(f" {name:<36} {value:,}")


def say(text: str) -> None:
    _out.print(text, soft_wrap=True)
