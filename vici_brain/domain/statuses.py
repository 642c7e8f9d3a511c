"""Call statuses: what a dialer says of each, which are still moving, and which it writes without a row in its status tables.

Belongs here: the dialer's vocabulary as its programs write it. Does not: a site's own statuses (mirrored to ``vici_statuses``).
"""

from dataclasses import dataclass

FLAGS = (
    "human_answered",
    "sale",
    "dnc",
    "customer_contact",
    "not_interested",
    "unworkable",
    "scheduled_callback",
    "completed",
    "answering_machine",
)

# A row in one of these is a call that has not been dispositioned yet.
TRANSIENT = frozenset({"", "NEW", "QUEUE", "INCALL", "DISPO", "PU", "LIVE", "ALTNUM"})

# Written by dialer programs, absent from the stock vicidial_statuses: known all the same.
WITHOUT_ROW = frozenset({
    "DISPO", "DONEM", "ALTNUM", "ADCCAR", "DNCCAR", "AMDXFR", "UNKXFR", "UNKAM", "UNKAL", "HXFER", "HOLDTO", "WAITTO",
    "RAXFER", "CLOSOP", "ACFLTR", "INBND", "NVAINS", "PAUSMX", "DISMX", "SRDROP", "QCPASS", "QCCANC", "LTMGAD", "XAMMAD",
    "VM", "MP", "CBHOLD", "INCALL", "QUEUE", "PU", "NEW", "LIVE",
})  # fmt: skip

# Families whose last characters carry a carrier's cause: CPDxxx (call progress) and HUCnnn (hang-up cause).
PREFIXES_WITHOUT_ROW = ("CPD", "HUC")


@dataclass(frozen=True, slots=True)
class CallStatus:
    """One status as a dialer defines it; ``campaign_id`` is blank for a system status, which a campaign's own row shadows."""

    campaign_id: str
    status: str
    status_name: str | None
    flags: frozenset[str]
    """Those of :data:`FLAGS` that are Y."""
