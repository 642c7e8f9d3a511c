"""When a call happened: PostgreSQL's call_instant against the rule in Python."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

ZONES = ("America/New_York", "Europe/Berlin", "Asia/Kolkata", "UTC", "Australia/Lord_Howe")
SUMMER = datetime(2025, 7, 1, 12)  # noqa: DTZ001 - wall time
HALF_PAST_ONE = datetime(2025, 11, 2, 1, 30)  # noqa: DTZ001 - wall time that New York had twice


def at_zone(wall: datetime, zone: str) -> datetime:
    """``wall AT TIME ZONE zone`` as PostgreSQL means it: of two instants the later one, a skipped hour by the offset before."""
    known = ZoneInfo(zone)
    first, second = (wall.replace(tzinfo=known, fold=fold).astimezone(UTC) for fold in (0, 1))
    return max(first, second)


def expected(wall: datetime | None, epoch: int | None, uniqueid: str | None, zone: str) -> datetime | None:
    if epoch is not None and 946684800 <= epoch <= 4102444800:
        instant = datetime.fromtimestamp(epoch, UTC)
        if wall is None or abs(at_zone(wall, zone) - instant) <= timedelta(hours=15):
            return instant
    if wall is not None:
        return at_zone(wall, zone)
    if uniqueid is not None and re.match(r"1[0-9]{9}[.]", uniqueid):
        return datetime.fromtimestamp(int(uniqueid[:10]), UTC)
    return None


def test_the_instant_of_a_call_is_the_same_in_postgresql_and_in_the_rule(brain: Engine) -> None:
    walls = st.one_of(st.none(), st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 31)))  # noqa: DTZ001 - wall times
    beside = st.integers(-20 * 3600, 20 * 3600)
    statement = text(
        "SELECT call_instant(CAST(:wall AS timestamp), CAST(:epoch AS bigint), CAST(:uniqueid AS text), :zone) AT TIME ZONE 'UTC'"
    )
    with brain.connect() as connection:

        @settings(derandomize=True, deadline=None, max_examples=400)
        @given(
            walls,
            st.one_of(beside, st.sampled_from([None, 0, 2025, 946684799, 946684800, 4102444800, 4102444801, 2**62, -1])),
            st.one_of(st.none(), st.sampled_from(["", "1751371200.5", "FAKE1751371200", "1751371200", "2751371200.1", "x"])),
            st.sampled_from(ZONES),
        )
        @example(HALF_PAST_ONE, 3600, None, "America/New_York")
        @example(SUMMER, 2025, "1751371200.5", "America/New_York")
        def agree(wall: datetime | None, epoch: int | None, uniqueid: str | None, zone: str) -> None:
            if epoch is not None and wall is not None and abs(epoch) <= 20 * 3600 and epoch not in {0, 2025, -1}:
                epoch += int(at_zone(wall, zone).timestamp())
            said = connection.scalar(
                statement, {"wall": wall and wall.replace(microsecond=0), "epoch": epoch, "uniqueid": uniqueid, "zone": zone}
            )
            right = expected(wall and wall.replace(microsecond=0), epoch, uniqueid, zone)
            assert said == (right and right.replace(tzinfo=None))

        agree()


@pytest.mark.parametrize(("beside", "believed"), [(54_000, True), (-54_000, True), (54_001, False), (-54_001, False)])
def test_an_epoch_is_believed_up_to_fifteen_hours_beside_the_wall_time(brain: Engine, beside: int, believed: bool) -> None:
    noon = int(SUMMER.replace(tzinfo=UTC).timestamp())
    with brain.connect() as connection:
        said = connection.scalar(
            text("SELECT extract(epoch FROM call_instant(timestamp '2025-07-01 12:00', :epoch, '', 'UTC'))"),
            {"epoch": noon + beside},
        )
    assert said == (noon + beside if believed else noon)


@pytest.mark.parametrize("epoch", [1762061400, 1762065000], ids=["first pass", "second pass"])
def test_the_two_passes_of_the_fall_back_hour_are_told_apart_by_the_epoch(brain: Engine, epoch: int) -> None:
    with brain.connect() as connection:
        said = connection.scalar(
            text("SELECT extract(epoch FROM call_instant(timestamp '2025-11-02 01:30', :epoch, '', 'America/New_York'))"),
            {"epoch": epoch},
        )
    assert said == epoch
