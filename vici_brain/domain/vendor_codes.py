"""What becomes of one vendor_lead_code: written, left alone, put off, or a matter for a person.

Belongs here: the decision from what the dialer shows. Does not: reading or writing it (vici), nor remembering it (brain).
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from vici_brain.domain.identifiers import is_external_lead_id


class CodeClass(StrEnum):
    UPDATED = "updated"
    SKIPPED = "skipped"
    """The dialer holds this code already."""
    CONFLICT = "conflict"
    """It holds another one: never overwritten, a person decides."""
    NOT_IN_VICI = "not_in_vici"
    WRONG_CAMPAIGN = "wrong_campaign"
    IN_CALL = "in_call"
    """An agent's screen would put the old value back: later."""
    NO_CODE = "no_code"
    """Brain's lead has no 13-digit code, or shares it with another lead."""
    GIVEN_UP = "given_up"
    """Lost as often as the policy allows; a person was asked."""
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class LeadAtDialer:
    """What the dialer shows of one lead; ``campaign_id`` is that of its list today, ``None`` for a list without a row."""

    vici_lead_id: int
    vendor_lead_code: str
    list_id: int
    campaign_id: str | None
    phone_code: str | None = None
    phone_number: str | None = None


@dataclass(frozen=True, slots=True)
class Linked:
    """A link of Brain's: the dialer's lead, Brain's lead, its code, and how many leads of Brain carry that code (2: several)."""

    vici_lead_id: int
    lead_id: int
    code: str | None
    holders: int = 1


def classify(link: Linked, found: LeadAtDialer | None, campaigns: Collection[str], in_call: Collection[int]) -> CodeClass:
    """The class before anything is written; ``UPDATED`` means that it should be. ``campaigns`` in lower case; empty: all."""
    if not is_external_lead_id(link.code) or link.holders != 1:
        return CodeClass.NO_CODE
    if found is None:
        return CodeClass.NOT_IN_VICI
    if campaigns and (found.campaign_id or "").strip().lower() not in campaigns:
        return CodeClass.WRONG_CAMPAIGN
    if found.vendor_lead_code == link.code:
        return CodeClass.SKIPPED
    if found.vendor_lead_code:
        return CodeClass.CONFLICT
    return CodeClass.IN_CALL if link.vici_lead_id in in_call else CodeClass.UPDATED
