"""How a dialer's leads become Brain's: what their statuses mean here, and several leads of one number made one.

Belongs here: the rules. Does not: reading (vici/lead_reader) or writing (brain). ``brain/sql/merge_lead_groups.sql`` is the same
merge in SQL, over any number of leads; a property test holds the two together.

Several leads of one normalised number are one person. In order of precedence, the **leading** one is that which is live rather
than archived, was called last, was called more often, has the lowest ``lead_id``. From it come status, list and campaign; every
other field, the vendor code among them, comes from the first in that order that has a usable one. One that must not be called
decides for all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from vici_brain.domain.identifiers import is_external_lead_id, is_filler, normalised_phone

DO_NOT_CALL, UNKNOWN = "DO_NOT_CALL", "UNKNOWN"
VICI_ORIGIN = "vici_import"

# The dialer's status to the CRM's. A and AA are machines that picked up, not people.
CRM_STATUS: Mapping[str, str] = {
    "NEW": "RECEIVED",
    **dict.fromkeys(("DROP", "XDROP", "PDROP"), "ATTEMPTED"),
    **dict.fromkeys(("NA", "N"), "NO_ANSWER"),
    **dict.fromkeys(("A", "AA", "AM", "AL"), "ANSWERING_MACHINE"),
    **dict.fromkeys(("B", "AB"), "BUSY"),
    **dict.fromkeys(("DC", "ADC", "ADCT", "ADCCAR"), "DISCONNECTED"),
    **dict.fromkeys(("DNC", "DNCL", "DNCC", "DNCCAR"), DO_NOT_CALL),
    **dict.fromkeys(("CALLBK", "CBHOLD"), "CALLBACK"),
    **dict.fromkeys(("QUEUE", "INCALL", "PU", "DISPO"), "IN_PROGRESS"),
    "SALE": "SOLD",
    "DEC": "DECLINED",
    "NI": "NOT_INTERESTED",
    "XFER": "TRANSFERRED",
}
DO_NOT_CALL_STATUSES = tuple(status for status, said in CRM_STATUS.items() if said == DO_NOT_CALL)
"""What forbids calls on any dialer, unless it says itself what these statuses mean there."""
PROFILE = (
    *("first_name", "last_name", "email", "address1", "city", "state", "postal_code", "date_of_birth", "owner", "comments"),
    "alt_phone",
)


@dataclass(frozen=True, slots=True)
class ViciLead:
    """One row of ``vicidial_list``, cleaned; ``last_call`` is wall time at the lead's place, ``None`` if it was never called."""

    vici_lead_id: int
    phone_number: str
    phone_code: str = "1"
    list_id: int | None = None
    campaign_id: str | None = None
    status: str = "NEW"
    vendor_lead_code: str | None = None
    called_count: int = 0
    last_call: datetime | None = None
    entry_date: datetime | None = None
    is_archived: bool = False
    profile: Mapping[str, str] = field(default_factory=dict)

    @property
    def phone_key(self) -> str | None:
        """``None`` for what is no number, or one that nobody has: such leads are each their own."""
        key = normalised_phone(self.phone_code, self.phone_number)
        return None if key is None or is_filler(key) else key


@dataclass(frozen=True, slots=True)
class MergedLead:
    """What the leads of one number say together."""

    leader: int
    members: tuple[int, ...]
    phone_number: str
    phone_key: str | None
    code: str | None
    """The 13-digit vendor code to keep; ``None``: one has to be allocated."""
    vici_status: str
    status: str
    list_id: int | None
    campaign_id: str | None
    called_count: int
    last_call: datetime | None
    profile: Mapping[str, str]


def statuses_of(dnc: frozenset[str] = frozenset()) -> dict[str, str]:
    """:data:`CRM_STATUS`, and the statuses that this dialer itself flags as do-not-call."""
    return dict(CRM_STATUS) | dict.fromkeys(sorted(dnc), DO_NOT_CALL)


def merged(leads: Sequence[ViciLead], statuses: Mapping[str, str] = CRM_STATUS) -> MergedLead:
    """The one lead that ``leads``, all of one number, are; the order in which they are given does not matter."""
    ordered = sorted(leads, key=_precedence)
    leader, codes = ordered[0], [lead.vendor_lead_code for lead in ordered if is_external_lead_id(lead.vendor_lead_code)]
    said = [statuses.get(lead.status, UNKNOWN) for lead in ordered]
    profile: dict[str, str] = {}
    for lead in ordered:
        profile = {name: value for name, value in lead.profile.items() if value} | profile
    return MergedLead(
        leader.vici_lead_id,
        tuple(sorted(lead.vici_lead_id for lead in ordered)),
        phone_in_brain(leader),
        leader.phone_key,
        codes[0] if codes else None,
        leader.status,
        DO_NOT_CALL if DO_NOT_CALL in said else said[0],
        leader.list_id,
        leader.campaign_id,
        sum(lead.called_count for lead in ordered),
        max((lead.last_call for lead in ordered if lead.last_call), default=None),
        profile,
    )


def phone_in_brain(lead: ViciLead) -> str:
    """The number as written, where it means the same without ``phone_code``, which Brain's leads have not; else with ``+``."""
    key = lead.phone_key
    return lead.phone_number if key is None or normalised_phone("1", lead.phone_number) == key else f"+{key}"


def status_after(current: str | None, news: str, *, written_before: str | None) -> str | None:
    """The status of a lead that Brain has already; ``written_before`` is what an import gave it, ``None`` if none did.

    Do-not-call is never taken back, and enters from anywhere. Otherwise only a status that an import wrote, and that nobody
    changed since, follows the dialer: for everything else Brain is the source of truth.
    """
    if DO_NOT_CALL in {current, news}:
        return DO_NOT_CALL
    return news if written_before is not None and current == written_before else current


def _precedence(lead: ViciLead) -> tuple[bool, bool, float, int, int]:
    called = lead.last_call
    seconds = (called - datetime(1970, 1, 1)).total_seconds() if called else 0.0  # noqa: DTZ001 - wall times are compared
    return (lead.is_archived, called is None, -seconds, -lead.called_count, lead.vici_lead_id)
