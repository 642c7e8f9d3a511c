"""One round of alerts: what is seen and what waits in the outbox, decided, sent as one message, and remembered once it went out.

Belongs here: the order of these. Does not: the decision (domain/throttle), the wording (domain/alert_text), or finding what is
wrong (brain/troubles, orchestration/alert_sources).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from vici_brain.brain.alert_windows import AlertWindows
from vici_brain.brain.database import lane
from vici_brain.domain.alert_policy import AlertPolicy
from vici_brain.domain.alert_text import compose
from vici_brain.domain.throttle import Matter, decide
from vici_brain.flows.alert_channels import Channels

_LANE = ("alerts", "send")


@dataclass(frozen=True, slots=True)
class AlertRound:
    """``sent`` counts entries of the message, 0 if no channel took it; ``errors`` has the channels that did not."""

    seen: int
    sent: int
    held: int
    waiting: int
    undelivered: int
    errors: dict[str, str]

    def __str__(self) -> str:
        told = f"{self.seen} open, {self.sent} told, {self.held} held back, {self.waiting} messages wait"
        if self.undelivered:
            told += f"; {self.undelivered} could not be told"
        return told + "".join(f"; {channel} is broken: {error}" for channel, error in self.errors.items())


def send_alerts(
    brain: Engine,
    matters: Iterable[Matter],
    channels: Channels,
    policy: AlertPolicy,
    now: datetime,
    *,
    unknown: Collection[str] = (),
) -> AlertRound:
    """Raises BusyError while another process is sending: of two rounds at once both would tell the same.

    A crash between sending and remembering tells a thing twice; the other order would tell it never.
    """
    seen = list(matters)
    with lane(brain, *_LANE):
        windows = AlertWindows(brain)
        decision = decide(seen, windows.unsent(now), windows.told(now), unknown, policy=policy, now=now)
        windows.record_held(decision.hold, decision.close, now)
        errors: dict[str, str] = {}
        sent = 0
        if decision.send and channels.names:
            fared = dict(channels.deliver(compose(decision.send, policy)))
            errors = {name: error for name, error in fared.items() if error is not None}
            windows.record_channels(fared, now)
            if len(errors) < len(fared):
                windows.record_told(decision.send, now)
                sent = len(decision.send)
            else:
                windows.record_undelivered(decision.send, "; ".join(f"{name}: {error}" for name, error in errors.items()))
    return AlertRound(len(seen), sent, len(decision.hold), decision.waiting, len(decision.send) - sent, errors)
