"""Trap 7: nights on which clocks change, in zones that do and do not change them, on hosts that live elsewhere.

Each night has a call every seven minutes, those of the repeated hour among them; each must stand in its own bucket, once, proven.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from builders import ask, minutes, one, outbound_row
from dialer_site import Site, site
from sqlalchemy import Engine

from vici_brain.errors import ConfigurationError

pytestmark = pytest.mark.mariadb

NIGHTS = [
    ("America/New_York", "2025-11-02 05:00"),
    ("America/New_York", "2025-03-09 06:00"),
    ("Europe/Berlin", "2025-10-26 00:00"),
    ("Europe/Berlin", "2025-03-30 00:00"),
    ("Asia/Kolkata", "2025-11-02 05:00"),
    ("Asia/Kolkata", "2025-03-09 06:00"),
    ("UTC", "2025-11-02 05:00"),
    ("UTC", "2025-03-30 00:00"),
]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def calls_through_the_night(dialer: Site) -> int:
    """Calls from half an hour before to two and a half after the start, an hour before which the clocks change."""
    moments = [dialer.at(minute) for minute in range(-30, 150, 7)]
    dialer.exchange.put("vicidial_log", *(outbound_row(at, zone=dialer.zone) for at in moments))
    return len(moments)


@pytest.fixture
def host_elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process, which reads, lives in Tokyo."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("zone", "start"), NIGHTS, ids=[f"{zone} {start[:10]}" for zone, start in NIGHTS])
def test_trap_7_every_call_of_the_night_stands_once_in_its_bucket_and_is_proven(
    zone: str, start: str, mariadb_url: str, brain: Engine
) -> None:
    with site(mariadb_url, brain, zone=zone, start=instant(start)) as dialer:
        count = calls_through_the_night(dialer)
        dialer.run_until(16)
        dialer.skip_until(151)
        dialer.settle()
        dialer.assert_lossless()
        rows = ask(brain, "SELECT called_at, extract(epoch FROM called_at)::bigint = start_epoch FROM vici_call_logs ORDER BY 1")
        assert rows == [(dialer.at(minute), True) for minute in range(-30, 150, 7)]
        assert one(brain, "SELECT sum(source_count) FROM call_log_proofs WHERE state = 'proven'") == count


def test_two_calls_of_the_repeated_half_past_one_stay_two(mariadb_url: str, brain: Engine) -> None:
    with site(mariadb_url, brain, start=instant("2025-11-02 05:30")) as dialer:
        for epoch in (1762061400, 1762065000):
            dialer.exchange.outbound(datetime.fromtimestamp(epoch, UTC), f"{epoch}.1", lead_id=7)
        dialer.skip_until(96)
        dialer.settle()
        dialer.assert_lossless()
        assert ask(brain, "SELECT call_date::text, start_epoch FROM vici_call_logs ORDER BY 2") == [
            ("2025-11-02 01:30:00", 1762061400),
            ("2025-11-02 01:30:00", 1762065000),
        ]


def test_ticks_through_the_repeated_hour_prove_without_a_false_difference(mariadb_url: str, brain: Engine) -> None:
    with site(mariadb_url, brain, start=instant("2025-11-02 05:30")) as dialer:
        calls_through_the_night(dialer)
        dialer.run_until(71)
        last = dialer.prove(minutes(25), repair=False)
        assert last.differing == ()
        assert dialer.prove(timedelta(hours=2), repair=False).differing == ()


@pytest.mark.usefixtures("host_elsewhere")
@pytest.mark.parametrize(("zone", "start"), [NIGHTS[0], NIGHTS[3]], ids=["New York", "Berlin"])
def test_a_host_in_another_zone_gives_the_same(zone: str, start: str, mariadb_url: str, brain: Engine) -> None:
    assert time.tzname == ("JST", "JST")
    with site(mariadb_url, brain, zone=zone, start=instant(start)) as dialer:
        calls_through_the_night(dialer)
        dialer.skip_until(151)
        dialer.settle()
        dialer.assert_lossless()


def test_a_dialer_that_is_configured_in_the_wrong_zone_is_refused(mariadb_url: str, brain: Engine) -> None:
    with site(mariadb_url, brain, zone="America/New_York") as dialer:
        for minute in (1, 2, 3):
            dialer.call(minute)
        with site(mariadb_url, brain, zone="America/Chicago") as wrong:
            wrong.skip_until(6)
            with pytest.raises(ConfigurationError, match="America/Chicago"):
                wrong.system.tick()
        assert ask(brain, "SELECT 1 FROM vici_call_logs") == []
