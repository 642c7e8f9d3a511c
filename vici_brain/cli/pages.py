"""What the commands print: lines and tables for people, one JSON document for machines.

Belongs here: wording and layout. Does not: numbers (flows and brain/overview bring them).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vici_brain.brain.overview import InstanceOverview
from vici_brain.flows.match_calls import OrphanMatch
from vici_brain.flows.prove_calls import ProofResult
from vici_brain.flows.sync_calls import CallSync, MatchSync

_out = Console(highlight=False)
_MOST_ROWS = 12


def say(text: str) -> None:
    _out.print(text, soft_wrap=True)


def synced(instance: str, read: CallSync, matched: MatchSync, *, dry_run: bool) -> None:
    """One line about a sync, and a second one where something wants attention."""
    say(
        f"{_dry(dry_run)}[bold]{instance}[/bold] {read.window_start:%Y-%m-%d %H:%M} to {read.window_end:%Y-%m-%d %H:%M} UTC: "
        f"{read.rows_read:,} read, {read.rows_new:,} new, {read.rows_updated:,} updated, {read.rows_unchanged:,} unchanged, "
        f"{read.rows_quarantined:,} with quarantined values; "
        f"{matched.examined:,} unmatched looked at, {_matched(matched):,} matched; {read.seconds + matched.seconds:.1f} s"
    )
    if read.slow:
        say(f"[yellow]slow[/yellow] {instance}: reading took {read.seconds:.0f} s for {read.rows_read:,} calls")
    for notice in read.notices:
        say(f"[dim]{instance}: {escape(notice)}[/dim]")


def rematched(instance: str, done: OrphanMatch, *, dry_run: bool) -> None:
    rules = ", ".join(f"{count:,} by {rule}" for rule, count in done.counts.by_rule.items()) or "none"
    say(
        f"{_dry(dry_run)}[bold]{instance}[/bold] {done.counts.examined:,} orphans looked at, {done.counts.matched:,} matched "
        f"({rules}), {done.counts.ambiguous:,} of them ambiguous; {done.seconds:.1f} s"
        + ("" if done.exhausted else "; there are more, the limit ended it")
    )


def reconciled(instance: str, result: ProofResult) -> None:
    """One line about a proof, and the buckets that still differ with some of their keys."""
    vanished = ", ".join(f"{count:,} {reason}" for reason, count in sorted(result.vanished.items())) or "none"
    say(
        f"[bold]{instance}[/bold] {result.window}: {result.proven:,} of {result.buckets:,} buckets proven, {result.repaired:,} "
        f"repaired ({result.merged.new:,} new, {result.merged.updated:,} updated, vanished: {vanished}); {result.seconds:.1f} s"
    )
    for each in result.differing[:_MOST_ROWS]:
        counts = f"{each.source.count:,} at the dialer, {each.brain.count:,} in Brain"
        say(f"[red]differs[/red] {each.bucket_start:%Y-%m-%d %H:%M} {each.source_table}: {counts}")
        for sample in each.samples:
            say(f"  {escape(sample)}")
    if len(result.differing) > _MOST_ROWS:
        say(f"and {len(result.differing) - _MOST_ROWS:,} more buckets")


def status(instances: Sequence[InstanceOverview], now: datetime) -> None:
    for each in instances:
        _status_of(each, now)


def status_json(instances: Sequence[InstanceOverview], now: datetime) -> None:
    document = {"now": now, "instances": [asdict(each) | {"lag_seconds": _lag(each, now)} for each in instances]}
    # Not through rich: JSON must not be wrapped to the terminal's width.
    print(json.dumps(document, default=str, indent=2))  # noqa: T201


def _status_of(each: InstanceOverview, now: datetime) -> None:
    last = each.last_sync
    say(f"\n[bold underline]{each.instance}[/bold underline]")
    if last is None:
        say("never synced; start with `vici-brain fetch-complete 90`")
    else:
        outcome = last.status if last.status != "failed" else f"[red]failed[/red]: {escape(last.error or '')}"
        say(f"last sync      {last.started_at:%Y-%m-%d %H:%M:%S} UTC, {last.kind} by {last.trigger}: {outcome}")
    say(f"last success   {_ago(each.last_success_at, now)}")
    say(f"read until     {_ago(each.read_until, now)}")
    say(f"last proof     {_ago(each.last_proof_at, now)}")
    say(f"orphan backlog {each.orphan_backlog:,}, the oldest {_ago(each.oldest_orphan_at, now)}")
    say(f"quarantined    {each.quarantined:,}")
    days = Table("day", "calls", "matched", "orphans", title="calls per day", title_justify="left", box=None)
    for column in days.columns[1:]:
        column.justify = "right"
    for day in each.days:
        days.add_row(day.day, f"{day.calls:,}", f"{day.matched:,}", f"{day.orphaned:,}")
    _out.print(days)
    _out.print(_counts("campaign", each.campaigns))
    _out.print(_counts("status", each.statuses))


def _counts(what: str, counts: Mapping[str, int]) -> Table:
    table = Table(what, "calls", title=f"calls per {what}, last 7 days", title_justify="left", box=None)
    table.columns[1].justify = "right"
    for name, calls in list(counts.items())[:_MOST_ROWS]:
        table.add_row(escape(name) or "(blank)", f"{calls:,}")
    if len(counts) > _MOST_ROWS:
        table.add_row(f"{len(counts) - _MOST_ROWS} more", f"{sum(list(counts.values())[_MOST_ROWS:]):,}")
    return table


def _matched(matched: MatchSync) -> int:
    return matched.matched_by_vendor_lead_code + matched.matched_by_vici_lead_link + matched.matched_by_phone


def _lag(each: InstanceOverview, now: datetime) -> float | None:
    return None if each.read_until is None else (now - each.read_until).total_seconds()


def _ago(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "never"
    age = timedelta(seconds=round((now - moment).total_seconds()))
    return f"{moment:%Y-%m-%d %H:%M} UTC ({age} ago)"


def _dry(dry_run: bool) -> str:
    return "[yellow]dry run[/yellow] " if dry_run else ""
