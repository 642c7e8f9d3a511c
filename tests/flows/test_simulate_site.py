"""The simulated call centre: dialer, clock and the leads that Brain hears of stay in step, over any number of restarts."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from builders import ask, one
from sqlalchemy import Engine

from vici_brain.errors import ConfigurationError
from vici_brain.flows.simulate_site import SOURCE, SimulatedSite, SiteSize, days_back
from vici_brain.settings import load_settings

SIZE = SiteSize(date(2025, 6, 9), calls_per_day=60, leads=200)
WEDNESDAY = datetime(2025, 6, 11, 16, tzinfo=UTC)
EVERYTHING = "SELECT external_lead_id, phone, first_name, last_name, email, state, created_at FROM leads ORDER BY 1, 2, 7"


def site_in(home: Path, size: SiteSize = SIZE, zone: str = "America/New_York") -> SimulatedSite:
    home.mkdir(exist_ok=True)
    return SimulatedSite(f"sqlite:///{home}/dialer.sqlite3", home / "dialer-vici.json", "vici", zone, size)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SimulatedSite]:
    opened = site_in(tmp_path)
    try:
        opened.open_doors(WEDNESDAY)
        yield opened
    finally:
        opened.close()


def calls(site: SimulatedSite) -> list[tuple[object, ...]]:
    return ask(site.engine, "SELECT * FROM vicidial_log ORDER BY uniqueid")


def test_a_site_keeps_the_size_it_was_made_with(site: SimulatedSite, tmp_path: Path) -> None:
    again = site_in(tmp_path, SiteSize(date(2020, 1, 1), calls_per_day=5_000, leads=9, seed=7))
    try:
        assert not again.is_new
        assert again.size == SIZE
        assert again.dialer.profile == site.dialer.profile
        assert again.dialer.clock() == WEDNESDAY
    finally:
        again.close()


def test_time_goes_by_as_if_it_had_been_loaded_at_once(site: SimulatedSite, tmp_path: Path, brain: Engine) -> None:
    for hours in (1, 2, 30):
        site.take_calls(brain, WEDNESDAY + timedelta(hours=hours))
    other = site_in(tmp_path / "other")
    try:
        other.open_doors(WEDNESDAY + timedelta(hours=30))
        assert calls(site) == calls(other)
        assert len(calls(site)) > 100
    finally:
        other.close()


def test_brain_hears_of_each_lead_once_however_often_it_is_told(site: SimulatedSite, tmp_path: Path, brain: Engine) -> None:
    site.tell_brain(brain, None, WEDNESDAY)
    for hours in (5, 5, 3, 48):
        site.take_calls(brain, WEDNESDAY + timedelta(hours=hours))
    told = ask(brain, EVERYTHING)
    known = {
        (lead.external_lead_id, lead.phone, lead.created_at)
        for lead in site.dialer.brain_leads(None, WEDNESDAY + timedelta(hours=48))
    }
    heard = [(code, phone, created) for code, phone, *_, created in told]
    assert len(heard) == len(set(heard)) > 100
    assert set(heard) <= known
    assert max(created for *_, created in heard) > WEDNESDAY, "the later ones too"
    assert one(brain, "SELECT count(*) FROM leads WHERE source <> :source", source=SOURCE) == 0


def test_a_clock_that_is_ahead_is_left_alone(site: SimulatedSite, brain: Engine) -> None:
    """`make demo` right after `make dev`: the dialer lives at this second, the demo wants the last five minutes' end."""
    before = calls(site)
    report = site.take_calls(brain, WEDNESDAY - timedelta(minutes=3))
    assert (report.inserted, report.updated, report.deleted) == (0, 0, 0)
    assert site.dialer.clock() == WEDNESDAY
    assert calls(site) == before
    assert one(brain, "SELECT count(*) FROM leads") == 0


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "Europe/Berlin", "UTC"])
def test_the_partitions_begin_no_later_than_the_dialer_opened(tmp_path: Path, zone: str) -> None:
    site = site_in(tmp_path, zone=zone)
    try:
        site.open_doors(datetime(2025, 6, 9, 12, tzinfo=UTC))
        settings = load_settings({"VICI_BRAIN_HOME": str(tmp_path), "VICI_TIME_ZONE": zone})
        opened = site.dialer.opens_at
        assert settings.sync_start == opened.date()
        assert one(site.engine, "SELECT min(epoch) FROM simulation_clock") >= opened.timestamp()
    finally:
        site.close()


def test_a_site_that_was_remembered_before_partitions_began_elsewhere_still_opens(site: SimulatedSite, tmp_path: Path) -> None:
    memory = tmp_path / "dialer-vici.json"
    known = json.loads(memory.read_text())
    del known["first_utc_day"]
    memory.write_text(json.dumps(known))
    again = site_in(tmp_path)
    again.close()
    assert again.size == SIZE
    assert load_settings({"VICI_BRAIN_HOME": str(tmp_path)}).sync_start == SIZE.first_day


def test_a_history_that_was_interrupted_is_made_anew(tmp_path: Path) -> None:
    def interrupt(_calls: int) -> None:
        raise KeyboardInterrupt

    broken = site_in(tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        broken.open_doors(WEDNESDAY, progress=interrupt)
    broken.close()
    again, whole = site_in(tmp_path / "broken"), site_in(tmp_path / "whole")
    try:
        assert again.is_new
        again.open_doors(WEDNESDAY)
        whole.open_doors(WEDNESDAY)
        assert calls(again) == calls(whole)
    finally:
        again.close()
        whole.close()


def test_no_history_is_loaded_over_a_dialer_that_lives(site: SimulatedSite) -> None:
    with pytest.raises(ConfigurationError, match="just created"):
        site.dialer.load_history(WEDNESDAY)


def test_days_back_counts_from_the_day_of_now() -> None:
    assert days_back(datetime(2025, 3, 1, 0, 5, tzinfo=UTC), 1) == date(2025, 2, 28)
