"""What a proof promises: never false, never stale, finds exactly what differs, and writes nothing that it was not asked to."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event
from time import monotonic
from typing import Any

import pytest
from builders import ask, minutes, one, outbound_row, wall
from dialer_site import Site, inbound_row, site
from sqlalchemy import Engine, event, text

from vici_brain.brain.calls import CallStore
from vici_brain.brain.journal import SyncIdentity
from vici_brain.brain.ledger import Ledger
from vici_brain.brain.proofs import Judging, ProofStore
from vici_brain.domain.windows import Window
from vici_brain.errors import RetriableError
from vici_brain.flows.both_sides import BothSides
from vici_brain.flows.prove_calls import ProofResult, prove_calls, reconcile
from vici_brain.flows.read_calls import read_calls
from vici_brain.flows.sync_calls import sync_incremental
from vici_brain.flows.syncing import SliceProven

pytestmark = pytest.mark.mariadb
HALF_HOUR = minutes(30)


@pytest.fixture
def dialer(mariadb_url: str, brain: Engine) -> Iterator[Site]:
    with site(mariadb_url, brain) as opened:
        yield opened


def verdict(dialer: Site, minute: float, table: str = "vicidial_log") -> str:
    """The ledger's state of the bucket that holds the instant."""
    question = "SELECT state FROM call_log_proofs WHERE source_table = :t AND bucket_start = date_bin('5 minutes', :at, 'epoch')"
    return str(one(dialer.brain, question, t=table, at=dialer.at(minute)))


def differing(result: ProofResult, dialer: Site) -> list[float]:
    """Minutes after the start at which the differing buckets begin."""
    return [(each.bucket_start - dialer.start) / minutes(1) for each in result.differing]


def test_a_proven_bucket_is_reopened_by_a_later_change_and_proven_again(dialer: Site) -> None:
    key = dialer.call(2)
    dialer.run_until(6)
    assert verdict(dialer, 2) == "proven"
    dialer.change(key, status="SALE")
    read_calls(dialer.dialer, CallStore(dialer.brain), Window(dialer.start, dialer.now), clock=dialer.clock)
    assert verdict(dialer, 2) == "read"
    assert dialer.prove(HALF_HOUR).differing == ()
    assert verdict(dialer, 2) == "proven"


