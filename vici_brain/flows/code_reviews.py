"""Codes about which a person is asked: another one stands there, or ours does not stay.

Belongs here: what the person is told. Does not: when to ask (write_codes), nor the queue (brain/reviews).
"""

from datetime import datetime

from vici_brain.brain.code_writes import CodeWrites
from vici_brain.brain.reviews import ReviewItem, put_up_for_review
from vici_brain.domain.identifiers import is_external_lead_id
from vici_brain.domain.vendor_codes import Linked

CONFLICT, LOST = "vendor_code_conflict", "vendor_code_lost"


def ask_about_conflict(writes: CodeWrites, link: Linked, held: str, now: datetime) -> None:
    """The dialer's lead holds ``held``, which is not the id of its lead in Brain."""
    context = {"held": held, "held_is_valid": is_external_lead_id(held), "code": link.code, "lead_id": link.lead_id}
    _ask(writes, CONFLICT, link, context, now)


def ask_about_lost(writes: CodeWrites, link: Linked, attempts: int, now: datetime) -> None:
    """The code was written ``attempts`` times and is gone again."""
    _ask(writes, LOST, link, {"written": attempts, "code": link.code, "lead_id": link.lead_id}, now)


def _ask(writes: CodeWrites, reason: str, link: Linked, context: dict[str, object], now: datetime) -> None:
    item = ReviewItem(reason, "vici_lead", f"{writes.instance}/{link.vici_lead_id}", context=context)
    put_up_for_review(writes.connection, [item], now)
