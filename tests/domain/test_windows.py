"""Windows: cut without gap or overlap, and wide enough on the dialer's wall clock in any night of the year."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vici_brain.domain.windows import BUCKET, OVERLAP, Window, floor_to

stable = settings(derandomize=True, deadline=None, max_examples=150)
ZONES = ("America/New_York", "Europe/Berlin", "Asia/Kolkata", "UTC", "Australia/Lord_Howe")
# Instants at which a clock of one of the zones changes: New York, Berlin and Lord Howe (by half an hour), spring and autumn.
CHANGES = tuple(
    datetime.fromisoformat(f"{instant}+00:00")
    for instant in (
        *("2025-03-09 07:00", "2025-11-02 06:00", "2025-03-30 01:00", "2025-10-26 01:00"),
        *("2025-04-05 15:00", "2025-10-04 15:30", "2025-06-10 12:00"),
    )
)
near_changes = st.builds(
    lambda change, seconds: change + timedelta(seconds=seconds),
    st.sampled_from(CHANGES),
    st.integers(-4 * 3600, 4 * 3600),
)
windows = st.builds(
    lambda start, seconds: Window(start, start + timedelta(seconds=seconds)), near_changes, st.integers(0, 2 * 86400)
)


def _window(start: str, end: str) -> Window:
    return Window(datetime.fromisoformat(f"{start}+00:00"), datetime.fromisoformat(f"{end}+00:00"))


def test_a_window_refuses_naive_bounds() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Window(datetime(2025, 1, 1), datetime(2025, 1, 2, tzinfo=UTC))  # noqa: DTZ001 - the fault itself


def test_a_window_refuses_reversed_bounds() -> None:
    with pytest.raises(ValueError, match="ends before it starts"):
        _window("2025-01-02 00:00", "2025-01-01 00:00")


def test_bounds_in_another_zone_are_the_same_window_in_utc() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert Window(datetime(2025, 7, 1, 2, tzinfo=berlin), datetime(2025, 7, 1, 3, tzinfo=berlin)) == _window(
        "2025-07-01 00:00", "2025-07-01 01:00"
    )


@stable
@given(windows, st.sampled_from([5, 15, 60]))
def test_slices_cover_the_window_without_gap_or_overlap_and_are_cut_on_the_clock(window: Window, length: int) -> None:
    longest = timedelta(minutes=length)
    slices = list(window.slices(longest))
    assert sum((piece.length for piece in slices), timedelta()) == window.length
    if slices:
        assert (slices[0].start, slices[-1].end) == (window.start, window.end)
    for earlier, later in pairwise(slices):
        assert earlier.end == later.start == floor_to(later.start, longest)
        assert earlier.length <= longest


@stable
@given(windows)
def test_buckets_are_all_the_five_minutes_that_lie_wholly_inside(window: Window) -> None:
    buckets = list(window.buckets())
    everything = {floor_to(window.start, BUCKET) + n * BUCKET for n in range(-1, 600)}
    assert set(buckets) == {start for start in everything if start >= window.start and start + BUCKET <= window.end}
    assert buckets == sorted(buckets)


def test_an_incremental_window_reads_its_neighbours_last_minute_again() -> None:  # F010, F016
    window = _window("2025-01-01 10:05", "2025-01-01 10:10")
    assert window.reaching_back(OVERLAP) == _window("2025-01-01 10:04", "2025-01-01 10:10")


@stable
@given(windows, st.sampled_from(ZONES), st.floats(0, 1, exclude_max=True))
def test_every_instant_of_a_window_has_its_wall_time_within_the_bounds(window: Window, zone: str, share: float) -> None:
    lowest, beyond = window.wall_bounds(ZoneInfo(zone))
    instants = [window.start + window.length * share]
    # The instants around a clock change are where a wall time leaps out of an interval.
    instants += [change + timedelta(seconds=step) for change in CHANGES for step in (-1, 0, 1, 1799, 3599)]
    for instant in instants:
        if window.start <= instant < window.end:
            assert lowest <= instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) < beyond


@stable
@given(windows, st.sampled_from(ZONES))
def test_a_row_whose_call_date_was_taken_seconds_beside_its_epoch_is_within_the_bounds(window: Window, zone: str) -> None:
    lowest, beyond = window.wall_bounds(ZoneInfo(zone))
    for instant in (window.start - timedelta(seconds=5), window.end + timedelta(seconds=4)):
        assert lowest <= instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) < beyond


def test_away_from_a_clock_change_the_bounds_are_only_seconds_wider_than_the_window() -> None:
    window = _window("2025-06-10 16:00", "2025-06-10 17:00")
    lowest, beyond = window.wall_bounds(ZoneInfo("America/New_York"))
    assert (lowest, beyond) == (datetime(2025, 6, 10, 11, 59, 55), datetime(2025, 6, 10, 13, 0, 5))  # noqa: DTZ001
