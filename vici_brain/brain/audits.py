"""What must be true of the calls of a window, and what is there to see when it is not.

Belongs here: the rules, each a statement in ``sql/<name>.sql`` that yields the offending rows, so that count and sample cannot
disagree. Does not: how Dagster shows a verdict (checks), or repairing anything (flows). Nothing here writes.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from vici_brain.brain.database import brain_errors
from vici_brain.brain.ledger import Ledger
from vici_brain.brain.sql import load
from vici_brain.domain.statuses import PREFIXES_WITHOUT_ROW, TRANSIENT, WITHOUT_ROW
from vici_brain.domain.windows import BUCKET, Window, floor_to

SAMPLE = 20
FRESHNESS = "calls_are_fresh"


@dataclass(frozen=True, slots=True)
class Audit:
    """One rule: a sentence that is true when it holds, of which relation, how bad a breach is, and what to do about one."""

    name: str
    relation: str
    is_error: bool
    promise: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Finding:
    """How one rule fared: the exact number of breaches and at most SAMPLE of them."""

    audit: Audit
    offending: int
    sample: tuple[Mapping[str, object], ...] = ()
    details: Mapping[str, object] = field(default_factory=dict)
    is_history: bool = False
    """The window is an old one, so a breach that is about now is no alarm of this run's."""

    @property
    def is_error(self) -> bool:
        return self.audit.is_error and not self.is_history

    @property
    def passed(self) -> bool:
        return self.offending == 0


AUDITS = (
    Audit(
        "no_call_in_both_halves",
        "vici_call_logs",
        is_error=True,
        promise="Every call of the window is in vici_call_metrics or in orphan_call_logs, never in both; hidden ones in none",
        remedy="The two halves are views made by the migrations: run `vici-brain migrate`, and see who altered them",
    ),
    Audit(
        "call_keys_are_unique",
        "vici_call_logs",
        is_error=True,
        promise="No two rows have the same instance, source table and key, and no uniqueid of vicidial_log occurs twice",
        remedy="Something other than the sync wrote here, or the primary key is gone: restore it, then read the window again",
    ),
    Audit(
        "required_fields_are_present",
        "vici_call_logs",
        is_error=False,
        promise="Every call has a lead, campaign, status, phone number and date, and a length once it is over",
        remedy="The dialer itself lacks them; a row stuck in its first status comes from an agent's screen that died",
    ),
    Audit(
        "statuses_are_known",
        "vici_call_logs",
        is_error=False,
        promise="Every status is defined by the system, by the call's campaign or by the dialer's programs",
        remedy="Somebody wrote a status that the dialer does not define: define it in its admin screens, or correct the calls",
    ),
    Audit(
        "every_source_call_is_landed",
        "vici_call_logs",
        is_error=True,
        promise="Every five minutes of the window were read whole, and Brain holds at least the calls counted at the source",
        remedy="Materialise the partitions again: reading is repeatable and puts back what is missing",
    ),
    Audit(
        FRESHNESS,
        "vici_call_logs",
        is_error=True,
        promise="The ledger says that every table of calls was read up to a few minutes ago, whatever backfills are doing",
        remedy="See whether the five-minute schedule is on and what its last runs failed of",
    ),
    Audit(
        "matched_codes_have_13_digits",
        "vici_call_metrics",
        is_error=True,
        promise="Every call matched by vendor code has a 13-digit code, and it is the external_lead_id of its lead",
        remedy="The lead's code was changed or the lead deleted after the match: correct the lead, or clear the call's match",
    ),
    Audit(
        "matches_are_unambiguous",
        "vici_call_metrics",
        is_error=False,
        promise="Exactly one lead fitted each matched call",
        remedy="Several leads share the code or the phone; the oldest got the call: merge the duplicates in the CRM",
    ),
    Audit(
        "no_orphan_has_a_lead_waiting",
        "orphan_call_logs",
        is_error=False,
        promise="No call without a lead fits a lead that Brain has",
        remedy="The next ten-minute pass takes them; if it does not, start match_orphans by hand and read its log",
    ),
)


class Audits:
    """Asks the rules of one dialer's calls; ``source_tables`` are those whose buckets a read covers."""

    def __init__(
        self, engine: Engine, *, source_tables: Sequence[str], stale_after: timedelta, clock: Callable[[], datetime]
    ) -> None:
        self._engine = engine
        self._source_tables = list(source_tables)
        self._stale_after = stale_after
        self._clock = clock

    def run(self, instance: str, window: Window, names: Collection[str]) -> Iterator[Finding]:
        """The findings of the rules called ``names``, in the order of AUDITS."""
        with brain_errors(), self._engine.connect() as connection:
            for audit in AUDITS:
                if audit.name in names:
                    yield (
                        self._freshness(audit, instance, window)
                        if audit.name == FRESHNESS
                        else self._of_window(connection, audit, instance, window)
                    )

    def last_day(self, instance: str) -> Window:
        """The 24 hours up to where the dialer was read, for whoever asks without naming a window."""
        end = Ledger(self._engine).newest(instance, self._source_tables) or self._clock()
        return Window(floor_to(end, BUCKET) - timedelta(days=1), floor_to(end, BUCKET))

    def _of_window(self, connection: Connection, audit: Audit, instance: str, window: Window) -> Finding:
        statement = load(audit.name)
        scope = {
            "instance": instance,
            "start": window.start,
            "end": window.end,
            "sample": SAMPLE,
            "source_tables": self._source_tables,
            "transient": sorted(TRANSIENT),
            "without_row": sorted(WITHOUT_ROW),
            "patterns": [f"{prefix}%" for prefix in PREFIXES_WITHOUT_ROW],
        }
        needed = {name: value for name, value in scope.items() if name in statement.compile().params}
        rows = [dict(row) for row in connection.execute(statement, needed).mappings()]
        return Finding(
            audit,
            int(rows[0]["offending"]) if rows else 0,
            tuple({name: value for name, value in row.items() if name != "offending"} for row in rows),
        )

    def _freshness(self, audit: Audit, instance: str, window: Window) -> Finding:
        """A dialer whose history is being filled is not fresh yet; only a run over recent calls makes an alarm of it."""
        newest, now = Ledger(self._engine).newest(instance, self._source_tables), self._clock()
        is_history = window.end < now - self._stale_after
        allowed: dict[str, object] = {"allowed_minutes": self._stale_after.total_seconds() / 60, "read_until": newest}
        if newest is None:
            return Finding(audit, 1, details=allowed, is_history=is_history)
        behind: dict[str, object] = {"minutes_behind": round((now - newest).total_seconds() / 60, 1)}
        return Finding(audit, int(now - newest > self._stale_after), details=allowed | behind, is_history=is_history)
