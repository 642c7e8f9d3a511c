"""How far a replica is behind the dialer that it copies, and whether it follows at all.

Belongs here: the verdict on what its server says. Does not: asking it (vici/replication), or what is then left unread (dialer).

A replica shows the past as if it were the present: a bucket that it has not received yet looks empty, Brain's is empty too, and
the two would be proven equal. So a replica's present is where its dialer stood that long ago, and one that has stopped following
says nothing about any moment since; nobody knows which moment that is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

# Seconds are whole, and counted from when a statement began on the dialer.
_MARGIN = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Channel:
    """One connection of a replica to a server that it copies; ``behind`` is ``None`` while it does not follow."""

    name: str
    behind: timedelta | None
    state: str
    """What its two threads do, and the number of the error that stopped one."""


def behind(channels: Sequence[Channel]) -> timedelta:
    """How far the slowest of ``channels`` that follow is behind; nothing for a server that copies no other."""
    slowest = max((channel.behind for channel in channels if channel.behind is not None), default=timedelta())
    return slowest + _MARGIN if slowest else timedelta()


def standstill(channels: Sequence[Channel]) -> str:
    """The channels that do not follow and what their threads say, or nothing."""
    return "; ".join(f"{channel.name or 'its channel'}: {channel.state}" for channel in channels if channel.behind is None)
