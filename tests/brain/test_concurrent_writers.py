"""Several writers of Brain at once: no row lost, no lock for ever, one holder of a lane."""

import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from builders import NEW_YORK, NOON, add_lead, land, minutes, one, raw_row
from sqlalchemy import Engine, text
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from vici_brain.brain.calls import CallStore, Landing
from vici_brain.brain.database import brain_now, lane, open_brain
from vici_brain.brain.matches import MatchStore
from vici_brain.brain.sql import load
from vici_brain.domain.call_rows import clean
from vici_brain.domain.windows import Window
from vici_brain.errors import BusyError, RetriableError

HOUR = Window(NOON, NOON + minutes(60))


def test_writers_of_overlapping_slices_lose_no_call_and_come_to_an_end(brain: Engine) -> None:  # F052
    start = Barrier(4)

    def write(number: int) -> int:
        new = 0
        start.wait()
        for turn in range(4):
            # Each writer sees its own part and its neighbours', in an order of its own, in ever newer states.
            rows = [
                raw_row(NOON + minutes(n), f"k{n:02}", called_count=turn * 4 + number) for n in range(number * 5, number * 5 + 15)
            ]
            for attempt in Retrying(retry=retry_if_exception_type(RetriableError), stop=stop_after_attempt(5), reraise=True):
                with attempt:
                    new += land(brain, rows[:: 1 if number % 2 else -1], ledger=HOUR).new
        return new

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4), timeout=60))
    assert one(brain, "SELECT count(*) FROM vici_call_logs") == 30
    assert one(brain, "SELECT count(*) FROM call_log_proofs") == 12
    # The last turn of every writer is what stands, whoever came last.
    assert one(brain, "SELECT min(called_count) FROM vici_call_logs") >= 12


@pytest.mark.parametrize("step", ["keep_history", "merge_calls"])
def test_a_call_that_two_bring_at_once_is_written_by_one_and_has_no_history(
    brain: Engine, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """As two slices do that meet within the seconds of their edges: both found nothing held, and the other one was quicker."""
    early, original, others = brain_now(brain), Landing._run, iter([True])

    def run(landing: Landing, statement: object) -> int:
        if statement is load(step) and next(others, False):
            with CallStore(brain).landing("vici", "vicidial_log", NEW_YORK, read_at=early) as other:
                other.stage(clean([raw_row(key="a.1")]), source_copy="live")
                assert other.merge(None).new == 1
        return original(landing, statement)

    monkeypatch.setattr(Landing, "_run", run)
    counts = land(brain, [raw_row(key="a.1"), raw_row(key="b.1")])
    assert (counts.read, counts.new, counts.updated, counts.unchanged) == (2, 1, 0, 1)
    assert one(brain, "SELECT count(*) FROM vici_call_log_history") == 0
    assert one(brain, "SELECT read_at = :early FROM vici_call_logs WHERE source_key = 'a.1'", early=early)


def test_matching_beside_landing_leaves_every_call_in_one_half(brain: Engine) -> None:
    for number in range(20):
        add_lead(brain, number + 1, phone=f"212555{number:04}")
    rows = [raw_row(NOON + minutes(n), f"k{n}", phone_number=f"212555{n:04}") for n in range(40)]

    def match(_: int) -> int:
        return MatchStore(brain).match_window("vici", HOUR).matched

    with ThreadPoolExecutor(3) as pool:
        landing = pool.submit(lambda: [land(brain, rows[n : n + 10]) for n in range(0, 40, 10)])
        matched = sum(pool.map(match, range(6), timeout=60))
        landing.result(60)
    matched += MatchStore(brain).match_window("vici", HOUR).matched
    assert matched == one(brain, "SELECT count(*) FROM vici_call_metrics") == 20
    assert one(brain, "SELECT count(*) FROM orphan_call_logs") == 20


def test_a_lane_has_one_holder_and_is_free_afterwards(brain: Engine) -> None:  # F003
    with lane(brain, "vici", "sync"):
        with pytest.raises(BusyError, match="vici: another sync is running"), lane(brain, "vici", "sync"):
            pytest.fail("two holders of one lane")
        with lane(brain, "vici", "orphans"), lane(brain, "west", "sync"):
            pass
    with lane(brain, "vici", "sync"):
        pass


def test_a_lane_is_freed_by_a_failure(brain: Engine) -> None:
    with pytest.raises(RuntimeError), lane(brain, "vici", "sync"):
        raise RuntimeError
    with lane(brain, "vici", "sync"):
        pass


def test_a_lane_can_be_waited_for(brain: Engine) -> None:
    with ThreadPoolExecutor(1) as pool, lane(brain, "vici", "sync"):
        waiting = pool.submit(lambda: lane(brain, "vici", "sync", wait_seconds=30).__enter__())
        assert not waiting.done()
    waiting.result(30)


HOLDER = """
    import sys, time
    from vici_brain.brain.database import lane, open_brain
    with lane(open_brain(sys.argv[1]), "vici", "sync"):
        print("held", flush=True)
        time.sleep(600)
"""


def test_a_lane_is_freed_when_its_holder_is_killed(brain: Engine, brain_url: str) -> None:  # F003
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(HOLDER), brain_url], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            with pytest.raises(BusyError), lane(brain, "vici", "sync"):
                pytest.fail("two holders of one lane")
        finally:
            holder.send_signal(signal.SIGKILL)
    with lane(brain, "vici", "sync", wait_seconds=20):
        pass


def test_a_lane_survives_the_work_done_inside_it(brain: Engine) -> None:
    with lane(brain, "vici", "sync"):
        with brain.begin() as connection:
            connection.execute(text("SELECT pg_advisory_unlock_all()"))
        brain.dispose()
        with pytest.raises(BusyError), lane(brain, "vici", "sync"):
            pytest.fail("two holders of one lane")


def test_a_lane_of_a_brain_that_is_away_says_so() -> None:
    away = open_brain("postgresql://u@127.0.0.1:1/d")
    with pytest.raises(RetriableError, match="Brain did not answer"), lane(away, "vici", "sync"):
        pytest.fail("a lane without a Brain")
