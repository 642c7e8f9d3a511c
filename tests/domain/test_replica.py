"""What a replica's word about itself means."""

from datetime import timedelta

import pytest

from vici_brain.domain.replica import Channel, behind, standstill

FOLLOWING = "IO thread Yes, SQL thread Yes"


def channel(seconds: int | None, name: str = "", state: str = FOLLOWING) -> Channel:
    return Channel(name, None if seconds is None else timedelta(seconds=seconds), state)


@pytest.mark.parametrize(
    ("channels", "seconds"),
    [([], 0), ([channel(0)], 0), ([channel(400)], 402), ([channel(3, "east"), channel(90, "west")], 92), ([channel(None)], 0)],
    ids=["no replica", "up to date", "400 s", "the slowest of two", "one that stands still says nothing"],
)
def test_a_replica_shows_no_more_than_its_slowest_channel(channels: list[Channel], seconds: int) -> None:
    assert behind(channels) == timedelta(seconds=seconds)


def test_only_channels_that_stand_still_are_named_with_what_their_threads_say() -> None:
    assert standstill([channel(5)]) == ""
    stopped = channel(None, "west", "IO thread No, SQL thread Yes")
    assert standstill([channel(5, "east"), stopped]) == "west: IO thread No, SQL thread Yes"
    assert standstill([channel(None, state="IO thread Connecting")]) == "its channel: IO thread Connecting"
