"""The simulated dialer keeps office hours, weekends and its zone's clock."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from simulated_dialers import new_dialer, small, sqlite_engine, utc

from vici_brain.simulation.calendar import Calendar, is_holiday, wall_texts
from vici_brain.simulation.profile import Behaviours, DialerProfile

CALENDAR = Calendar(DialerProfile(first_day=date(2025, 1, 1), calls_per_day=2000))


def local_hours(day: date, night_share: float = 0.0, count: int = 5000) -> Counter[int]:
    epochs = CALENDAR.moments(day, np.random.default_rng(3), count, night_share)
    zone = ZoneInfo("America/New_York")
    return Counter(datetime.fromtimestamp(epoch, zone).hour for epoch in epochs.tolist())


def test_calls_are_dialled_from_nine_to_eight_with_a_dip_at_lunch() -> None:
    hours = local_hours(date(2025, 10, 22))
    assert set(hours) == set(range(9, 20))
    assert hours[12] < 0.6 * hours[11]
    assert hours[19] < 0.6 * hours[16]


def test_weekends_and_holidays_are_quiet() -> None:
    tuesday, saturday, sunday = (CALENDAR.volume(date(2025, 10, day)) for day in (21, 25, 26))
    assert tuesday > 5 * saturday > 5 * sunday > 0
    for day in (date(2025, 5, 26), date(2025, 7, 4), date(2025, 9, 1), date(2025, 11, 27), date(2025, 12, 25)):
        assert is_holiday(day)
        assert CALENDAR.volume(day) < 100
    assert not is_holiday(date(2025, 11, 20))


def test_calls_are_numbered_across_days() -> None:
    first, second = date(2025, 1, 1), date(2025, 1, 2)
    assert CALENDAR.calls_before(first) == 0
    assert CALENDAR.calls_before(second) == CALENDAR.volume(first)
    assert CALENDAR.calls_before(date(2025, 1, 3)) == CALENDAR.volume(first) + CALENDAR.volume(second)


def test_in_the_night_the_clock_goes_back_one_hour_holds_twice_the_calls_and_in_spring_one_is_missing() -> None:
    back = local_hours(date(2025, 11, 2), night_share=1.0, count=6000)
    forward = local_hours(date(2025, 3, 9), night_share=1.0, count=6000)
    assert back[1] > 1.7 * back[0]
    assert 2 not in forward
    assert max(forward) == 6


@pytest.mark.parametrize(("first_day", "repeats"), [(date(2025, 11, 1), True), (date(2025, 3, 8), False)])
def test_rows_of_a_clock_change_carry_wall_time_and_true_epoch(first_day: date, repeats: bool, tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path)
    profile = small(first_day=first_day, calls_per_day=4000, behaviours=replace(Behaviours.none(), night_calls=1.0))
    new_dialer(engine, profile).load_history(datetime.combine(first_day + timedelta(days=2), datetime.min.time(), UTC))
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT call_date, start_epoch FROM vicidial_log").all()
    zone = ZoneInfo("America/New_York")
    assert rows
    assert all(f"{datetime.fromtimestamp(epoch, zone):%Y-%m-%d %H:%M:%S}" == wall for wall, epoch in rows)
    change = f"{first_day + timedelta(days=1)} 01"
    offsets = {datetime.fromtimestamp(epoch, zone).utcoffset() for wall, epoch in rows if wall.startswith(change)}
    assert len(offsets) == (2 if repeats else 1)
    engine.dispose()


def test_wall_texts_agree_with_the_zone_on_both_sides_of_a_change() -> None:
    epochs = np.array([1762061400, 1762065000, 1741503599, 1741503600], dtype=np.int64)
    texts = ["2025-11-02 01:30:00", "2025-11-02 01:30:00", "2025-03-09 01:59:59", "2025-03-09 03:00:00"]
    assert wall_texts(CALENDAR.walls(epochs)) == texts


def test_an_administrators_night_is_noticed_in_any_span_that_holds_it() -> None:
    at = CALENDAR.at(date(2025, 6, 3), 3, 10)
    assert CALENDAR.has_night_between(at - 1, at)
    assert not CALENDAR.has_night_between(at, at + 20 * 3600)
    assert CALENDAR.has_night_between(at, at + 30 * 3600)


def test_a_dialer_elsewhere_keeps_its_own_hours(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path)
    profile = small(time_zone="Europe/Berlin", behaviours=Behaviours.none())
    new_dialer(engine, profile).load_history(utc("2025-10-20 23:00:00"))
    with engine.connect() as connection:
        first, last = connection.exec_driver_sql("SELECT min(call_date), max(call_date) FROM vicidial_log").one()
        gmt = connection.exec_driver_sql("SELECT local_gmt FROM servers").scalar()
    assert "2025-10-20 09" <= first < last < "2025-10-20 20:01"
    assert gmt == "1.00"
    engine.dispose()
