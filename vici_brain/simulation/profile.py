"""What a simulated dialer is like: size, hours, and how often each thing happens that a naive sync gets wrong.

Belongs here: numbers and names that a caller may choose. Does not: how a choice turns into rows (plan and its neighbours).
"""

from dataclasses import dataclass, field, fields
from datetime import date
from typing import Self


@dataclass(frozen=True, slots=True)
class Behaviours:
    """Shares between 0 and 1 of the rows that could behave so; the defaults are a dialer on an ordinary day."""

    # call rows whose life is longer or stranger than insert-and-done
    key_rewrites: float = 0.015  # of manual calls: uniqueid changes at hang-up, inside the same epoch second
    fake_ids: float = 0.005  # of manual calls: no row until disposition, then under epoch.lead_id
    missed_starts: float = 0.005  # of manual calls: no row until hang-up (DONEM)
    local_twins: float = 0.003  # of answered auto calls: a second row, deleted at :33
    late_no_answers: float = 0.01  # of unanswered calls: the row comes 4 to 7 minutes late (AUTONA)
    late_machines: float = 0.1  # of detected machines: the row comes finished, its end in the future
    stuck_calls: float = 0.0005  # of calls with an agent: the browser crashed, INCALL for ever
    slow_dispositions: float = 0.01  # of calls with an agent: 10 to 60 minutes; a tenth of them 3 to 4 hours
    late_edits: float = 0.004  # of calls with an agent: status changed 1 to 30 days later
    alt_dials: float = 0.05  # of outbound calls: the lead's other phone was dialled
    transfers: float = 0.12  # of talks: one more passage through an in-group, same uniqueid
    digit_handoffs: float = 0.05  # of inbound calls: a vicidial_log row beside the vicidial_closer_log row
    night_calls: float = 0.004  # of all calls: between midnight and six, where clocks are changed
    missing_caller_ids: float = 0.02  # of outbound calls: nothing in log_extended and dial_cid_log
    # values that no table should hold
    blank_term_reasons: float = 0.002
    zero_dates: float = 0.0002
    null_ends: float = 0.001
    negative_lengths: float = 0.0003
    huge_lengths: float = 0.0003
    missing_lists: float = 0.0005
    blank_statuses: float = 0.0003
    unknown_statuses: float = 0.001
    year_epochs: float = 0.002  # of vicidial_closer_log rows: start_epoch holds the year
    anonymous_callers: float = 0.02  # of inbound calls
    raw_callers: float = 0.15  # of inbound calls: the number with its leading 1
    # leads
    shared_phones: float = 0.03
    missing_vendor_codes: float = 0.3  # NULL, '' or not 13 digits
    list_moves: float = 0.02
    lead_deletes: float = 0.005
    lead_archives: float = 0.01
    # what Brain knows of them
    unknown_to_brain: float = 0.05
    late_in_brain: float = 0.1  # created hours or days after the first call
    without_external_id: float = 0.02

    def __post_init__(self) -> None:
        for name, share in self.as_dict().items():
            if not 0 <= share <= 1:
                raise ValueError(f"Behaviours.{name} is a share between 0 and 1, not {share}")

    def as_dict(self) -> dict[str, float]:
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def none(cls) -> Self:
        """A well-behaved dialer: every row arrives on time, keeps its key and is never edited later."""
        return cls(**{each.name: 0.0 for each in fields(cls)})


@dataclass(frozen=True, slots=True)
class DialerProfile:
    """One dialer. Two profiles that are equal make equal databases, row for row."""

    first_day: date
    instance: str = "vici"
    seed: int = 1
    time_zone: str = "America/New_York"
    calls_per_day: int = 1500  # mean of a working day: rows of vicidial_log and calls into in-groups
    leads: int = 20_000  # on the dialer when it opens
    new_leads_per_day: int = 20
    campaigns: tuple[str, ...] = ("AUTO2", "AUTODIAL", "RETENT")
    inbound_groups: tuple[str, ...] = ("SALESLINE", "SUPPORT", "CLOSERS")
    lists_per_campaign: int = 3
    agents: int = 24
    manual_share: float = 0.1
    inbound_share: float = 0.08
    archive_after_days: int | None = 60  # None: no archive job runs
    behaviours: Behaviours = field(default_factory=Behaviours)
