"""The scenarios of our own side, each a process of its own, so that its peak memory is its own.

Belongs here: doing the work once and checking what came of it. Does not: timing (run.py) or data (dataset.py).
"""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, create_engine, make_url, text

from benchmarks.dataset import WINDOW, ZONE
from vici_brain.brain.call_indexes import made_afterwards
from vici_brain.brain.calls import CallStore
from vici_brain.brain.database import open_brain
from vici_brain.brain.journal import SyncIdentity, peak_memory_mb
from vici_brain.brain.matches import MatchStore
from vici_brain.domain.windows import Window
from vici_brain.flows.match_calls import match_window
from vici_brain.flows.prove_calls import prove_calls
from vici_brain.flows.read_calls import read_calls
from vici_brain.flows.sync_calls import fetch_history, match_read_window, read_window
from vici_brain.flows.syncing import Syncing
from vici_brain.startup import spare_imports
from vici_brain.vici.dialer import Dialer

PEAK = Window(datetime(2026, 10, 14, 17, 0, tzinfo=UTC), datetime(2026, 10, 14, 17, 5, tzinfo=UTC))
"""Five minutes of a busy day, into which the increment moves its calls."""
MOVED = 3_000


def _now() -> datetime:
    return datetime.now(UTC)


def land(sync: Syncing) -> None:
    """90 days into an empty Brain, read, merged and matched, but not proven: as much as a pipe does, and the matching."""
    calls = CallStore(sync.brain)
    with made_afterwards(sync.brain):
        read = read_calls(sync.dialer, calls, WINDOW, clock=_now)
    calls.refresh_statistics(read.counts.new)
    match_window(MatchStore(sync.brain), sync.dialer.instance, WINDOW)


def first_fetch(sync: Syncing) -> None:
    """90 days into an empty Brain: read, merged, matched, proven."""
    for _ in fetch_history(sync, "bench", WINDOW):
        pass


def fetch_again(sync: Syncing) -> None:
    """The same with nothing changed: compared, and nothing read."""
    for read, _ in fetch_history(sync, "bench", WINDOW):
        assert not read.rows_new
        assert not read.rows_updated


def reread(sync: Syncing) -> None:
    """The same, reading it all again."""
    for read, _ in fetch_history(sync, "bench", WINDOW, reread=True):
        assert not read.rows_new
        assert not read.rows_updated


def prove(sync: Syncing) -> None:
    """Every bucket of 90 days compared with the dialer."""
    result = prove_calls(sync.dialer, sync.brain, WINDOW, clock=_now, repair=False)
    assert not result.differing


def increment(sync: Syncing) -> None:
    """One five-minute window with 3,000 new calls, as a tick reads it: read, merged, trailing half hour proven, matched."""
    identity = SyncIdentity(sync.dialer.instance, "calls", "bench", PEAK)
    read = read_window(sync, identity)
    match_read_window(sync, identity)
    assert read.rows_new >= MOVED, read.rows_new


def land_increment(sync: Syncing) -> None:
    """The same window read, merged and matched, but not proven."""
    read = read_calls(sync.dialer, CallStore(sync.brain), PEAK, clock=_now)
    match_window(MatchStore(sync.brain), sync.dialer.instance, PEAK)
    assert read.counts.new >= MOVED, read.counts


SCENARIOS: dict[str, Callable[[Syncing], None]] = {
    each.__name__: each for each in (land, first_fetch, fetch_again, reread, prove, land_increment, increment)
}


def crowd(vici_url: str, brain: Engine) -> None:
    """Moves 3,000 calls of the days after into the five minutes, once, and makes Brain forget all since they began."""
    engine = create_engine(vici_url)
    with engine.begin() as connection:
        if connection.execute(text(_IN_PEAK)).scalar_one() < MOVED:
            keys = connection.execute(text(_LATER)).scalars().all()
            moved = [_moved(number, key) for number, key in enumerate(keys)]
            connection.execute(
                text("UPDATE vicidial_log SET call_date = :wall, start_epoch = :epoch WHERE uniqueid = :key"), moved
            )
        # What a dialer logs of a call beside it bears the call's time.
        for beside in (_ORDERS_BESIDE, _EXTENDED_BESIDE):
            connection.execute(text(beside))
    engine.dispose()
    with brain.begin() as connection:
        connection.execute(text(_FORGET_CALLS), _SPAN)
        connection.execute(text(_FORGET_PROOFS), _SPAN)
    # Else every new row would first be told from the dead one of its key.
    with brain.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM vici_call_logs, call_log_proofs"))


_IN_PEAK = "SELECT count(*) FROM vicidial_log WHERE call_date >= '2026-10-14 13:00:00' AND call_date < '2026-10-14 13:05:00'"
_LATER = f"SELECT uniqueid FROM vicidial_log WHERE call_date >= '2026-10-14 14:00:00' ORDER BY call_date LIMIT {MOVED}"
_OF_PEAK = "moved.call_date >= '2026-10-14 13:00:00' AND moved.call_date < '2026-10-14 13:05:00'"
_ORDERS_BESIDE = f"""
    UPDATE vicidial_dial_cid_log AS cid JOIN vicidial_log_extended AS extended ON extended.caller_code = cid.caller_code
    JOIN vicidial_log AS moved ON moved.uniqueid = extended.uniqueid SET cid.call_date = moved.call_date WHERE {_OF_PEAK}
"""
_EXTENDED_BESIDE = f"""
    UPDATE vicidial_log_extended AS extended JOIN vicidial_log AS moved ON moved.uniqueid = extended.uniqueid
    SET extended.call_date = moved.call_date WHERE {_OF_PEAK}
"""
_SPAN = {"start": PEAK.start, "end": PEAK.start + timedelta(days=7)}
_FORGET_CALLS = "DELETE FROM vici_call_logs WHERE called_at >= :start AND called_at < :end"
_FORGET_PROOFS = "DELETE FROM call_log_proofs WHERE bucket_start >= :start AND bucket_start < :end"


def _moved(number: int, key: str) -> dict[str, object]:
    at = PEAK.start + timedelta(seconds=number % 300)
    return {"wall": (at - timedelta(hours=4)).replace(tzinfo=None), "epoch": int(at.timestamp()), "key": key}


def main(name: str, vici_url: str, brain_url: str) -> None:
    """Runs one scenario and prints its seconds and peak memory as JSON; start-up and imports are not in the seconds."""
    brain = open_brain(brain_url)
    # A dialer that took no call for weeks shows its zone by its database's clock alone.
    offset = _now().astimezone(ZoneInfo(ZONE)).strftime("%z")
    query = {"init_command": f"SET time_zone = '{offset[:3]}:{offset[3:]}'"}
    dialer = Dialer("vici", make_url(vici_url).update_query_dict(query).render_as_string(hide_password=False), ZONE)
    sync = Syncing(dialer, brain, _now)
    if name in {"land_increment", "increment"}:
        crowd(vici_url, brain)
    with dialer.session(_now):
        pass
    spare_imports()
    started = perf_counter()
    SCENARIOS[name](sync)
    print(json.dumps({"seconds": perf_counter() - started, "peak_mb": peak_memory_mb()}))
    dialer.engine.dispose()
    brain.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:4])
