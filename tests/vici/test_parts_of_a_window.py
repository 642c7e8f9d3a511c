"""A window cut for statements that may not be long: each wall time stands in exactly one part."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from vici_brain.domain.windows import EDGE_SLACK, Window
from vici_brain.vici.call_tables import Bounds

START = datetime(2025, 10, 30, tzinfo=UTC)


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 5 * 24 * 60), st.integers(1, 3 * 24 * 60), st.sampled_from([20, 60, 720]))
def test_parts_follow_one_another_and_none_is_long(offset: int, minutes: int, longest: int) -> None:
    start = START + timedelta(minutes=offset)
    bounds = Bounds.of(Window(start, start + timedelta(minutes=minutes)), ZoneInfo("America/New_York"))
    parts = bounds.parts(timedelta(minutes=longest))
    assert (parts[0].walls[0], parts[-1].walls[1]) == bounds.walls
    for earlier, later in pairwise(parts):
        assert earlier.walls[1] == later.walls[0]
    assert all(
        timedelta() < high - low <= timedelta(minutes=longest) + 2 * EDGE_SLACK for low, high in (each.walls for each in parts)
    )


def test_a_window_as_long_as_a_statement_may_be_is_one_part() -> None:
    hour = Window(START, START + timedelta(hours=1))
    assert len(Bounds.of(hour, ZoneInfo("UTC")).parts(timedelta(hours=1))) == 1
