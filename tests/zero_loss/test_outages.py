"""Whatever did not run, lagged or was committed late: once the schedules run again, every call is there and proven.

The dialer is the simulated one with every misbehaviour made frequent, on MariaDB, in simulated time.
"""

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from builders import minutes, one, outbound_row
from dialer_site import Site, site
from sqlalchemy import Engine, create_engine, text

from vici_brain.domain.windows import BUCKET, floor_to
from vici_brain.errors import ConfigurationError
from vici_brain.flows.sync_calls import sync_incremental
from vici_brain.simulation.dialer import SimulatedDialer
from vici_brain.simulation.profile import Behaviours, DialerProfile
from vici_brain.vici.schema import vicidial_log

pytestmark = pytest.mark.mariadb
OFTEN = Behaviours(**{name: max(share, 0.04) for name, share in Behaviours().as_dict().items()} | {"night_calls": 0.1})
PROFILE = DialerProfile(first_day=date(2025, 6, 8), calls_per_day=160, leads=300, archive_after_days=3, behaviours=OFTEN)
MONDAY_NOON = datetime(2025, 6, 9, 16, 0, tzinfo=UTC)


class LiveSite:
    """A site whose dialer is the simulated one; what it shows may lag behind."""

    def __init__(self, dialer: Site, simulated: SimulatedDialer) -> None:
        self.dialer, self.simulated, self.lag = dialer, simulated, timedelta()
        dialer.before_tick = self.catch_up

    def catch_up(self) -> None:
        shown = self.dialer.now - self.lag
        if shown > self.simulated.clock():
            self.simulated.advance(shown)
        self.dialer.oracle.watch()


@pytest.fixture
def live(mariadb_url: str, brain: Engine) -> Iterator[LiveSite]:
    engine = create_engine(mariadb_url)
    simulated = SimulatedDialer(engine, PROFILE)
    simulated.create()
    simulated.load_history(MONDAY_NOON)
    with site(mariadb_url, brain, start=MONDAY_NOON) as dialer:
        dialer.oracle.watch()
        sync_incremental(dialer.sync, "cli", minutes=60 * 24 * 2)
        yield LiveSite(dialer, simulated)
    engine.dispose()


def unseen(live: LiveSite) -> list[str]:
    """Calls of closed buckets that the dialer shows and Brain lacks; later changes of calls are the business of later tiers."""
    oracle, closed = live.dialer.oracle, floor_to(live.dialer.now, BUCKET)
    young = tuple(f"{key}:" for key, bucket in oracle.buckets().items() if bucket >= closed)
    return [line for line in oracle.differences() if "missing" in line and not (young and line.startswith(young))]


@pytest.mark.parametrize(
    ("outage", "healed_by"),
    [(minutes(11), "tick"), (minutes(37), "hourly"), (timedelta(hours=6), "nightly"), (timedelta(days=8), "weekly")],
    ids=["11 minutes", "37 minutes", "6 hours", "8 days"],
)
def test_after_an_outage_the_schedules_alone_bring_everything_back(outage: timedelta, healed_by: str, live: LiveSite) -> None:
    dialer = live.dialer
    dialer.run_until(11)
    dialer.call(11.5, "1749485490.1")
    dialer.skip_until(11 + outage / minutes(1))
    live.catch_up()
    before = unseen(live)
    assert before, "an outage in which nothing happened shows nothing"
    tiers = {"tick": dialer.system.tick, "hourly": dialer.system.hourly, "nightly": dialer.system.nightly}
    tiers["weekly"] = dialer.system.weekly
    for name, tier in tiers.items():
        tier()
        if name == healed_by:
            break
    assert unseen(live) == []
    dialer.settle(weekly=False)
    dialer.assert_lossless()


