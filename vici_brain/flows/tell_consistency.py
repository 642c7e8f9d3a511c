"""Telling people of calls and appointments that disagree: the words, and the minute's round over what no sweep has told yet.

Belongs here: which alerts a round puts into the outbox, and their message. Does not: raising alerts (triggers, the sweep), or
sending (flows/send_alerts).

A trigger raises at once, a sweep looks every quarter of an hour. Who comes first tells, and the other finds it told.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import Engine

from vici_brain.brain.call_alerts import Untold, told, untold
from vici_brain.brain.consistency_rules import RULES
from vici_brain.brain.database import brain_errors
from vici_brain.brain.outbox import Message, tell

_SAMPLE = 10
_RULES = {rule.name: rule for rule in RULES}
# A booking is written in several transactions: what settles by itself meanwhile is no news.
GRACE = timedelta(minutes=1)


def tell_untold(brain: Engine, now: datetime, throttle: timedelta) -> int:
    """Puts one message for each type of critical alert that nobody was told of into the outbox; returns how many alerts."""
    with brain_errors(), brain.begin() as connection:
        found = untold(connection, now - GRACE, now - throttle)
        for (alert_type, entity_type), same in groupby(found, key=lambda alert: (alert.alert_type, alert.entity_type)):
            alerts = list(same)
            message = message_of(alert_type, entity_type, [each.entity_id for each in alerts], _says(alerts))
            told(connection, [each.id for each in alerts], tell(connection, message, now), now)
    return len(found)


def message_of(alert_type: str, entity_type: str, entities: Sequence[int], says: str, held_back: int = 0) -> Message:
    """One message for all ``entities`` (at least one, ascending), a few of them by number, with what to do."""
    named = ", ".join(map(str, entities[:_SAMPLE])) + (", …" if len(entities) > _SAMPLE else "")
    rule = _RULES.get(alert_type)
    remedy = "See `vici-brain check-call` and the review queue." if rule is None else rule.remedy
    more = f"\n\nHeld back since the last message: {held_back}." if held_back else ""
    return Message(
        "consistency",
        f"consistency/{alert_type}/{entities[0]}/{entities[-1]}",
        f"{len(entities)} × {alert_type}",
        f"**{len(entities)}** {entity_type}s: {says}.\n\n{entity_type} {named}\n\n{remedy}{more}",
        "critical",
        "/assets/calls?view=checks",
    )


def _says(alerts: Sequence[Untold]) -> str:
    rule = _RULES.get(alerts[0].alert_type)
    return alerts[0].description if rule is None else f"each {rule.says}"
