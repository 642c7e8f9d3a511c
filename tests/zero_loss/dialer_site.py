"""One dialer, one Brain and one clock, driven as the schedules drive them.

Belongs here: time, the tiers, and our side as a system that can be driven (replaced_design.py holds the other). Does not: what
goes wrong on the dialer (traps) or the verdict (oracle).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from builders import NEW_YORK, Exchange, minutes, outbound_row, wall
from oracle import Oracle
from sqlalchemy import Engine, event, make_url

from vici_brain.brain.calls import MergeCounts
from vici_brain.brain.journal import SyncIdentity
from vici_brain.domain.windows import BUCKET, Window, floor_to
from vici_brain.flows.match_calls import rematch_orphans
from vici_brain.flows.prove_calls import ProofResult, prove_calls, reconcile
from vici_brain.flows.sync_calls import fetch_history, match_read_window, read_window, sync_incremental
from vici_brain.flows.syncing import Syncing
from vici_brain.vici.connect import ReadPolicy
from vici_brain.vici.dialer import Dialer

START = datetime(2025, 6, 10, 16, 0, tzinfo=UTC)
"""Noon of a Tuesday in New York, where all clocks stand when a test begins."""
HOURLY, NIGHTLY, WEEKLY = timedelta(hours=5), timedelta(hours=48), timedelta(days=90)
AFTER_CLOSE = minutes(1)


class System(Protocol):
    """What a replication does by the clock; the replaced design knows ticks only."""

    def tick(self) -> None: ...
    def hourly(self) -> None: ...
    def nightly(self) -> None: ...
    def weekly(self) -> None: ...
    def orphans(self) -> None: ...
    def differences(self) -> list[str]: ...


class Site:
    """A ViciDial database with a clock that tests move."""

    def __init__(
        self,
        url: str,
        brain: Engine,
        *,
        instance: str = "vici",
        zone: str = NEW_YORK,
        storage: str = "MyISAM",
        start: datetime = START,
        policy: ReadPolicy | None = None,
    ) -> None:
        self.exchange = Exchange(url, zone)
        self.url, self.brain, self.instance, self.zone, self.start, self.now = url, brain, instance, zone, start, start
        if storage != "MyISAM":
            for table in ("vicidial_log", "vicidial_log_archive", "vicidial_closer_log", "vicidial_closer_log_archive"):
                self.exchange.run(f"ALTER TABLE {table} ENGINE = {storage}")
        self.oracle = Oracle(url, brain, zone, instance)
        self.policy = policy or ReadPolicy()
        self.skew = timedelta()
        self.before_tick: Callable[[], None] = lambda: None
        self.dialer = self._dialer()
        self.system: System = Replication(self)

    # -- time

    def clock(self) -> datetime:
        return self.now

    def at(self, minute: float) -> datetime:
        """The instant so many minutes after the start."""
        return self.start + minutes(minute)

    def run_until(self, minute: float) -> None:
        """Lets time pass, with a tick a minute after each bucket closed and a proof of 5 h at 7 minutes past each hour."""
        end = self.at(minute)
        while (due := floor_to(self.now, BUCKET) + BUCKET + AFTER_CLOSE) <= end:
            self.now = due
            self.before_tick()
            self.system.tick()
            if due.minute == 6:
                self.system.hourly()
        self.now = end

    def skip_until(self, minute: float) -> None:
        """Lets time pass without anything of ours running."""
        self.now = self.at(minute)

    def settle(self, *, weekly: bool = True) -> None:
        """A quiet period: a last tick and every tier (the weekly one may have run already)."""
        self.now = floor_to(self.now, BUCKET) + BUCKET + AFTER_CLOSE
        self.before_tick()
        for tier in (self.system.tick, self.system.hourly, self.system.nightly):
            tier()
        if weekly:
            self.system.weekly()
        self.system.orphans()

    # -- the dialer

    def call(self, minute: float, key: str | None = None, **columns: Any) -> str:
        return self.exchange.outbound(self.at(minute), key, **columns)

    def run(self, statement: str, **values: Any) -> None:
        self.exchange.run(statement, **values)

    def change(self, key: str, table: str = "vicidial_log", **columns: Any) -> None:
        """Sets columns of one row, as the dialer's own programs do."""
        name = "closecallid" if "closer" in table else "uniqueid"
        sets = ", ".join(f"{column} = :{column}" for column in columns)
        self.run(f"UPDATE {table} SET {sets} WHERE {name} = :old_key", old_key=key, **columns)

    def remove(self, key: str, table: str = "vicidial_log") -> None:
        self.run(f"DELETE FROM {table} WHERE uniqueid = :key", key=key)

    def archive(self, before: datetime, table: str = "vicidial_log") -> None:
        """ViciDial's own job: copy every row that is not copied yet, then delete what is older than ``before``."""
        self.run(f"INSERT IGNORE INTO {table}_archive SELECT * FROM {table}")
        self.run(f"DELETE FROM {table} WHERE call_date < :before", before=wall(before, self.zone))

    def restart(self) -> None:
        """Both ends lose every connection, and the process all it knew."""
        self.dialer.engine.dispose()
        self.brain.dispose()
        self.dialer = self._dialer()

    def _dialer(self, clock: Callable[[], datetime] | None = None) -> Dialer:
        dialer = Dialer(self.instance, make_url(self.url).render_as_string(hide_password=False), self.zone, self.policy)
        if not self.url.startswith("sqlite"):
            event.listen(dialer.engine, "checkout", lambda connection, *_: self._stop_clock(connection, clock or self.clock))
        return dialer

    def _stop_clock(self, connection: Any, clock: Callable[[], datetime]) -> None:
        """MariaDB lives at the simulated instant and in the dialer's zone, whenever a connection is taken."""
        moment = clock() + self.skew
        offset = moment.astimezone(ZoneInfo(self.zone)).strftime("%z")
        with connection.cursor() as cursor:
            cursor.execute(f"SET time_zone = '{offset[:3]}:{offset[3:]}', timestamp = {moment.timestamp():.3f}")

    # -- what tests ask for

    @property
    def sync(self) -> Syncing:
        return Syncing(self.dialer, self.brain, self.clock)

    @contextmanager
    def another_process(self) -> Iterator[Syncing]:
        """What runs beside the test in a thread: connections of its own, and both its clocks stand where they are now.

        Time jumps here by minutes: a jump between a look at one clock and a look at the other is no clock that goes wrong.
        """
        began = self.now
        dialer = self._dialer(lambda: began)
        try:
            yield Syncing(dialer, self.brain, lambda: began)
        finally:
            dialer.engine.dispose()

    def prove(self, back: timedelta, *, repair: bool = True) -> ProofResult:
        return prove_calls(self.dialer, self.brain, Window(self.now - back, self.now), clock=self.clock, repair=repair)

    def assert_lossless(self) -> None:
        """The verdict: source = Brain by key and content, every bucket proven, and another full run changes nothing."""
        self.assert_lossless_but({})

    def assert_lossless_but(self, refused: Mapping[str, str]) -> None:
        """The same, but for values (one column a key) that no PostgreSQL can hold; quarantine has those."""
        excused = tuple(f"('vicidial_log', '{key}'): other content in Brain: {column}: " for key, column in refused.items())
        found = [line for line in self.system.differences() if not (excused and line.startswith(excused))]
        assert not found, "\n".join([f"{len(found)} differences:", *found[:30]])

    def assert_lossless_without_proofs(self) -> None:
        """As far as the calls themselves go; for worlds so long that proving them would be all that a test does."""
        found = self.oracle.differences()
        assert not found, "\n".join([f"{len(found)} differences:", *found[:30]])

    def close(self) -> None:
        self.dialer.engine.dispose()
        self.oracle.close()
        self.exchange.close()