def test_the_command_line_alone_covers_an_outage_of_any_length(live: LiveSite) -> None:
    dialer = live.dialer
    dialer.run_until(6)
    dialer.skip_until(60 * 24 * 8)
    live.catch_up()
    sync_incremental(dialer.sync, "cli")
    missing = [line for line in dialer.oracle.differences() if "missing" in line]
    assert missing == []


def test_a_replica_400_seconds_behind_costs_two_ticks_and_no_call(live: LiveSite) -> None:
    dialer = live.dialer
    live.lag = timedelta(seconds=400)
    dialer.run_until(21)
    live.lag = timedelta()
    dialer.settle()
    dialer.assert_lossless()


def test_a_row_shown_400_seconds_late_is_captured_by_the_second_tick_after_it_began(mariadb_url: str, brain: Engine) -> None:
    with site(mariadb_url, brain) as dialer:
        dialer.run_until(6)
        dialer.skip_until(5.5 + 400 / 60)
        dialer.call(5.5, "1749571530.1")
        ticks = 0
        while not one(brain, "SELECT count(*) FROM vici_call_logs"):
            dialer.run_until((dialer.now - dialer.start) / minutes(1) + 5)
            ticks += 1
        assert ticks == 1
        dialer.settle()
        dialer.assert_lossless()


def test_a_call_committed_minutes_after_it_began_is_not_missed(mariadb_url: str, brain: Engine) -> None:
    """InnoDB: the row with the early call_date becomes visible after later rows of its window were read (drivers.md M13)."""
    with site(mariadb_url, brain, storage="InnoDB") as dialer:
        engine = create_engine(mariadb_url)
        with engine.connect() as writer:
            writer.execute(vicidial_log.insert(), [outbound_row(dialer.at(4), "1749571440.1")])
            dialer.call(4.5)
            dialer.run_until(11)
            assert one(brain, "SELECT count(*) FROM vici_call_logs") == 1
            writer.commit()
        engine.dispose()
        dialer.run_until(16)
        assert one(brain, "SELECT count(*) FROM vici_call_logs") == 2
        dialer.settle()
        dialer.assert_lossless()


@pytest.mark.parametrize("seconds", [-31, 31])
def test_a_dialer_whose_clock_is_too_far_off_is_refused_and_nothing_is_written(seconds: int, live: LiveSite) -> None:
    dialer = live.dialer
    before = dialer.oracle.fingerprint()
    ledger = one(dialer.brain, "SELECT count(*) FROM call_log_proofs")
    dialer.skew = timedelta(seconds=seconds)
    live.dialer.skip_until(6)
    live.catch_up()
    with pytest.raises(ConfigurationError, match=r"vici: the dialer is refused, because its clock is .* away from ours"):
        dialer.system.tick()
    with pytest.raises(ConfigurationError, match="its clock is"):
        dialer.system.hourly()
    assert (dialer.oracle.fingerprint(), one(dialer.brain, "SELECT count(*) FROM call_log_proofs")) == (before, ledger)
    dialer.skew = timedelta()
    dialer.settle()
    dialer.assert_lossless()


@pytest.mark.parametrize("seconds", [-29, 29])
def test_a_dialer_whose_clock_is_a_little_off_loses_nothing(seconds: int, live: LiveSite) -> None:
    dialer = live.dialer
    dialer.skew = timedelta(seconds=seconds)
    dialer.run_until(16)
    dialer.settle()
    dialer.assert_lossless()


def test_a_table_that_is_locked_for_archiving_delays_a_tick_and_loses_nothing(mariadb_url: str, brain: Engine) -> None:
    with site(mariadb_url, brain) as dialer:
        dialer.call(2)
        engine = create_engine(mariadb_url)
        with engine.connect() as archiver:
            archiver.execute(text("LOCK TABLES vicidial_log WRITE, vicidial_log_archive WRITE"))
            release = threading.Timer(0.5, lambda: archiver.execute(text("UNLOCK TABLES")))
            release.start()
            dialer.run_until(6)
            release.join()
        engine.dispose()
        dialer.settle()
        dialer.assert_lossless()
