"""Whether a lead may be called: the 30-day rule and the do-not-call lists, decided from evidence.

Belongs here: the verdict and the numbers that a do-not-call list is asked for. Does not: gathering evidence (brain/recent_calls,
vici/lead_lookup) or acting on a verdict (flows).

The calls themselves decide. ``vicidial_list.last_local_call_time`` is no evidence: the dialer sets it to "now" for leads never
called, writes it in the lead's own time zone, and keeps it from the calls of other leads with the same number.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

RECENT = timedelta(days=30)
"""Exactly 30 times 24 hours: a call that long ago allows the next one, a microsecond less does not."""
Fact = Literal["DO_NOT_CALL", "recently_called", "unknown"]
DO_NOT_CALL: Fact = "DO_NOT_CALL"
RECENTLY_CALLED: Fact = "recently_called"
UNKNOWN: Fact = "unknown"
_WILDCARD = "XXXXXXX"


@dataclass(frozen=True, slots=True)
class LastCall:
    """The newest call to or from any number of a lead, or of any lead of its number."""

    at: datetime
    instance: str
    source_key: str
    phone_key: str | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one lead. ``uncovered`` says of which dialers the last 30 days are not wholly in Brain, and why."""

    last_call: LastCall | None = None
    do_not_call: tuple[str, ...] = ()
    uncovered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Facts stand beside each other, the strongest first; none of them may be written over another."""

    facts: tuple[tuple[Fact, str], ...]
    callable_after: datetime | None = None
    """When the 30 days of the last call are over, if they are not."""

    @property
    def allowed(self) -> bool:
        return not self.facts

    @property
    def reason(self) -> str:
        return "; ".join(f"{fact}: {why}" for fact, why in self.facts)

    def has(self, fact: Fact) -> bool:
        return any(each == fact for each, _ in self.facts)


def judge(evidence: Evidence, now: datetime) -> Verdict:
    """DO_NOT_CALL wins, then a recent call; a history with holes blocks too, because unknown is not false."""
    facts: list[tuple[Fact, str]] = [(DO_NOT_CALL, why) for why in evidence.do_not_call[:1]]
    after: datetime | None = None
    if (call := evidence.last_call) is not None and call.at > now - RECENT:
        after = call.at + RECENT
        facts.append((RECENTLY_CALLED, f"call {call.source_key} on {call.instance} at {call.at:%Y-%m-%d %H:%M:%S %Z}"))
    elif evidence.uncovered:
        facts.append((UNKNOWN, "; ".join(evidence.uncovered)))
    return Verdict(tuple(facts), after)


def national_number(phone_key: str, phone_code: str) -> str:
    """The number as a dialer stores it beside its country code."""
    return phone_key.removeprefix(phone_code) if phone_code else phone_key


def listed_forms(number: str, *, wildcards: bool) -> tuple[str, ...]:
    """Every key under which a do-not-call list may hold ``number`` (national form).

    Exact, with the leading 1 that some loaders keep, and with ``wildcards`` the whole area code (``312XXXXXXX``).
    """
    short = number[1:] if len(number) == 11 and number.startswith("1") else number
    if len(short) != 10:
        return (number,)
    return (short, f"1{short}", *((short[:3] + _WILDCARD,) if wildcards else ()))
