"""The sweep: what changed since the last one is held against every rule; offenders become alerts, the certain ones are put right.

Belongs here: the order of one sweep. Does not: the rules (brain/consistency), or what people do about an item of the review
queue.
"""

from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import Any

from sqlalchemy import Connection, Engine

from vici_brain.brain.call_alerts import Matter, close_orphaned, raise_alerts, told
from vici_brain.brain.consistency import close_settled, news, put_right
from vici_brain.brain.consistency_log import rule_broken
from vici_brain.brain.consistency_rules import RULES, Rule
from vici_brain.brain.database import brain_errors
from vici_brain.brain.outbox import tell
from vici_brain.brain.reviews import put_up_for_review, review_of
from vici_brain.brain.watermarks import advance, horizon, position
from vici_brain.domain.consistency_policy import ConsistencyPolicy
from vici_brain.flows.tell_consistency import message_of

WATERMARK = "sweep"


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep found, by rule, and did about it."""

    since: datetime | None
    until: datetime
    found: dict[str, int] = field(default_factory=dict)
    new_alerts: int = 0
    told: int = 0
    held_back: int = 0
    auto_corrected: int = 0
    closed: int = 0
    put_up_for_review: int = 0
    seconds: float = 0.0


def sweep(brain: Engine, now: datetime, policy: ConsistencyPolicy, *, most: int = 50_000) -> Sweep:
    """One transaction over what changed since the last sweep, whatever the pause was, and what breaks a rule without an alert.

    A second sweep at once finds the same, and only counts it. Of a flood each takes ``most`` of a rule and leaves the rest for
    the next.
    """
    started = perf_counter()
    with brain_errors(), brain.begin() as connection:
        to, since = horizon(connection), position(connection, WATERMARK)
        work = _Sweeping(connection, now, policy, most)
        for rule in RULES:
            work.apply(rule, since)
        work.close_orphaned()
        advance(connection, WATERMARK, to)
    work.log()
    return work.result(since, to, round(perf_counter() - started, 3))


class _Sweeping:
    def __init__(self, connection: Connection, now: datetime, policy: ConsistencyPolicy, most: int) -> None:
        self._connection, self._now, self._policy, self._most = connection, now, policy, most
        self._found: dict[str, int] = {}
        self._lines: list[dict[str, Any]] = []
        self._new = self._told = self._held = self._fixed = self._closed = self._queued = 0

    def apply(self, rule: Rule, since: datetime | None) -> None:
        changes = news(self._connection, rule, since, self._now, self._most)
        ids = list(changes)
        self._found[rule.name] = len(ids)
        matter = Matter(rule.name, rule.severity, rule.entity_type, rule.says, ids, list(changes.values()))
        raised = raise_alerts(self._connection, matter, self._now, self._policy.throttle)
        self._new += raised.new
        # Not only what is news: the call of an old appointment may have come.
        fixed = put_right(self._connection, rule, self._now)
        self._fixed, left = self._fixed + len(fixed), set(ids) - fixed
        if ids:
            counts = {"found": len(ids), "new": raised.new, "corrected": len(ids) - len(left), "sample": ids[:10]}
            self._lines.append({"rule": rule.name, "severity": rule.severity} | counts)
        due = [alert for alert, entity in zip(raised.due, raised.due_entities, strict=True) if entity in left]
        if rule.is_told and due:
            self._tell(rule, due, sorted(left & set(raised.due_entities)), raised.held_back)
        if rule.is_told:
            context = {"rule": rule.name, "says": rule.says}
            items = [review_of(rule.name, each, context) for each in sorted(left)]
            self._queued += put_up_for_review(self._connection, items, self._now)
        self._closed += close_settled(self._connection, rule, self._now)

    def close_orphaned(self) -> None:
        """Alerts of other kinds whose call was deleted: their review went with it, so nobody else would."""
        self._closed += close_orphaned(self._connection, "appointment_validation_failed", self._now)

    def log(self) -> None:
        """To be called once the transaction has ended well."""
        for line in self._lines:
            rule_broken(**line)

    def result(self, since: datetime | None, until: datetime, seconds: float) -> Sweep:
        return Sweep(
            since,
            until,
            self._found,
            self._new,
            self._told,
            self._held,
            self._fixed,
            self._closed,
            self._queued,
            seconds,
        )

    def _tell(self, rule: Rule, alerts: list[int], entities: list[int], held_back: int) -> None:
        message = message_of(rule.name, rule.entity_type, entities, f"each {rule.says}", held_back)
        told(self._connection, alerts, tell(self._connection, message, self._now), self._now)
        self._told, self._held = self._told + len(alerts), self._held + held_back