class Replication:
    """The system under test, driven only through its flows."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.proofs: list[ProofResult] = []

    def tick(self) -> None:
        """What the scheduled run does: the newest closed partition with a proof of the trailing half hour, and its matches."""
        site = self.site
        end = floor_to(site.now, BUCKET)
        identity = SyncIdentity(site.instance, "sync", "schedule", Window(end - BUCKET, end), f"{site.instance} {end:%d %H:%M}")
        read_window(site.sync, identity)
        match_read_window(site.sync, identity)

    def incremental(self) -> None:
        sync_incremental(self.site.sync, "cli")

    def hourly(self) -> None:
        self._tier("proof_hourly", HOURLY)

    def nightly(self) -> None:
        self._tier("proof_nightly", min(NIGHTLY, self.site.now - self._oldest))

    def weekly(self) -> None:
        self._tier("proof_weekly", min(WEEKLY, self.site.now - self._oldest))

    def orphans(self) -> None:
        """The pass of every ten minutes."""
        rematch_orphans(self.site.brain, SyncIdentity(self.site.instance, "orphans", "schedule"))

    def _tier(self, kind: str, back: timedelta) -> None:
        site = self.site
        identity = SyncIdentity(site.instance, kind, "schedule", Window(site.now - back, site.now))
        self.proofs.append(reconcile(site.sync, identity, repair=True))

    @property
    def _oldest(self) -> datetime:
        """Proofs go back for days; where a test's world is younger, its first hour is as far as there is anything."""
        return max((self.site.oracle.first_call() or self.site.now) - timedelta(hours=3), self.site.now - WEEKLY)

    def differences(self) -> list[str]:
        site = self.site
        start, end = floor_to(self._oldest, BUCKET), floor_to(site.now, BUCKET)
        found = site.oracle.differences() + site.oracle.unproven(start + BUCKET, end)
        return found + self._changes_of_a_second_run(Window(start, end))

    def _changes_of_a_second_run(self, window: Window) -> list[str]:
        before = self.site.oracle.fingerprint()
        total = MergeCounts()
        for read, _ in fetch_history(self.site.sync, "test", window):
            total += MergeCounts(read.rows_read, read.rows_new, read.rows_updated, read.rows_unchanged, read.rows_quarantined)
        found = [f"a second full run changed rows: {total}"] if total.new or total.updated else []
        return found + ([] if before == self.site.oracle.fingerprint() else ["a second full run changed what Brain holds"])


@contextmanager
def site(url: str, brain: Engine, **options: Any) -> Iterator[Site]:
    opened = Site(url, brain, **options)
    try:
        yield opened
    finally:
        opened.close()


def inbound_row(at: datetime, closecallid: int, **columns: Any) -> dict[str, Any]:
    """A passage through an in-group as ViciDial logs it."""
    row = outbound_row(at, None) | {"closecallid": closecallid, "campaign_id": "SALESLINE", "queue_seconds": 4}
    del row["alt_dial"]
    return row | columns
