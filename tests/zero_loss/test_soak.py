"""A randomized soak: a dialer that misbehaves in any order, and schedules that sometimes do not run.

Whatever happened, after a quiet period with all tiers the oracle holds.
"""

from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from builders import Exchange, minutes
from dialer_site import Site, site
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from sqlalchemy import Engine, text

from vici_brain.domain.windows import BUCKET, floor_to
from vici_brain.errors import ConfigurationError

pytestmark = pytest.mark.mariadb
_OURS = "vici_call_logs, vici_call_log_history, call_log_proofs, quarantined_call_logs, sync_logs"
STATUSES = ("PU", "INCALL", "DISPO", "SALE", "NA", "", "na", "XFER")
LEADS = (1, 2, 3)


class MisbehavingDialer(RuleBasedStateMachine):
    """Draws are of places in what exists, so that every example is valid and repeats exactly."""

    @staticmethod
    def open_site(stack: ExitStack) -> Site:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.stack = ExitStack()
        self.site = type(self).open_site(self.stack)
        self.keys: list[str] = []
        self.number = 0

    # -- the dialer

    @rule(lead=st.sampled_from(LEADS), status=st.sampled_from(STATUSES))
    def insert(self, lead: int, status: str) -> None:
        self._insert(0, lead, status)

    @rule(age=st.integers(1, 12), lead=st.sampled_from(LEADS))
    def insert_late(self, age: int, lead: int) -> None:
        self._insert(age, lead, "AB")

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
        self.site.archive(self.site.now - timedelta(hours=hours))

    # -- time, faults, schedules

    @rule(length=st.integers(1, 200))
    def outage(self, length: int) -> None:
        self.site.now += minutes(length)

    @rule(seconds=st.sampled_from((-29, -3, 0, 12, 29)))
    def clock_drifts(self, seconds: int) -> None:
        self.site.skew = timedelta(seconds=seconds)

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
            self.site.settle()
            self.site.assert_lossless()

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


def test_after_any_misbehaviour_and_a_quiet_period_source_and_brain_are_equal(mariadb_url: str, brain: Engine) -> None:
    eraser = Exchange(mariadb_url)

    class Machine(MisbehavingDialer):
        @staticmethod
        def open_site(stack: ExitStack) -> Site:
            """Emptied, not made anew, for each example: creating databases would be most of the time."""
            for table in ("vicidial_log", "vicidial_closer_log"):
                for copy in (table, f"{table}_archive"):
                    eraser.run(f"TRUNCATE {copy}")
            with brain.begin() as connection:
                connection.execute(text(f"TRUNCATE {_OURS}"))
            return stack.enter_context(site(mariadb_url, brain))

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=10,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
    eraser.close()
