"""The figures of the README's promise, measured: how soon a call is in Brain, how soon it is proven, how soon a difference heals.

In simulated time, by the schedules as they are configured, on a dialer that misbehaves often; what a tick takes is real time.
What Dagster adds to a tick (a queue and a new process, a few seconds) is measured where Dagster runs, by the benchmarks.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from math import ceil
from statistics import median
from time import perf_counter
from zoneinfo import ZoneInfo

import pytest
from builders import Exchange, ask, minutes
from dialer_site import START, Site, site
from sqlalchemy import Engine, create_engine

from vici_brain.brain.journal import SyncIdentity
from vici_brain.domain.windows import BUCKET, Window, floor_to
from vici_brain.flows.prove_calls import reconcile
from vici_brain.flows.sync_calls import fetch_history, sync_incremental
from vici_brain.settings import PROJECT
from vici_brain.settings_file import PROOF_TIERS, ProofTier
from vici_brain.simulation.dialer import SimulatedDialer
from vici_brain.simulation.profile import Behaviours, DialerProfile

pytestmark = pytest.mark.mariadb
OFTEN = Behaviours(**{name: max(share, 0.04) for name, share in Behaviours().as_dict().items()})
PROFILE = DialerProfile(first_day=date(2025, 6, 9), calls_per_day=1500, leads=2000, behaviours=OFTEN)
MORNING = datetime(2025, 6, 9, 14, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)

# Rows of the README's table, and the figures in them that are measured here.
CAPTURED = "capture lag: from the dialer's showing a call to Brain's having it"
PROVEN = "time to proof: from the end of five minutes to their first verdict"
HEALED = "time to heal: a row that came late, changed, changed its key or was deleted"
OUTAGE = "time to heal: an outage of 8 days with 8,000 calls"
SAID = (("24 minutes", "5 minutes"), ("4 hours", "1 hour"), ("a day", "1 day"), ("83 days", "1 week"))


def readme_says(what: str) -> str:
    """The figure beside ``what`` in the table of the promise."""
    found = re.search(rf"^\| {re.escape(what)} \| (.+) \|$", (PROJECT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None, f"the README has no row {what!r}"
    return found[1]


@dataclass
class Working:
    """A dialer at work, looked at every half minute; one tick after the other."""

    dialer: Site
    simulated: SimulatedDialer

    def __post_init__(self) -> None:
        self.shown: dict[tuple[str, str], datetime] = {}
        self.captured: dict[tuple[str, str], datetime] = {}
        self.proven: dict[tuple[str, datetime], datetime] = {}

    def work_until(self, end: datetime) -> None:
        while self.dialer.now < end:
            due = floor_to(self.dialer.now, BUCKET) + BUCKET + minutes(1)
            while self.dialer.now < due:
                self.dialer.now = min(due, self.dialer.now + 30 * SECOND)
                self.simulated.advance(self.dialer.now)
                for key in self.dialer.oracle.present_keys():
                    self.shown.setdefault(key, self.dialer.now)
            started = perf_counter()
            self.dialer.system.tick()
            done = self.dialer.now + (perf_counter() - started) * SECOND
            for table, key in ask(self.dialer.brain, "SELECT source_table, source_key FROM vici_call_logs"):
                self.captured.setdefault((table, key), done)
            for table, start in ask(
                self.dialer.brain, "SELECT source_table, bucket_start FROM call_log_proofs WHERE state = 'proven'"
            ):
                self.proven.setdefault((table, start), done)


@pytest.fixture
def working(mariadb_url: str, brain: Engine) -> Iterator[Working]:
    engine = create_engine(mariadb_url)
    simulated = SimulatedDialer(engine, PROFILE)
    simulated.create()
    simulated.load_history(MORNING)
    with site(mariadb_url, brain, start=MORNING) as dialer:
        sync_incremental(dialer.sync, "cli", minutes=60 * 24)
        yield Working(dialer, simulated)
    engine.dispose()


def test_calls_are_captured_and_proven_as_soon_as_the_readme_says(working: Working) -> None:
    known = set(working.dialer.oracle.present_keys())
    working.work_until(MORNING + timedelta(hours=1))
    fresh = [key for key in working.shown if key not in known and working.shown[key] < working.dialer.now - minutes(12)]
    gone = [key for key in fresh if key not in working.captured]
    assert len(fresh) > 100
    # Twins that were cleaned up, and keys that were rewritten, before any tick.
    assert not set(gone) & set(working.dialer.oracle.present_keys())
    lags = sorted((working.captured[key] - working.shown[key]) / minutes(1) for key in fresh if key in working.captured)
    proofs = [at - start - BUCKET for (_, start), at in working.proven.items() if start >= MORNING]
    assert len(proofs) >= 2 * 11
    assert readme_says(CAPTURED).startswith(f"{median(lags):.0f} minutes as a rule, {ceil(lags[-1])} at most")
    assert max(proofs) < minutes(1.5)
    assert readme_says(PROVEN).startswith("1 minute; ")


def fires(tier: ProofTier, after: datetime, zone: str) -> datetime:
    """When a tier runs next; its cron has a minute, perhaps an hour, perhaps a weekday, as the defaults do."""
    minute, hour, _, _, weekday = tier.cron.split()
    at = (after + minutes(1)).replace(second=0, microsecond=0)
    while True:
        wall = at.astimezone(ZoneInfo(zone))
        matches = [(minute, wall.minute), (hour, wall.hour), (weekday, wall.isoweekday() % 7)]
        if all(wanted == "*" or int(wanted) == is_now for wanted, is_now in matches):
            return at
        at += minutes(1)


TIERS = {tier.name: tier for tier in PROOF_TIERS}
WORST = {
    # How old a call may be when it changes right after the tier has run, and how long the change waits then.
    None: (minutes(24), minutes(5)),
    "hourly": (timedelta(hours=4), timedelta(hours=1)),
    "nightly": (timedelta(hours=24), timedelta(hours=24)),
    "weekly": (timedelta(days=83), timedelta(days=7)),
}


@pytest.mark.parametrize("name", WORST, ids=lambda name: name or "tick")
def test_a_change_right_after_a_proof_waits_for_the_next_one_and_no_longer(
    name: str | None, mariadb_url: str, brain: Engine
) -> None:
    age, most = WORST[name]
    with site(mariadb_url, brain, start=START - age - timedelta(days=8)) as dialer:
        before = fires(TIERS[name], START - timedelta(days=8), dialer.zone) if name else START + minutes(1)
        keys = _four_calls(dialer.exchange, before - age)
        dialer.now = before
        list(fetch_history(dialer.sync, "test", Window(floor_to(before - age, BUCKET) - BUCKET, before - age + 2 * BUCKET)))
        dialer.oracle.watch()
        _spoil(dialer, keys)
        assert dialer.oracle.differences() != []
        dialer.now = fires(TIERS[name], before, dialer.zone) if name else before + BUCKET
        waited = dialer.now - before
        if name is None:
            dialer.system.tick()
        else:
            window = Window(dialer.now - timedelta(hours=TIERS[name].hours), dialer.now)
            reconcile(dialer.sync, SyncIdentity("vici", "prove", "schedule", window), repair=True)
        assert dialer.oracle.differences() == []
        assert waited <= most
    assert readme_says(HEALED) == "; ".join(f"{healed} if the call is up to {old} old" for old, healed in SAID)


def _four_calls(exchange: Exchange, at: datetime) -> list[str]:
    at = at.replace(microsecond=0)
    return [exchange.outbound(at + n * SECOND, f"{int(at.timestamp()) + n}.{n}", lead_id=n, called_count=n) for n in range(4)]


def _spoil(dialer: Site, keys: list[str]) -> None:
    """One call changes, one gets another key, one goes, and one comes late."""
    dialer.change(keys[0], status="SALE")
    dialer.change(keys[1], uniqueid=f"{keys[1]}9")
    dialer.remove(keys[2])
    late = datetime.fromtimestamp(int(keys[3].partition(".")[0]), UTC)
    dialer.exchange.outbound(late, f"{int(late.timestamp())}.77", lead_id=77)


def test_eight_days_of_outage_are_read_again_in_as_many_runs_as_weeks(mariadb_url: str, brain: Engine) -> None:
    """By the runs that the gap sensor asks for, a week each; see tests/dagster/test_gap_sensor.py for the asking."""
    engine = create_engine(mariadb_url)
    simulated = SimulatedDialer(engine, replace(PROFILE, first_day=date(2025, 6, 2)))
    simulated.create()
    simulated.load_history(MORNING)
    engine.dispose()
    with site(mariadb_url, brain, start=MORNING) as dialer:
        hole = Window(MORNING - timedelta(days=8), MORNING)
        read = [read.rows_new for read, _ in fetch_history(dialer.sync, "sensor", hole)]
        assert [line for line in dialer.oracle.differences() if "missing" in line] == []
    assert len(read) == 2
    assert 7_900 < sum(read) < 8_100
    assert readme_says(OUTAGE).startswith("10 seconds of reading; the gap sensor sees it within a minute")
