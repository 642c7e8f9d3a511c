"""Many planned call rows as columns: everything that will ever happen to each, with the moment it happens.

Belongs here: the columns and what they say at a given moment. Does not: how they are drawn (outbound, inbound) or
written (rows). A row at a moment is a function of its plan alone; that is why history and live ticks cannot disagree.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from vici_brain.simulation.draws import NEVER, Flags, Ints, words

STATUSES = (
    *words(
        "PU INCALL DISPO QUEUE NA AA AB ADC ADCT PDROP DROP A NI CALLBK N NP DNC DAIR DEC SALE XFER DC B AFAX DONEM AFTHRS "
        "TIMEOT QUOTE VM"
    ),
    *("", "na", "ZZTOP", "HUC20"),
)
CODE = {status: index for index, status in enumerate(STATUSES)}
COMMENTS = ("", "AUTO", "MANUAL", "AUTONA", "DIGITID")
PREPROCESS = 100  # comment numbers from here on are thousandths of a second, as the AGI writes them
TERM_REASONS = ("NONE", "CALLER", "AGENT", "ABANDON", "QUEUETIMEOUT", "AFTERHOURS", "")
PLAIN, WITH_ONE, ANONYMOUS = range(3)
NONE, MAIN, ALT = range(3)


@dataclass(slots=True)
class CallRows:
    """Rows of one log table, a column an array; times are UTC seconds and ``NEVER`` where nothing happens."""

    lead: Ints
    dialled: Ints
    start: Ints  # start_epoch and, on the wall, call_date
    id_epoch: Ints
    id_number: Ints
    born: Ints
    # moments
    agent_at: Ints
    hangup_at: Ints
    dispo_at: Ints
    edit_at: Ints
    rewrite_at: Ints
    deleted_at: Ints
    archive_at: Ints
    purge_at: Ints
    # statuses from each moment on
    first: Ints
    on_agent: Ints
    on_hangup: Ints
    final: Ints
    edited: Ints
    # contents
    list_index: Ints
    campaign: Ints
    phone: Ints
    phone_form: Ints
    alt: Ints
    called_count: Ints
    user: Ints
    agent: Ints
    comment: Ints
    agent_comment: Ints
    length: Ints
    term: Ints
    manual: Ints
    fake_id: Ints
    zero_date: Ints
    null_end: Ints
    year_epoch: Ints
    no_caller_id: Ints
    close_id: Ints
    queue: Ints  # thousandths of a second

    @classmethod
    def blank(cls, count: int) -> Self:
        """``count`` rows to which nothing ever happens."""
        never = {"born", "agent_at", "hangup_at", "dispo_at", "edit_at", "rewrite_at", "deleted_at", "archive_at", "purge_at"}
        return cls(*(np.full(count, NEVER if each.name in never else 0, dtype=np.int64) for each in fields(cls)))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        return cls(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)))

    def __len__(self) -> int:
        return int(self.lead.size)

    def take(self, which: Flags | Ints) -> Self:
        """A copy of some rows; changing it leaves the others alone."""
        return type(self)(*(getattr(self, each.name)[which] for each in fields(self)))

    @property
    def moments(self) -> tuple[Ints, ...]:
        """When a row that is there changes."""
        return self.agent_at, self.hangup_at, self.dispo_at, self.edit_at, self.rewrite_at

    def status(self, at: Ints) -> Ints:
        status = np.where(at >= self.agent_at, self.on_agent, self.first)
        status = np.where(at >= self.hangup_at, self.on_hangup, status)
        status = np.where(at >= self.dispo_at, self.final, status)
        return np.where(at >= self.edit_at, self.edited, status)

    def settled_at(self) -> Ints:
        """When the lead learns how its call went."""
        settled = np.where(self.dispo_at < NEVER, self.dispo_at, self.hangup_at)
        return np.where(settled < NEVER, np.maximum(settled, self.born), self.born)
