"""A randomized soak: a dialer that misbehaves in any order, and schedules that sometimes do not run.

Whatever happened, what is unequal then is told, and after a quiet period with all tiers the oracle holds. The design that this
project replaced, driven in the same way, does not hold it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from builders import Exchange, ask, minutes, outbound_row
from dialer_site import START, Replication, Site, System, inbound_row, site
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from replaced_design import ReplacedDesign
from sqlalchemy import Engine, text

from vici_brain.brain.standing import ledger_state
from vici_brain.brain.troubles import Watched, troubles
from vici_brain.domain.alert_policy import AlertPolicy
from vici_brain.domain.windows import BUCKET, floor_to
from vici_brain.errors import ConfigurationError
from vici_brain.vici.call_tables import CALL_TABLES
from vici_brain.vici.schema import vicidial_log

pytestmark = pytest.mark.mariadb
_OURS = "vici_call_logs, vici_call_log_history, call_log_proofs, quarantined_call_logs, sync_logs"
STATUSES = ("PU", "INCALL", "DISPO", "SALE", "NA", "", "na", "XFER")
LEADS = (1, 2, 3)
STARTS = (START, datetime(2025, 11, 2, 4, 40, tzinfo=UTC), datetime(2025, 3, 9, 5, 40, tzinfo=UTC))
"""A noon, and the evenings before clocks are put back and forward."""


class MisbehavingDialer(RuleBasedStateMachine):
    """Draws are of places in what exists, so that every example is valid and repeats exactly."""

    @staticmethod
    def open_site(stack: ExitStack, start: datetime) -> Site:
        raise NotImplementedError

    @initialize(start=st.sampled_from(STARTS))
    def begin(self, start: datetime) -> None:
        self.stack = ExitStack()
        self.site = type(self).open_site(self.stack, start)
        self.keys: list[str] = []
        self.passages: list[int] = []
        self.number = 0

    # -- the dialer

    @rule(lead=st.sampled_from(LEADS), status=st.sampled_from(STATUSES))
    def insert(self, lead: int, status: str) -> None:
        self._insert(0, lead, status)

    @rule(age=st.integers(1, 12), lead=st.sampled_from(LEADS))
    def insert_late(self, age: int, lead: int) -> None:
        self._insert(age, lead, "AB")

    @rule(lead=st.sampled_from(LEADS))
    def commit_late(self, lead: int) -> None:
        """Visible only after a tick has passed it by; MyISAM shows it at once."""
        self.number += 1
        at = self.site.now - minutes(1)
        key = f"{int(at.timestamp())}.{self.number}"
        row = outbound_row(at, key, self.site.zone, lead_id=lead, called_count=self.number)
        with self.site.exchange.engine.connect() as writer:
            writer.execute(vicidial_log.insert(), [row])
            self.tick()
            writer.commit()
        self.keys.append(key)

    @rule(lead=st.sampled_from(LEADS))
    def inbound_passage(self, lead: int) -> None:
        self.number += 1
        self.passages.append(self.number)
        row = inbound_row(self.site.now, self.number, lead_id=lead, status="QUEUE", queue_seconds=None)
        self.site.exchange.put("vicidial_closer_log", row)

    @precondition(lambda self: self.passages)
    @rule(place=st.integers(0, 99), status=st.sampled_from(STATUSES), lead=st.sampled_from(LEADS))
    def passage_ends(self, place: int, status: str, lead: int) -> None:
        """It is dispositioned, and may be found to be of another lead."""
        number = self.passages[place % len(self.passages)]
        changes = {"status": status, "lead_id": lead, "queue_seconds": place, "end_epoch": int(self.site.now.timestamp())}
        self.site.change(str(number), "vicidial_closer_log", **changes)

    @precondition(lambda self: self.keys)
    @rule(place=st.integers(0, 99), status=st.sampled_from(STATUSES))
    def update_status(self, place: int, status: str) -> None:
        self._change(place, status=status)

    @precondition(lambda self: self.keys)
    @rule(place=st.integers(0, 99), hours=st.integers(1, 4))
    def disposition_hours_later(self, place: int, hours: int) -> None:
        self._change(place, status="DISPO")
        self.site.now += timedelta(hours=hours)
        self._change(place, status="SALE", end_epoch=int(self.site.now.timestamp()), length_in_sec=3600 * hours)

    @precondition(lambda self: self.keys)
    @rule(place=st.integers(0, 99))
    def rewrite_key(self, place: int) -> None:
        old = self._key(place)
        self.number += 1
        self._change(place, uniqueid=f"{old.partition('.')[0]}.9{self.number}")
        self.keys[self.keys.index(old)] = f"{old.partition('.')[0]}.9{self.number}"

    @precondition(lambda self: self.keys)
    @rule(place=st.integers(0, 99))
    def twin_comes_and_goes(self, place: int) -> None:
        """The cleanup takes the twin at the earliest after a tick has seen it."""
        self.number += 1
        twin = f"{self._key(place).partition('.')[0]}.8{self.number}"
        self.site.run(
            "INSERT IGNORE INTO vicidial_log SELECT :twin, lead_id, list_id, campaign_id, call_date, start_epoch, end_epoch, "
            "length_in_sec, 'PU', phone_code, phone_number, user, comments, processed, user_group, term_reason, alt_dial, "
            "called_count FROM vicidial_log WHERE uniqueid = :key",
            twin=twin,
            key=self._key(place),
        )
        self.tick()
        self.site.remove(twin)

    @precondition(lambda self: self.keys)
    @rule(place=st.integers(0, 99))
    def delete(self, place: int) -> None:
        key = self._key(place)
        self.site.remove(key)
        self.keys.remove(key)

    @rule(hours=st.integers(1, 6))
    def archive(self, hours: int) -> None:
        self.site.oracle.watch()
        for table in ("vicidial_log", "vicidial_closer_log"):
            self.site.archive(self.site.now - timedelta(hours=hours), table)

    # -- time, faults, schedules

    @rule(length=st.integers(1, 200))
    def outage(self, length: int) -> None:
        self.site.now += minutes(length)

    @rule(seconds=st.sampled_from((-29, -3, 0, 12, 29)))
    def clock_drifts(self, seconds: int) -> None:
        self.site.skew = timedelta(seconds=seconds)

    @precondition(lambda self: isinstance(self.site.system, Replication))
    @rule(seconds=st.sampled_from((-3600, -45, 45, 7200)))
    def clock_is_wrong(self, seconds: int) -> None:
        right, before = self.site.skew, self.site.oracle.fingerprint()
        self.site.skew = timedelta(seconds=seconds)
        with pytest.raises(ConfigurationError, match="its clock is"):
            self.tick()
        assert self.site.oracle.fingerprint() == before
        self.site.skew = right

    @rule()
    def restart(self) -> None:
        self.site.restart()

    @rule()
    def tick(self) -> None:
        self.site.now = floor_to(self.site.now, BUCKET) + BUCKET + minutes(1)
        self.site.oracle.watch()
        self.site.system.tick()

    @rule()
    def hourly(self) -> None:
        self.site.oracle.watch()
        self.site.system.hourly()

    @rule()
    def nightly(self) -> None:
        self.site.oracle.watch()
        self.site.system.nightly()

    def teardown(self) -> None:
        if not hasattr(self, "site"):
            return
        with self.stack:
            self.site.oracle.watch()
            if isinstance(self.site.system, Replication):
                self.everything_unequal_is_told()
            self.site.settle()
            self.site.assert_lossless()

    def everything_unequal_is_told(self) -> None:
        """A look that repairs nothing calls no unequal bucket proven, and what is not proven is an alert soon."""
        site, self.site.skew = self.site, timedelta()
        closed, first = floor_to(site.now, BUCKET), floor_to(site.start - timedelta(hours=6), BUCKET)
        site.prove(closed - first, repair=False)
        verdicts = ask(site.brain, "SELECT source_table, bucket_start, state FROM call_log_proofs")
        ledger = {(table, start): state for table, start, state in verdicts}
        unequal = site.oracle.unequal_buckets(closed)
        assert [key for key in unequal if ledger.get(key) == "proven"] == []
        later, tables = closed + timedelta(hours=2), [table.name for table in CALL_TABLES]
        watched = Watched(["vici"], tables, timedelta(days=9), 60.0, AlertPolicy())
        told = [matter.fingerprint for matter in troubles(site.brain, watched, later)]
        assert ("unproven/vici" in told) == any(state != "proven" for state in ledger.values())
        never_read = ledger_state(site.brain, "vici", tables, first, later).unread.offending
        assert never_read or not unequal - ledger.keys()

    # -- helpers

    def _insert(self, age: float, lead: int, status: str) -> None:
        self.number += 1
        at = self.site.now - minutes(age)
        row: dict[str, Any] = {"lead_id": lead, "status": status, "called_count": self.number}
        self.keys.append(self.site.exchange.outbound(at, f"{int(at.timestamp())}.{self.number}", **row))

    def _key(self, place: int) -> str:
        return self.keys[place % len(self.keys)]

    def _change(self, place: int, **columns: Any) -> None:
        """As administrators do: the live row, or the archived one if there is no other."""
        self.site.change(self._key(place), **columns)


@contextmanager
def machine(mariadb_url: str, brain: Engine, storage: str, system: Callable[[Site], System]) -> Iterator[type[MisbehavingDialer]]:
    eraser = Exchange(mariadb_url)

    class Machine(MisbehavingDialer):
        @staticmethod
        def open_site(stack: ExitStack, start: datetime) -> Site:
            """Emptied, not made anew, for each example: creating databases would be most of the time."""
            for table in ("vicidial_log", "vicidial_closer_log"):
                for copy in (table, f"{table}_archive"):
                    eraser.run(f"TRUNCATE {copy}")
            with brain.begin() as connection:
                connection.execute(text(f"TRUNCATE {_OURS}"))
                connection.execute(text("DROP TABLE IF EXISTS old_calls"))
            opened = stack.enter_context(site(mariadb_url, brain, storage=storage, start=start))
            opened.system = system(opened)
            return opened

    yield Machine
    eraser.close()


def drawn(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=20,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )


@pytest.mark.parametrize("storage", ["MyISAM", "InnoDB"])
def test_after_any_misbehaviour_and_a_quiet_period_source_and_brain_are_equal(
    storage: str, mariadb_url: str, brain: Engine
) -> None:
    with machine(mariadb_url, brain, storage, Replication) as ours:
        run_state_machine_as_test(ours, settings=drawn(5))


def test_the_replaced_design_does_not_survive_it(mariadb_url: str, brain: Engine) -> None:
    with (
        machine(mariadb_url, brain, "MyISAM", ReplacedDesign) as theirs,
        pytest.raises(AssertionError, match=r"lost|ghost|other content"),
    ):
        run_state_machine_as_test(theirs, settings=drawn(5))
