"""A bucket is proven when both sides count and sum alike, and windows are cut where a zone changes its clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from vici_brain.domain.proof import TOLERANCE, BucketSum, Difference, Piece, compare, is_regular, pieces
from vici_brain.domain.windows import BUCKET, Window

NOON = datetime(2025, 6, 10, 16, tzinfo=UTC)
QUARTER = Window(NOON, NOON + 3 * BUCKET)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_equal_sums_leave_no_difference() -> None:
    sums = {NOON: BucketSum(3, 900), NOON + BUCKET: BucketSum(1, 7)}
    assert compare("vicidial_log", QUARTER, sums, dict(sums), {}) == []


def test_a_bucket_that_one_side_lacks_differs_from_nothing() -> None:
    one = BucketSum(1, 7)
    assert compare("vicidial_log", QUARTER, {NOON: one}, {}, {}) == [Difference("vicidial_log", NOON, one, BucketSum())]
    assert compare("vicidial_log", QUARTER, {}, {NOON: one}, {}) == [Difference("vicidial_log", NOON, BucketSum(), one)]


@pytest.mark.parametrize("brain", [BucketSum(2, 7), BucketSum(1, 8)])
def test_count_and_checksum_must_both_agree(brain: BucketSum) -> None:
    found = compare("vicidial_log", QUARTER, {NOON: BucketSum(1, 7)}, {NOON: brain}, {})
    assert [each.bucket_start for each in found] == [NOON]


def test_an_irregular_row_that_differs_spoils_a_bucket_with_equal_sums() -> None:
    sums = {NOON: BucketSum(1, 7)}
    assert compare("vicidial_log", QUARTER, sums, sums, {NOON: ("1749571200.1",)}) == [
        Difference("vicidial_log", NOON, sums[NOON], sums[NOON], ("1749571200.1",))
    ]


def test_differences_come_oldest_first_and_only_from_the_window() -> None:
    one = BucketSum(1, 1)
    source = {NOON + 2 * BUCKET: one, NOON: one, NOON + 3 * BUCKET: one, NOON - BUCKET: one}
    found = compare("vicidial_log", QUARTER, source, {}, {})
    assert [each.bucket_start for each in found] == [NOON, NOON + 2 * BUCKET]


def test_a_window_without_a_whole_bucket_is_trivially_equal() -> None:
    assert compare("vicidial_log", Window(NOON, NOON + timedelta(minutes=4)), {NOON: BucketSum(1, 1)}, {}, {}) == []


@pytest.mark.parametrize(
    ("zone", "start", "change", "before", "after"),
    [
        ("America/New_York", "2025-11-02 05:00", "2025-11-02 06:00", -4, -5),
        ("America/New_York", "2025-03-09 06:00", "2025-03-09 07:00", -5, -4),
        ("Europe/Berlin", "2025-10-26 00:00", "2025-10-26 01:00", 2, 1),
        ("Australia/Lord_Howe", "2025-04-05 14:00", "2025-04-05 15:00", 11, 10.5),
    ],
)
def test_a_window_is_cut_where_the_zone_changes_its_clock(
    zone: str, start: str, change: str, before: float, after: float
) -> None:
    window = Window(at(start), at(start) + timedelta(hours=2))
    assert list(pieces(window, ZoneInfo(zone))) == [
        Piece(Window(window.start, at(change)), timedelta(hours=before)),
        Piece(Window(at(change), window.end), timedelta(hours=after)),
    ]


def test_a_window_that_starts_beside_the_quarter_hours_is_still_cut_at_the_change() -> None:
    window = Window(at("2025-11-02 05:50"), at("2025-11-02 06:20"))
    starts = [piece.window.start for piece in pieces(window, ZoneInfo("America/New_York"))]
    assert starts == [window.start, at("2025-11-02 06:00")]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_an_ordinary_window_stays_whole(zone: str) -> None:
    assert [piece.window for piece in pieces(QUARTER, ZoneInfo(zone))] == [QUARTER]


def test_an_empty_window_is_one_empty_piece() -> None:
    empty = Window(NOON, NOON)
    assert list(pieces(empty, ZoneInfo("UTC"))) == [Piece(empty, timedelta())]


def test_the_tolerance_is_that_of_both_databases() -> None:
    assert timedelta(minutes=15) == TOLERANCE


@pytest.mark.parametrize(
    ("call_date", "epoch", "regular"),
    [
        ("2025-11-02 01:30:00", 1762061400, True),
        ("2025-11-02 01:30:00", 1762065000, True),
        ("2025-11-02 01:45:00", 1762061400, True),
        ("2025-11-02 01:45:01", 1762061400, False),
        ("2025-11-02 04:30:00", 1762061400, False),
        ("2025-11-02 01:30:00", 2025, False),
        ("2025-11-02 01:30:00", None, False),
        ("0000-00-00 00:00:00", 1762061400, False),
        (None, 1762061400, False),
    ],
)
def test_a_row_is_regular_when_its_two_times_agree_in_either_pass_of_an_hour(
    call_date: str | None, epoch: int | None, regular: bool
) -> None:
    assert is_regular(call_date, epoch, ZoneInfo("America/New_York")) is regular