def test_a_tick_verifies_its_dialer_once_and_adds_up_only_the_copies_that_hold_calls(dialer: Site) -> None:
    dialer.call(2)
    dialer.skip_until(6)
    asked: list[str] = []
    event.listen(dialer.dialer.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    sync_incremental(dialer.sync, "cli")
    assert verdict(dialer, 2) == "proven"
    assert sum("information_schema" in statement for statement in asked) == 1
    assert ["FROM vicidial_log " in statement for statement in asked if "sum(crc32" in statement] == [True]


def test_a_re_read_without_news_leaves_a_proof_standing(dialer: Site) -> None:
    dialer.call(2)
    dialer.run_until(6)
    read_calls(dialer.dialer, CallStore(dialer.brain), Window(dialer.start, dialer.now), clock=dialer.clock)
    assert verdict(dialer, 2) == "proven"


def test_a_call_that_moves_to_another_time_reopens_both_buckets(dialer: Site) -> None:
    key = dialer.call(2)
    dialer.run_until(16)
    moved = dialer.at(7)
    dialer.change(key, start_epoch=int(moved.timestamp()), call_date=wall(moved))
    read_calls(dialer.dialer, CallStore(dialer.brain), Window(dialer.at(5), dialer.now), clock=dialer.clock, overlap=minutes(0))
    assert (verdict(dialer, 2), verdict(dialer, 7)) == ("read", "read")


def test_a_row_deleted_at_the_source_makes_exactly_its_bucket_differ(dialer: Site) -> None:
    keys = [dialer.call(minute) for minute in (1, 3, 7, 12)]
    dialer.run_until(16)
    dialer.remove(keys[2])
    found = dialer.prove(HALF_HOUR, repair=False)
    assert differing(found, dialer) == [5]
    assert found.differing[0].samples == (f"{keys[2]}: gone at the dialer",)
    assert [verdict(dialer, minute) for minute in (1, 7, 12)] == ["proven", "differs", "proven"]


def test_without_repair_nothing_is_written_but_verdicts(dialer: Site) -> None:
    kept, gone = dialer.call(1), dialer.call(2)
    dialer.run_until(6)
    dialer.change(kept, status="SALE")
    dialer.remove(gone)
    dialer.call(3)
    before, journal = dialer.oracle.fingerprint(), one(dialer.brain, "SELECT count(*) FROM sync_logs")
    found = dialer.prove(HALF_HOUR, repair=False)
    assert len(found.differing[0].samples) == 3
    assert (found.repaired, found.merged.read, found.vanished) == (0, 0, {})
    assert dialer.oracle.fingerprint() == before
    assert one(dialer.brain, "SELECT count(*) FROM sync_logs") == journal
    assert dialer.prove(HALF_HOUR).proven == found.buckets


def test_a_proof_without_repair_does_not_pass_for_a_read(dialer: Site) -> None:
    dialer.call(1)
    dialer.run_until(6)
    dialer.call(20)
    dialer.call(50)
    dialer.skip_until(61)
    dialer.prove(timedelta(hours=1), repair=False)
    sync_incremental(dialer.sync, "cli")
    assert one(dialer.brain, "SELECT count(*) FROM vici_call_logs") == 3


def test_a_repair_does_not_call_buckets_read_that_have_not_ended(dialer: Site) -> None:
    key = dialer.call(3)
    dialer.exchange.put("vicidial_closer_log", inbound_row(dialer.at(3), 1))
    dialer.run_until(6)
    dialer.change(key, status="SALE")
    dialer.run("UPDATE vicidial_closer_log SET status = 'SALE'")
    dialer.prove(HALF_HOUR)
    assert Ledger(dialer.brain).position("vici") == dialer.at(5)
    dialer.skip_until(9)
    dialer.call(8)
    sync_incremental(dialer.sync, "cli")
    assert one(dialer.brain, "SELECT count(*) FROM vici_call_logs") == 3


IRREGULAR: dict[str, dict[str, Any]] = {
    "a year for an epoch": {"start_epoch": 2025},
    "no epoch": {"start_epoch": None},
    "a zero date": {"call_date": "0000-00-00 00:00:00"},
    "no date": {"call_date": None},
    "a partial date": {"call_date": "2025-06-00 12:02:00"},
    "a host 3 h slow": {"call_date": "2025-06-10 09:52:00"},
    "a host 3 h fast": {"call_date": "2025-06-10 15:02:00"},
    "neither date nor epoch": {"call_date": "0000-00-00 00:00:00", "start_epoch": 0},
    "no time at all": {"call_date": "0000-00-00 00:00:00", "start_epoch": 0, "uniqueid": "nonsense"},
}


@pytest.mark.parametrize("odd", IRREGULAR.values(), ids=IRREGULAR)
def test_an_irregular_row_lands_is_proven_by_key_followed_and_missed_when_gone(odd: dict[str, Any], dialer: Site) -> None:
    row = outbound_row(dialer.at(2), "1749571320.7") | odd
    for minute in (1, 1.2, 1.4):
        dialer.call(minute)
    dialer.run_until(6)
    dialer.skip_until(41)
    dialer.exchange.put("vicidial_log", row)
    key = row["uniqueid"]
    # A row of a host that is ahead is read when its wall time has come.
    dialer.skip_until(200)
    dialer.settle()
    dialer.assert_lossless()
    dialer.change(key, status="SALE")
    dialer.settle()
    dialer.assert_lossless()
    if key != "nonsense":
        dialer.remove(key)
        assert len(dialer.prove(timedelta(hours=5), repair=False).differing) == 1
        dialer.settle()
        dialer.assert_lossless()


def test_an_irregular_date_amid_a_window_is_found_where_its_month_begins(mariadb_url: str, brain: Engine) -> None:
    """2025-06-00 stands between the last second of May and the first of June, and no second of the day is its."""
    with site(mariadb_url, brain, start=datetime(2025, 6, 1, 3, 50, tzinfo=UTC)) as dialer:
        dialer.call(2)
        key = dialer.call(12, call_date="2025-06-00 00:02:00")
        other = dialer.call(3, start_epoch=2025)
        dialer.run_until(41)
        dialer.settle()
        dialer.assert_lossless()
        for row in (key, other):
            dialer.change(row, status="SALE")
        found = dialer.prove(timedelta(hours=2), repair=False)
        assert {row for each in found.differing for row in each.odd_keys} == {key, other}
        dialer.settle()
        dialer.assert_lossless()


def test_half_an_hour_is_proven_in_one_slice_whatever_the_hour(dialer: Site) -> None:
    dialer.skip_until(76)
    window = Window(dialer.at(45), dialer.at(75))
    slices: list[SliceProven] = []
    prove_calls(dialer.dialer, dialer.brain, window, clock=dialer.clock, on_slice=slices.append)
    assert [(each.source_table, each.window) for each in slices] == [
        ("vicidial_log", window),
        ("vicidial_closer_log", window),
    ]


class Meanwhile:
    """Does something once, between two steps of a proof."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: type, method: str, act: Callable[[], object]) -> None:
        real = getattr(owner, method)
        waiting = [act]

        def step(store: object, *arguments: Any) -> Any:
            if waiting:
                waiting.pop()()
            return real(store, *arguments)

        monkeypatch.setattr(owner, method, step)


def read_all(dialer: Site) -> None:
    read_calls(dialer.dialer, CallStore(dialer.brain), Window(dialer.start, dialer.now), clock=dialer.clock)


def wait_for_a_lock(dialer: Site, work: Future[Any]) -> None:
    """Until ``work`` waits for somebody else's transaction."""
    deadline = monotonic() + 20
    while not one(dialer.brain, "SELECT count(*) FROM pg_locks WHERE NOT granted"):
        assert not work.done(), "it did not wait"
        assert monotonic() < deadline, "it never came to wait"


def test_a_call_that_lands_between_the_dialers_sums_and_brains_never_makes_a_false_proof(
    dialer: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialer.call(2)
    dialer.run_until(6)

    def late_row_is_read() -> None:
        dialer.call(3)
        read_all(dialer)

    Meanwhile(monkeypatch, ProofStore, "judging", late_row_is_read)
    dialer.prove(minutes(6), repair=False)
    assert verdict(dialer, 2) != "proven"
    assert dialer.prove(minutes(6), repair=False).differing == ()
    assert verdict(dialer, 2) == "proven"


@pytest.mark.parametrize("step", ["compare", "record"])
def test_a_call_on_its_way_waits_for_the_verdict_and_reopens_the_bucket(
    step: str, dialer: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Brain is judged its buckets are locked: before it is added up, and after both sides were found equal."""
    dialer.call(2)
    dialer.run_until(6)

    with ThreadPoolExecutor(1) as pool:
        landings: list[Future[None]] = []

        def late_row_is_on_its_way() -> None:
            dialer.call(3)
            landings.append(pool.submit(read_all, dialer))
            wait_for_a_lock(dialer, landings[0])

        Meanwhile(monkeypatch, Judging, step, late_row_is_on_its_way)
        assert dialer.prove(minutes(6), repair=False).differing == ()
        landings[0].result(20)
    assert one(dialer.brain, "SELECT count(*) FROM vici_call_logs") == 2
    assert verdict(dialer, 2) == "read"
    assert dialer.prove(minutes(6), repair=False).differing == ()
    assert verdict(dialer, 2) == "proven"


def test_a_call_that_lands_in_a_window_whose_sums_were_asked_for_ahead_never_makes_a_false_proof(
    dialer: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dialer is asked about the second hour while the first is judged; then a call comes late to the second, and is read."""
    dialer.call(2)
    dialer.call(62)
    dialer.run_until(126)
    asked = Event()
    real = BothSides.ask

    def ask_and_tell(sides: BothSides, window: Window, *tables: Any) -> Any:
        found = real(sides, window, *tables)
        if window.start > dialer.start:
            asked.set()
        return found

    def late_row_is_read() -> None:
        assert asked.wait(20), "nothing was asked ahead"
        dialer.call(63)
        read_all(dialer)

    monkeypatch.setattr(BothSides, "ask", ask_and_tell)
    Meanwhile(monkeypatch, ProofStore, "judging", late_row_is_read)
    dialer.prove(minutes(126), repair=False)
    assert (verdict(dialer, 2), verdict(dialer, 62)) == ("proven", "differs")
    assert dialer.prove(minutes(126), repair=False).differing == ()
    assert verdict(dialer, 62) == "proven"


def test_a_bucket_that_comes_to_the_ledger_during_a_proof_is_left_as_its_read_made_it(dialer: Site) -> None:
    """What is no row of the ledger yet cannot be locked, and the calls it comes with are not seen: the next proof proves it."""
    dialer.skip_until(6)
    arrived = text("INSERT INTO call_log_proofs SELECT 'vici', 'vicidial_log', :at, 'read', now(), 1, 1, 1, 1")
    with ThreadPoolExecutor(1) as pool, dialer.brain.connect() as landing:
        landing.execute(arrived, {"at": dialer.start})
        proving = pool.submit(dialer.prove, minutes(6), repair=False)
        wait_for_a_lock(dialer, proving)
        landing.commit()
        proving.result(20)
    assert verdict(dialer, 2) == "read"


def test_a_failure_of_the_dialer_ahead_ends_the_proof_and_keeps_what_was_judged(
    dialer: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialer.call(2)
    dialer.run_until(126)
    before = one(dialer.brain, "SELECT max(proven_at) FROM call_log_proofs WHERE bucket_start < :end", end=dialer.at(60))
    real = BothSides.ask

    def fail_later(sides: BothSides, window: Window, *tables: Any) -> Any:
        if window.start > dialer.start:
            raise RetriableError("vici: gone")
        return real(sides, window, *tables)

    monkeypatch.setattr(BothSides, "ask", fail_later)
    with pytest.raises(RetriableError, match="vici: gone"):
        dialer.prove(minutes(126))
    after = one(dialer.brain, "SELECT max(proven_at) FROM call_log_proofs WHERE bucket_start < :end", end=dialer.at(60))
    assert after > before


def test_a_row_that_leaves_the_dialer_while_a_proof_is_at_work_is_found_by_the_next(
    dialer: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialer.call(1)
    key = dialer.call(2)
    dialer.run_until(6)
    Meanwhile(monkeypatch, ProofStore, "judging", lambda: dialer.remove(key))
    dialer.prove(minutes(6))
    assert dialer.prove(minutes(6)).vanished == {"deleted": 1}


def test_an_irregular_row_that_brain_alone_shows_is_looked_up_at_the_dialer(dialer: Site) -> None:
    """Its wall time is hours before its epoch: asked about either, the dialer shows it at one of them only."""
    slow = wall(dialer.at(2) - timedelta(hours=3))
    key = dialer.call(2, call_date=slow)
    dialer.call(2.5)
    dialer.run_until(6)
    dialer.prove(timedelta(hours=5))
    assert one(dialer.brain, "SELECT count(*) FROM vici_call_logs") == 2
    assert dialer.prove(minutes(6), repair=False).differing == ()
    assert verdict(dialer, 2) == "proven"
    dialer.remove(key)
    (found,) = dialer.prove(minutes(6), repair=False).differing
    assert found.odd_keys == (key,)
    assert verdict(dialer, 2) == "differs"


def test_reconciling_is_one_row_of_the_journal(dialer: Site) -> None:
    dialer.call(2)
    dialer.run_until(6)
    dialer.call(3)
    gone = dialer.call(4)
    dialer.run_until(11)
    dialer.remove(gone)
    dialer.call(4.5)
    window = Window(dialer.start, dialer.now)
    reconcile(dialer.sync, SyncIdentity("vici", "reconcile", "cli", window), repair=True)
    ((status, start, end, new, details),) = ask(
        dialer.brain, "SELECT status, window_start, window_end, rows_new, details FROM sync_logs WHERE kind = 'reconcile'"
    )
    assert (status, start, end, new) == ("success", dialer.start, dialer.now, 1)
    assert details == {"buckets": 4, "proven": 4, "repaired": 1, "vanished": {"deleted": 1}, "repair": True}


def test_a_reconciliation_that_fails_says_so_in_the_journal(dialer: Site) -> None:
    dialer.skew = timedelta(minutes=2)
    with pytest.raises(Exception, match="its clock is"):
        reconcile(dialer.sync, SyncIdentity("vici", "reconcile", "cli", Window(dialer.start, dialer.at(5))), repair=True)
    assert ask(dialer.brain, "SELECT status FROM sync_logs") == [("failed",)]
    assert ask(dialer.brain, "SELECT 1 FROM call_log_proofs") == []


def test_buckets_that_have_not_ended_by_the_dialers_clock_are_not_judged(dialer: Site) -> None:
    dialer.skip_until(13)
    found = dialer.prove(HALF_HOUR)
    last: datetime = one(dialer.brain, "SELECT max(bucket_start) FROM call_log_proofs")
    assert (last, found.window.end) == (dialer.at(5), dialer.at(10))
