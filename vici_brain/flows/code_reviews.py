"""Codes about which a person is asked: another one stands there, or ours does not stay.

Belongs here: what the person is told. Does not: when to ask (write_codes), nor the queue (brain/reviews).
"""

from collections.abc import Mapping
from datetime import datetime

from vici_brain.brain.code_writes import CodeWrites
from vici_brain.brain.reviews import ReviewItem, put_up_for_review
from vici_brain.domain.identifiers import is_external_lead_id
from vici_brain.domain.vendor_codes import Linked

CONFLICT, LOST = "vendor_code_conflict", "vendor_code_lost"


def ask_about_conflicts(writes: CodeWrites, held: Mapping[Linked, str], now: datetime) -> None:
    """These leads of the dialer hold another code than that of their lead in Brain.

    Who has answered of these two codes is not asked again, however often a walk finds them.
    """
    if not held:
        return
    answered = writes.answered_conflicts([link.vici_lead_id for link in held])
    items = [
        _item(writes, CONFLICT, link, {"held": value, "held_is_valid": is_external_lead_id(value)})
        for link, value in held.items()
        if (link.vici_lead_id, value, link.code) not in answered
    ]
    put_up_for_review(writes.connection, items, now)


def ask_about_lost(writes: CodeWrites, link: Linked, attempts: int, now: datetime) -> None:
    """The code was written ``attempts`` times and is gone again."""
    put_up_for_review(writes.connection, [_item(writes, LOST, link, {"written": attempts})], now)


def _item(writes: CodeWrites, reason: str, link: Linked, said: Mapping[str, object]) -> ReviewItem:
    context = {**said, "code": link.code, "lead_id": link.lead_id}
    return ReviewItem(reason, "vici_lead", f"{writes.instance}/{link.vici_lead_id}", context=context)
