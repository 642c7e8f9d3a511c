"""Giving calls their lead: by code, by stored link, by phone, in that order, set-based.

Belongs here: everything that writes lead_id on a call. Does not: landing calls (brain/calls) or making leads and links.
"""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from vici_brain.brain.database import brain_errors
from vici_brain.brain.sql import load
from vici_brain.domain.windows import Window

# What is compared with leads has no collation of its own: an index on leads serves only comparisons in the index's collation.
_UNMATCHED = text("""
    CREATE TEMPORARY TABLE unmatched_calls (
        source_table text COLLATE "C", source_key text COLLATE "C", vendor_lead_code text, vici_lead_id bigint, phone_key text
    ) ON COMMIT DROP
""")
# Without statistics the planner takes the new table for a thousand rows and may scan the leads for each. And as it takes every
# call for one that finds its lead, it would read all calls of Brain rather than look up the few that do.
_READY = text("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; ANALYZE unmatched_calls")
_WINDOW_TOTALS = text("""
    SELECT coalesce(matched_by, '') AS rule, count(*) AS calls, count(*) FILTER (WHERE match_candidates > 1) AS ambiguous
    FROM vici_call_logs WHERE instance = :instance AND called_at >= :start AND called_at < :end AND vanished_at IS NULL
    GROUP BY 1 ORDER BY 1
""")


@dataclass(frozen=True, slots=True)
class MatchCounts:
    """What a match did: calls looked at, and those that got a lead by each rule."""

    examined: int = 0
    by_rule: dict[str, int] = field(default_factory=dict)
    ambiguous: int = 0

    @property
    def matched(self) -> int:
        return sum(self.by_rule.values())

    def __add__(self, other: "MatchCounts") -> "MatchCounts":
        rules = self.by_rule.keys() | other.by_rule.keys()
        return MatchCounts(
            self.examined + other.examined,
            {rule: self.by_rule.get(rule, 0) + other.by_rule.get(rule, 0) for rule in sorted(rules)},
            self.ambiguous + other.ambiguous,
        )


class MatchStore:
    """Matches the calls of one dialer; every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def match_window(self, instance: str, window: Window, *, dry_run: bool = False) -> MatchCounts:
        """Matches what is still unmatched among the calls that happened in ``window``."""
        scope = {"instance": instance, "start": window.start, "end": window.end}
        with brain_errors(), self.engine.connect() as connection:
            connection.execute(_UNMATCHED)
            examined = connection.execute(load("unmatched_in_window"), scope).rowcount
            counts = _match(connection, instance, examined)
            connection.rollback() if dry_run else connection.commit()
        return counts

    def match_orphans_after(
        self, instance: str, after: tuple[str, str], limit: int, *, dry_run: bool = False
    ) -> tuple[MatchCounts, tuple[str, str] | None]:
        """Matches up to ``limit`` orphans behind the key ``after``; also returns the last key, ``None`` when there were none."""
        scope = {"instance": instance, "after_table": after[0], "after_key": after[1], "limit": limit}
        with brain_errors(), self.engine.connect() as connection:
            connection.execute(_UNMATCHED)
            keys = [(row.source_table, row.source_key) for row in connection.execute(load("unmatched_after_key"), scope)]
            counts = _match(connection, instance, len(keys))
            connection.rollback() if dry_run else connection.commit()
        return counts, max(keys) if keys else None

    def match_orphans_of_leads(self, instance: str, since: datetime, *, dry_run: bool = False) -> MatchCounts:
        """Matches the orphans that leads created at or after ``since`` could claim, whatever the calls' age."""
        with brain_errors(), self.engine.connect() as connection:
            connection.execute(_UNMATCHED)
            examined = connection.execute(load("unmatched_of_leads"), {"instance": instance, "since": since}).rowcount
            counts = _match(connection, instance, examined)
            connection.rollback() if dry_run else connection.commit()
        return counts

    def match_orphans_of_import(self, instance: str, import_id: int) -> MatchCounts:
        """Matches the orphans that the leads and links of an import could claim, whatever the calls' age."""
        with brain_errors(), self.engine.begin() as connection:
            connection.execute(_UNMATCHED)
            examined = connection.execute(load("unmatched_of_import"), {"instance": instance, "import_id": import_id}).rowcount
            return _match(connection, instance, examined)

    def totals(self, instance: str, window: Window) -> tuple[MatchCounts, int]:
        """How the calls that happened in ``window`` are matched, by whichever pass, and how many are orphans."""
        scope = {"instance": instance, "start": window.start, "end": window.end}
        with brain_errors(), self.engine.connect() as connection:
            rows = connection.execute(_WINDOW_TOTALS, scope).all()
        by_rule = {row.rule: row.calls for row in rows if row.rule}
        examined, matched = sum(row.calls for row in rows), sum(by_rule.values())
        return MatchCounts(examined, by_rule, sum(row.ambiguous for row in rows)), examined - matched

    def newest_lead(self) -> datetime | None:
        """When the newest lead of Brain was created."""
        with brain_errors(), self.engine.connect() as connection:
            newest: datetime | None = connection.scalar(text("SELECT max(created_at) FROM leads"))
        return newest


def _match(connection: Connection, instance: str, examined: int) -> MatchCounts:
    if not examined:
        return MatchCounts()
    connection.execute(_READY)
    rows = connection.execute(load("match_calls"), {"instance": instance}).all()
    return MatchCounts(examined, {row.matched_by: row.calls for row in rows}, sum(row.ambiguous for row in rows))
