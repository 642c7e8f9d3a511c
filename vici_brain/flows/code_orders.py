"""What a write of codes is asked to do, works with, and answers.

Belongs here: these values. Does not: any step (write_codes).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine

from vici_brain.domain.vendor_codes import CodeClass
from vici_brain.domain.write_back_policy import WriteBackPolicy
from vici_brain.vici.dialer import Dialer
from vici_brain.vici.lead_writer import CodeWriter


@dataclass(frozen=True, slots=True)
class CodeOrder:
    """Which leads: those of ``campaigns`` (compared without case), or of one ``phone_key`` of them, or only what is due."""

    campaigns: tuple[str, ...]
    trigger: str
    phone_key: str | None = None
    due_only: bool = False
    dry_run: bool = False
    run_id: str | None = None
    shared: bool = False
    """The campaigns are those of several dialers, of which this one need not have all."""

    @property
    def chosen(self) -> frozenset[str]:
        return frozenset(name.strip().lower() for name in self.campaigns if name.strip())


@dataclass(frozen=True, slots=True)
class CodeResult:
    """How many leads of each class, and what looks at earlier writes found."""

    examined: int
    updated: int
    skipped: int
    conflict: int
    not_in_vici: int
    wrong_campaign: int
    in_call: int
    no_code: int
    given_up: int
    error: int
    verified: int
    lost: int
    resumed: int
    closed: bool = False
    """The intake is switched off, so nothing was done, or nothing more."""


@dataclass(slots=True)
class Tally:
    classes: Counter[CodeClass] = field(default_factory=Counter)
    verified: int = 0
    lost: int = 0
    resumed: int = 0
    errors_in_a_row: int = 0
    closed: bool = False

    def result(self) -> CodeResult:
        by_class = {each.value: self.classes[each] for each in CodeClass}
        seen = {"verified": self.verified, "lost": self.lost, "resumed": self.resumed}
        return CodeResult(examined=self.classes.total(), closed=self.closed, **by_class, **seen)


@dataclass(frozen=True, slots=True)
class CodeWriting:
    """What writing codes works with; the clock is ours."""

    dialer: Dialer
    brain: Engine
    writer: CodeWriter | None
    """``None`` for a dry run, which needs no right to write."""
    policy: WriteBackPolicy | None
    clock: Callable[[], datetime]
    batch: int = 200
    on_batch: Callable[[CodeResult], None] = lambda _: None
