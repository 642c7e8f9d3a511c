"""What can be written to a dialer, whichever way: one vendor_lead_code, one new lead.

Belongs here: the two ports and the one line of truth about each outcome. Does not: SQL (sql_writer), HTTP (api_writer), or when
to write (flows).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

Written = Literal["written", "equal", "conflict", "not_found", "failed"]
Added = Literal["added", "exists", "refused", "uncertain"]


@dataclass(frozen=True, slots=True)
class CodeWrite:
    """``after`` was read back from the dialer, unless ``outcome`` is ``failed``; ``said`` is the one line to tell."""

    outcome: Written
    before: str | None
    after: str | None
    said: str


@dataclass(frozen=True, slots=True)
class LeadToAdd:
    """A lead of Brain as the dialer takes it; ``phone_number`` is national, without ``phone_code``."""

    code: str
    phone_code: str
    phone_number: str
    list_id: int
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class LeadAdded:
    """``vici_lead_id`` of the lead that was added or was there; ``uncertain``: nobody knows, so search before the next try."""

    outcome: Added
    vici_lead_id: int | None
    said: str


class CodeWriter(Protocol):
    """Compare and set of one lead's code; raises RetriableError when the dialer is away, ConfigurationError without rights."""

    @property
    def name(self) -> str: ...
    def write_code(self, vici_lead_id: int, code: str) -> CodeWrite: ...
    def close(self) -> None: ...


class LeadAdder(Protocol):
    """Search and add of leads; both raise as :class:`CodeWriter` does."""

    @property
    def name(self) -> str: ...
    def find(self, phone_number: str) -> tuple[int, ...]: ...
    def add_lead(self, lead: LeadToAdd) -> LeadAdded: ...
    def close(self) -> None: ...


class LoginGuard(Protocol):
    """Remembers failed logins across restarts: ten in a row lock the user out of the dialer."""

    def closed_until(self) -> datetime | None: ...
    def failed(self, *, locked: bool) -> None: ...
    def succeeded(self) -> None: ...
