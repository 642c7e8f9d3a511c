"""Which holes are read again: cutting them into runs, and the decision what to launch now."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vici_brain.domain.gaps import MOST_BUCKETS, Attempts, Repair, contiguous, decide, origin
from vici_brain.domain.windows import BUCKET, Window

NOON = datetime(2025, 6, 10, 16, 0, tzinfo=UTC)
FIVE = timedelta(minutes=5)


def hole(first: int, last: int) -> Window:
    """Buckets ``first`` to ``last``, counted from noon, ``last`` not included."""
    return Window(NOON + first * BUCKET, NOON + last * BUCKET)


def never(_hole: Window) -> Attempts | None:
    return None


def tried(**attempts: Attempts) -> Callable[[Window], Attempts | None]:
    """Attempts at the hole that begins so many buckets after noon: ``tried(b0=...)``."""
    by_start = {NOON + int(name[1:]) * BUCKET: each for name, each in attempts.items()}
    return lambda window: by_start.get(window.start)


stretches = st.lists(st.tuples(st.integers(0, 9_000), st.integers(1, 4_500)), max_size=6)


@given(stretches)
def test_windows_cover_exactly_the_buckets_that_were_given(pieces: list[tuple[int, int]]) -> None:
    numbers = {number for first, count in pieces for number in range(first, first + count)}
    windows = contiguous([NOON + number * BUCKET for number in sorted(numbers, reverse=True)])
    assert [start for window in windows for start in window.buckets()] == [NOON + number * BUCKET for number in sorted(numbers)]
    assert all(window.length <= MOST_BUCKETS * BUCKET for window in windows)
    for one, other in pairwise(windows):
        assert one.end <= other.start
        assert one.end < other.start or one.length == MOST_BUCKETS * BUCKET, "two windows that could have been one run"


def test_a_run_takes_a_week_at_most() -> None:
    windows = contiguous(NOON + number * BUCKET for number in range(MOST_BUCKETS + 1))
    assert [window.length for window in windows] == [timedelta(days=7), BUCKET]


def test_a_bucket_named_twice_is_one() -> None:
    assert contiguous([NOON, NOON]) == [hole(0, 1)]


def test_with_nothing_missing_nothing_is_done_and_it_is_said() -> None:
    verdict = decide([], [hole(0, 1)], never, now=NOON, at_once=2)
    assert (verdict.repairs, verdict.reasons) == ((), ("every bucket that is due was read and proven",))


def test_the_oldest_holes_come_first_up_to_the_ceiling() -> None:
    holes = [hole(40, 41), hole(0, 3), hole(20, 22)]
    verdict = decide(holes, [], never, now=NOON, at_once=2)
    assert verdict.repairs == (Repair(hole(0, 3)), Repair(hole(20, 22)))
    assert verdict.reasons == (
        "6 buckets in 3 stretches are not read or not proven, the oldest 2025-06-10 16:00 UTC",
        "1 stretches wait for a free run (0 of 2 in use)",
    )


@pytest.mark.parametrize(("running", "launched"), [(0, 2), (1, 1), (2, 0), (5, 0)])
def test_the_ceiling_counts_what_is_under_way_whatever_it_reads(running: int, launched: int) -> None:
    elsewhere = [hole(1000 + number, 1001 + number) for number in range(running)]
    assert len(decide([hole(0, 1), hole(5, 6), hole(9, 10)], elsewhere, never, now=NOON, at_once=2).repairs) == launched


@pytest.mark.parametrize("run", [hole(3, 4), hole(-5, 3), hole(7, 20), hole(-5, 20)], ids=str)
def test_a_hole_that_a_run_touches_is_never_launched_a_second_time(run: Window) -> None:
    verdict = decide([hole(2, 8)], [run], never, now=NOON, at_once=9)
    assert verdict.repairs == ()
    assert verdict.reasons[1:] == ("1 stretches are being read",)


@pytest.mark.parametrize("run", [hole(-5, 2), hole(8, 9)], ids=str)
def test_a_run_that_only_borders_on_a_hole_does_not_hold_it_up(run: Window) -> None:
    assert decide([hole(2, 8)], [run], never, now=NOON, at_once=9).repairs == (Repair(hole(2, 8)),)


@pytest.mark.parametrize(
    ("count", "pause"),
    [(1, FIVE), (2, 2 * FIVE), (3, 4 * FIVE), (4, 8 * FIVE), (5, timedelta(hours=1)), (5_000, timedelta(hours=1))],
)
def test_a_stretch_that_failed_waits_ever_longer_but_never_more_than_an_hour(count: int, pause: timedelta) -> None:
    attempts = tried(b0=Attempts(count, NOON))
    early = decide([hole(0, 2)], [], attempts, now=NOON + pause - timedelta(seconds=1), at_once=2)
    assert early.repairs == ()
    assert early.reasons[1:] == ("1 stretches failed before and wait for their next try",)
    (repair,) = decide([hole(0, 2)], [], attempts, now=NOON + pause, at_once=2).repairs
    assert repair.attempt == count + 1


def test_holes_that_wait_do_not_hold_up_the_younger_ones() -> None:
    attempts = tried(**{f"b{number}": Attempts(1, NOON) for number in (0, 2, 4, 6, 8)})
    verdict = decide([hole(number, number + 1) for number in range(0, 14, 2)], [], attempts, now=NOON, at_once=2)
    assert [repair.window for repair in verdict.repairs] == [hole(10, 11), hole(12, 13)]
    assert verdict.reasons[1:] == ("5 stretches failed before and wait for their next try",)


def test_the_key_of_a_try_stays_while_its_hole_grows_and_no_later_try_has_it() -> None:
    ended = NOON - timedelta(days=1)
    first, grown = Repair(hole(0, 2)), Repair(hole(0, 9))
    assert first.key == grown.key
    assert Repair(hole(1, 9)).key != first.key
    second = Repair(hole(0, 9), Attempts(1, ended))
    assert second.key == Repair(hole(0, 12), Attempts(1, ended)).key
    # The run of the first try was deleted, so that the count fell; the key is still a new one.
    third = Repair(hole(0, 9), Attempts(1, ended + FIVE))
    assert len({first.key, second.key, third.key}) == 3


def test_a_stretch_is_known_by_its_start_because_its_end_moves_with_the_clock() -> None:
    assert origin(hole(0, 2)) == origin(hole(0, 9)) == "2025-06-10T16:00"


def test_what_was_tried_is_not_asked_while_no_run_is_free() -> None:
    asked: list[Window] = []

    def ask(window: Window) -> Attempts | None:
        asked.append(window)
        return None

    decide([hole(number, number + 1) for number in range(0, 4_000, 2)], [hole(9_000, 9_001)], ask, now=NOON, at_once=2)
    assert asked == [hole(0, 1)]
