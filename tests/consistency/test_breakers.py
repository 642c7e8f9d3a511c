"""Circuit breakers: the rule by itself, twenty threads and several processes at one probe, and restarts."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders import NOON, ask, one
from crm import write
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from vici_brain.brain.breakers import Breaker, breaker_statistics
from vici_brain.domain.breaker import CLOSED, HALF_OPEN, OPEN, BreakerPolicy, BreakerState, admit, fail, release, succeed
from vici_brain.domain.consistency_policy import ConsistencyPolicy
from vici_brain.errors import BusyError, CircuitOpenError, ConfigurationError, RetriableError
from vici_brain.flows.guarding import guarded
from vici_brain.orchestration.resources import Connections
from vici_brain.settings import load_settings

POLICY = BreakerPolicy()
SECOND = timedelta(seconds=1)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(brain: Engine, clock: Clock) -> Breaker:
    return Breaker(brain, "appointment_booking:service:1", POLICY, clock)


def fails(breaker: Breaker, error: Exception | None = None) -> None:
    with pytest.raises(Exception, match="down"), guarded(breaker):
        raise error or RetriableError("down")


def opened(breaker: Breaker) -> None:
    for _ in range(3):
        fails(breaker)


def test_the_third_failure_in_a_row_opens_it_and_a_success_between_begins_anew(breaker: Breaker) -> None:  # F126, F128
    fails(breaker)
    fails(breaker)
    with guarded(breaker):
        pass
    fails(breaker)
    fails(breaker)
    assert breaker.state().state == CLOSED
    fails(breaker)
    assert (breaker.state().state, breaker.state().failure_count, breaker.state().opened_at) == (OPEN, 3, NOON)


def test_an_open_one_refuses_at_once_and_is_a_matter_for_a_person_until_it_closes(
    brain: Engine, breaker: Breaker, clock: Clock
) -> None:  # F127, F129
    opened(breaker)
    ran = []
    with pytest.raises(CircuitOpenError, match="is not asked"), guarded(breaker):
        ran.append(1)
    assert ran == []
    question = "SELECT reason, entity_key, status FROM manual_review_queue"
    assert ask(brain, question) == [("circuit_open", breaker.key, "pending")]
    for _ in range(2):
        clock.now += 30 * SECOND
        with guarded(breaker):
            pass
    assert breaker.state().state == CLOSED
    assert ask(brain, question) == [("circuit_open", breaker.key, "resolved")]


def test_it_rests_thirty_seconds_to_the_second(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 30 * SECOND - timedelta(microseconds=1)
    with pytest.raises(CircuitOpenError):
        breaker.admit()
    clock.now = NOON + 30 * SECOND
    assert breaker.admit() is True


def test_a_probe_that_fails_opens_it_again_and_one_that_never_reports_is_given_up(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 30 * SECOND
    fails(breaker)
    assert breaker.state().opened_at == clock.now
    clock.now += 30 * SECOND
    breaker.admit()
    clock.now += POLICY.probe_life - SECOND
    with pytest.raises(CircuitOpenError):
        breaker.admit()
    clock.now += SECOND
    assert breaker.admit() is True


def test_failures_an_hour_old_are_forgotten(breaker: Breaker, clock: Clock) -> None:
    fails(breaker)
    fails(breaker)
    clock.now += timedelta(hours=1, seconds=1)
    fails(breaker)
    assert (breaker.state().state, breaker.state().failure_count) == (CLOSED, 1)


@pytest.mark.parametrize(
    "error", [ConfigurationError("down"), BusyError("down"), ValueError("down")], ids=lambda e: type(e).__name__
)
def test_what_is_no_outage_neither_opens_nor_closes_it(breaker: Breaker, clock: Clock, error: Exception) -> None:
    for _ in range(5):
        fails(breaker, error)
    assert breaker.state().state == CLOSED
    opened(breaker)
    clock.now += 30 * SECOND
    fails(breaker, error)
    assert (breaker.state().state, breaker.state().probe_until) == (HALF_OPEN, None)


def test_of_twenty_threads_exactly_one_probes(brain: Engine, breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 30 * SECOND
    start = threading.Barrier(20)

    def enter(_: int) -> bool:
        start.wait()
        try:
            return Breaker(brain, breaker.key, POLICY, clock).admit()
        except CircuitOpenError:
            return False

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(enter, range(20))) == 1
    breaker.succeeded(probing=True)
    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(enter, range(20))) == 1


PROCESS = """
import sys
from datetime import datetime
from vici_brain.brain.breakers import Breaker
from vici_brain.brain.database import open_brain
from vici_brain.domain.breaker import BreakerPolicy
from vici_brain.errors import CircuitOpenError
breaker = Breaker(open_brain(sys.argv[1]), sys.argv[2], BreakerPolicy(), lambda: datetime.fromisoformat(sys.argv[3]))
breaker.state()
print("ready", flush=True)
sys.stdin.readline()
try:
    print("probe" if breaker.admit() else "through", flush=True)
