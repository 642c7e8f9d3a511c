"""Which matters people are told of now, which are held back, and which are over: decided per fingerprint.

Belongs here: the decision, a pure function of what is seen, what was told, and the clock. Does not: sending (flows/send_alerts)
or remembering (brain/alert_windows), which happens only after a message went out.

Two kinds of things are told. A *matter* stands for as long as it is seen: told when it opens, again when it gets worse or a
reminder is due, and once when it is over. An *event* happened once and waits in the outbox: those of one fingerprint go out
together, at most once a throttle window, and the message says how many they were.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from vici_brain.domain.alert_policy import AlertPolicy

SEVERITIES = ("critical", "warning", "info")


@dataclass(frozen=True, slots=True)
class Matter:
    """One thing that people should know; ``link`` is a path in the UI from its root."""

    fingerprint: str
    kind: str
    severity: str
    title: str
    body: str = ""
    link: str | None = None

    @property
    def rank(self) -> int:
        return SEVERITIES.index(self.severity)


@dataclass(frozen=True, slots=True)
class Event:
    """A message of the outbox that has not been sent."""

    number: int
    matter: Matter
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """What is remembered of a fingerprint; ``told_at`` is None until a message about it went out."""

    matter: Matter
    opened_at: datetime
    told_at: datetime | None
    held_back: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class Announcement:
    """One entry of the message: ``new``, ``worse``, ``still`` or ``over`` for a matter, ``event`` for events."""

    matter: Matter
    how: str
    held_back: int = 0
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    send: tuple[Announcement, ...] = ()
    hold: tuple[Matter, ...] = ()
    """Open matters of which nothing is said this time."""
    close: tuple[Matter, ...] = ()
    """Over before anybody was told."""
    waiting: int = 0
    """Events that stay in the outbox."""


def decide(
    matters: Iterable[Matter],
    events: Sequence[Event],
    told: Mapping[str, Told],
    unknown: Collection[str],
    *,
    policy: AlertPolicy,
    now: datetime,
) -> Decision:
    """``unknown`` names the kinds that could not be looked for: of these nothing is over, however little was seen."""
    seen = {matter.fingerprint: matter for matter in sorted(matters, key=lambda it: -it.rank)}
    quiet = policy.is_quiet(now)
    send: list[Announcement] = []
    hold: list[Matter] = []
    for matter in seen.values():
        how = _due(matter, told.get(matter.fingerprint), policy, now)
        if how is None or (quiet and matter.severity != "critical"):
            hold.append(matter)
        else:
            before = told.get(matter.fingerprint)
            send.append(Announcement(matter, how, before.held_back if before else 0))
    over, close = _over(seen, told, unknown, quiet=quiet)
    happened, waiting = _events(events, told, policy, now)
    announced = sorted((*send, *happened, *over), key=lambda it: (it.how == "over", it.matter.rank, it.matter.fingerprint))
    return Decision(tuple(announced), tuple(hold), close, waiting)


def _due(matter: Matter, before: Told | None, policy: AlertPolicy, now: datetime) -> str | None:
    if before is None or before.told_at is None:
        return "new"
    if before.is_open and matter.rank < before.matter.rank:
        return "worse"
    since = now - before.told_at
    if not before.is_open:
        # It came back; a matter that flaps is told once a window, not at every turn.
        return "new" if since >= policy.throttle else None
    return "still" if since >= max(policy.reminder, policy.throttle) else None


def _over(
    seen: Mapping[str, Matter], told: Mapping[str, Told], unknown: Collection[str], *, quiet: bool
) -> tuple[list[Announcement], tuple[Matter, ...]]:
    over: list[Announcement] = []
    close: list[Matter] = []
    for fingerprint, before in told.items():
        if not before.is_open or fingerprint in seen or before.matter.kind in unknown:
            continue
        if before.told_at is None:
            close.append(before.matter)
        elif not quiet or before.matter.severity == "critical":
            over.append(Announcement(before.matter, "over", before.held_back))
    return over, tuple(close)


def _events(
    events: Sequence[Event], told: Mapping[str, Told], policy: AlertPolicy, now: datetime
) -> tuple[list[Announcement], int]:
    happened: list[Announcement] = []
    waiting = 0
    quiet = policy.is_quiet(now)
    ordered = sorted(events, key=lambda it: (it.matter.fingerprint, it.number))
    for fingerprint, same in groupby(ordered, key=lambda it: it.matter.fingerprint):
        group = list(same)
        before = told.get(fingerprint)
        is_critical = any(event.matter.severity == "critical" for event in group)
        throttled = before is not None and before.told_at is not None and now - before.told_at < policy.throttle
        if throttled or (quiet and not is_critical):
            waiting += len(group)
            continue
        numbers = tuple(event.number for event in group)
        happened.append(Announcement(group[-1].matter, "event", len(group) - 1, numbers))
    return happened, waiting