except CircuitOpenError:
    print("refused", flush=True)
"""


def test_of_several_processes_exactly_one_probes(brain_url: str, breaker: Breaker) -> None:
    opened(breaker)
    later = (NOON + 30 * SECOND).isoformat()
    command = [sys.executable, "-c", PROCESS, brain_url, breaker.key, later]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for each in running:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in running:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    said = [each.communicate(timeout=30)[0].strip() for each in running]
    assert sorted(said) == ["probe", "refused", "refused", "refused"]


def test_a_restart_finds_it_as_it_was_and_its_statistics_tell(brain: Engine, breaker: Breaker, clock: Clock) -> None:  # F130
    opened(breaker)
    again = Breaker(brain, breaker.key, POLICY, clock)
    with pytest.raises(CircuitOpenError):
        again.admit()
    ((key, found),) = breaker_statistics(brain).items()
    assert (key, found.state, found.failure_count, found.last_failure_at) == (breaker.key, OPEN, 3, NOON)
    assert one(brain, "SELECT metadata ->> 'last_error' FROM circuit_breaker_states") == "RetriableError: down"


def test_a_closed_one_has_a_row_from_its_first_caller_and_is_asked_without_writing(
    brain: Engine, breaker: Breaker
) -> None:  # F130
    with guarded(breaker):
        pass
    version = "SELECT circuit_key, state, failure_count, xmin::text, updated_at FROM circuit_breaker_states"
    before = ask(brain, version)
    assert [row[:3] for row in before] == [(breaker.key, CLOSED, 0)]
    for _ in range(3):
        with guarded(breaker):
            pass
    assert ask(brain, version) == before
    assert breaker_statistics(brain) == {breaker.key: BreakerState()}


def test_what_is_known_of_one_is_kept_when_it_fails(brain: Engine, breaker: Breaker) -> None:
    write(
        brain,
        """INSERT INTO circuit_breaker_states (circuit_key, metadata) VALUES (:key, '{"owner": "sales"}')""",
        key=breaker.key,
    )
    fails(breaker)
    found = one(brain, "SELECT metadata FROM circuit_breaker_states")
    assert found == {"owner": "sales", "last_error": "RetriableError: down"}


def test_keys_of_any_kind_have_breakers_of_their_own_with_the_limits_of_the_settings(brain: Engine, tmp_path: Path) -> None:
    policy = ConsistencyPolicy(breaker_failures=1, breaker_cooldown_seconds=7)
    url = brain.url.render_as_string(hide_password=False)
    settings = replace(load_settings({"BRAIN_DATABASE_URL": url, "VICI_BRAIN_HOME": str(tmp_path)}), consistency=policy)
    connections = Connections(settings, lambda: NOON)
    network, other = (connections.breaker(f"network:{name}") for name in ("admitad", "boostiny"))
    fails(network)
    with pytest.raises(CircuitOpenError, match=r"network:admitad is not asked.* one try follows 7 s"):
        connections.breaker("network:admitad").admit()
    assert other.admit() is False
    connections.close()


def test_a_caller_from_before_it_opened_says_nothing_about_the_probe(breaker: Breaker, clock: Clock) -> None:
    was_probing = breaker.admit()
    opened(breaker)
    clock.now += 30 * SECOND
    breaker.admit()
    breaker.succeeded(probing=was_probing)
    assert (breaker.state().state, breaker.state().success_count) == (HALF_OPEN, 0)


@given(st.lists(st.tuples(st.sampled_from(["admit", "succeed", "fail", "release"]), st.integers(0, 40)), max_size=60))
def test_whatever_happens_at_most_one_probe_is_on_its_way_and_open_lets_nobody_pass(steps: list[tuple[str, int]]) -> None:
    state, now, probing = BreakerState(), NOON, None
    for step, seconds in steps:
        now += seconds * SECOND
        if step == "admit":
            after = admit(state, POLICY, now)
            if after is None:
                assert state.state != CLOSED
                continue
            if after.state == HALF_OPEN:
                assert probing is None or now >= probing
                probing = now + POLICY.probe_life
            state = after
        else:
            follow: Any = {"succeed": succeed, "fail": fail}.get(step)
            state = release(state) if follow is None else follow(state, POLICY, now)
            probing = state.probe_until
        assert (state.probe_until is None) or state.state == HALF_OPEN
        assert state.state != CLOSED or state.failure_count < POLICY.failures
