"""The traps of facts/vicidial.md §12 that concern reading: whatever the dialer does, Brain ends equal and proven.

Each ends under the oracle's rules: equal by key and content, proven by the ledger, and unchanged by another run.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import traps
from builders import add_lead, ask, one
from dialer_site import Site, site
from sqlalchemy import Engine

from vici_brain.brain.overview import Overview
from vici_brain.settings import PROJECT

pytestmark = pytest.mark.mariadb


@pytest.fixture
def dialer(mariadb_url: str, brain: Engine) -> Iterator[Site]:
    with site(mariadb_url, brain) as opened:
        yield opened


def states(brain: Engine, key: str) -> list[str]:
    """Earlier statuses of a call, then the one it has."""
    earlier = ask(brain, "SELECT status FROM vici_call_log_history WHERE source_key = :key ORDER BY id", key=key)
    return [row[0] for row in earlier] + [one(brain, "SELECT status FROM vici_call_logs WHERE source_key = :key", key=key)]


def vanished(brain: Engine) -> list[tuple[Any, ...]]:
    """Key, reason and successor of the calls that are gone at the dialer."""
    gone = "FROM vici_call_logs WHERE vanished_at IS NOT NULL ORDER BY 1"
    return ask(brain, f"SELECT source_key, vanish_reason, successor_key {gone}")


def ends_equal(dialer: Site) -> None:
    """After a quiet period the oracle finds nothing."""
    dialer.settle()
    dialer.assert_lossless()


def test_trap_1_calls_of_one_lead_in_one_second_stay_three_calls(dialer: Site) -> None:
    traps.distinct_calls_of_one_second(dialer)
    ends_equal(dialer)
    assert one(dialer.brain, "SELECT count(*) FROM orphan_call_logs") == 3


def test_trap_2_a_status_is_followed_until_it_settles_and_its_history_is_kept(dialer: Site) -> None:
    traps.status_that_settles_hours_later(dialer)
    ends_equal(dialer)
    assert states(dialer.brain, "1749571254.7") == ["PU", "INCALL", "DISPO", "SALE"]
    assert one(dialer.brain, "SELECT count(*) FROM vici_call_logs") == 1


def test_trap_3_late_rows_arrive_with_the_next_tick(dialer: Site) -> None:
    traps.rows_that_come_late(dialer)
    ends_equal(dialer)
    assert one(dialer.brain, "SELECT count(*) FROM vici_call_logs") == 2


def test_trap_4_a_rewritten_key_is_one_call_and_its_old_name_points_to_it(dialer: Site) -> None:
    add_lead(dialer.brain, 5, phone="2125550101")
    traps.key_that_is_rewritten(dialer)
    ends_equal(dialer)
    assert vanished(dialer.brain) == [("1749571380.12", "rewritten", "1749571380.15")]
    assert ask(dialer.brain, "SELECT source_key, status FROM vici_call_metrics") == [("1749571380.15", "SALE")]


def test_trap_5_a_deleted_twin_is_stamped_and_counts_no_more(dialer: Site) -> None:
    traps.twin_that_is_cleaned_up(dialer)
    ends_equal(dialer)
    assert vanished(dialer.brain) == [("1749571320.5", "deleted", None)]
    assert ask(dialer.brain, "SELECT source_key FROM orphan_call_logs") == [("1749571320.4",)]


def test_trap_5_a_twin_deleted_during_a_week_of_outage_is_no_call_either(dialer: Site) -> None:
    for key in ("1749571320.4", "1749571320.5"):
        dialer.call(2, key, status="PU")
    dialer.run_until(6)
    dialer.remove("1749571320.5")
    dialer.skip_until(8 * 24 * 60)
    ends_equal(dialer)
    assert vanished(dialer.brain) == [("1749571320.5", "deleted", None)]
    assert one(dialer.brain, "SELECT count(*) FROM orphan_call_logs") == 1


def test_trap_6_an_archive_copy_neither_doubles_a_call_nor_takes_its_outcome_back(dialer: Site) -> None:
    dialer.before_tick = dialer.oracle.watch
    traps.archive_with_stale_copies(dialer)
    ends_equal(dialer)
    assert ask(dialer.brain, "SELECT source_key, status FROM vici_call_logs ORDER BY 1") == [
        ("1749571260.1", "SALE"),
        ("1749571320.1", "PU"),
        ("1749571380.1", "NI"),
    ]
    assert vanished(dialer.brain) == []


def test_trap_6_rows_that_grow_old_at_the_dialer_stay_calls_for_ever(dialer: Site) -> None:
    dialer.call(2, "1749571320.1", status="SALE")
    dialer.run_until(6)
    dialer.skip_until(4 * 24 * 60)
    dialer.remove("1749571320.1")
    dialer.system.weekly()
    assert vanished(dialer.brain) == [("1749571320.1", "expired", None)]
    assert ("1749571320.1",) in ask(dialer.brain, "SELECT source_key FROM orphan_call_logs")


def test_trap_6_a_table_that_is_emptied_into_an_archive_nobody_may_read_takes_no_call_away(dialer: Site) -> None:
    """The login has no right to the archive: to it, every call of the day is gone every night."""
    for minute in (1, 2, 3):
        dialer.call(minute)
    dialer.run_until(6)
    dialer.archive(dialer.at(1000))
    dialer.run("RENAME TABLE vicidial_log_archive TO out_of_sight")
    for minute, status in ((7, "NA"), (8, "PU")):
        dialer.call(minute, f"8{minute}.1", status=status)
    dialer.run_until(11)
    dialer.remove("88.1")
    dialer.run_until(16)
    assert [row[1] for row in vanished(dialer.brain)] == ["expired"] * 3 + ["deleted"]
    assert one(dialer.brain, "SELECT count(*) FROM orphan_call_logs") == 4
    assert sum(day.calls for day in Overview(dialer.brain).of_instance("vici", dialer.zone, dialer.now).days) == 4
    dialer.run("RENAME TABLE out_of_sight TO vicidial_log_archive")
    ends_equal(dialer)
    assert [row[1] for row in vanished(dialer.brain)] == ["deleted"]


@pytest.mark.parametrize("archived", [False, True], ids=["no archive", "an archive of earlier calls"])
def test_trap_6_a_truncated_table_takes_no_call_away(dialer: Site, archived: bool) -> None:
    for minute in (1, 2):
        dialer.call(minute)
    dialer.run_until(6)
    if archived:
        dialer.archive(dialer.at(1.5))
    dialer.call(7)
    dialer.run_until(11)
    dialer.run("TRUNCATE vicidial_log")
    dialer.run_until(16)
    assert one(dialer.brain, "SELECT sum((details ->> 'emptied')::int) FROM sync_logs") == (1 if archived else 3)
    ends_equal(dialer)
    assert {row[1] for row in vanished(dialer.brain)} == {"expired"}
    assert one(dialer.brain, "SELECT count(*) FROM orphan_call_logs") == 3


def test_trap_8_passages_are_counted_once_each_and_the_call_once(dialer: Site) -> None:
    traps.inbound_chain(dialer)
    ends_equal(dialer)
    assert one(dialer.brain, "SELECT count(*) FROM orphan_call_logs") == 3
    inbound = "FROM orphan_call_logs WHERE source_table = 'vicidial_closer_log'"
    assert one(dialer.brain, f"SELECT count(DISTINCT uniqueid) {inbound}") == 1
    assert ask(dialer.brain, f"SELECT vici_lead_id, status {inbound} ORDER BY source_key") == [(1, "QUEUE"), (77, "SALE")]


def test_trap_6_a_live_table_that_is_wiped_loses_no_call_and_no_call_twice(dialer: Site) -> None:
    traps.archive_that_wipes(dialer)
    ends_equal(dialer)
    assert vanished(dialer.brain) == []
    assert one(dialer.brain, "SELECT count(*) FROM orphan_call_logs") == 4


def test_bonus_more_rows_than_a_page_all_land(dialer: Site) -> None:
    traps.more_rows_than_a_page(dialer)
    ends_equal(dialer)
    assert one(dialer.brain, "SELECT count(*) FROM orphan_call_logs") == 5_300


@pytest.mark.parametrize(
    "scene",
    [
        traps.outage_of_11_minutes,
        traps.outage_of_37_minutes,
        traps.outage_of_6_hours,
        traps.outage_of_8_days,
        traps.replica_that_is_400_seconds_behind,
        traps.call_that_is_committed_late,
        traps.hour_that_comes_twice,
    ],
    ids=lambda scene: scene.__name__,
)
def test_what_did_not_run_or_came_late_costs_no_call(scene: traps.Scene, dialer: Site) -> None:
    scene(dialer)
    ends_equal(dialer)
    assert vanished(dialer.brain) == []


# Without those that differ from another one only in size.
SCENES = [scene for scene in traps.TRAPS if scene not in {traps.more_rows_than_a_page, traps.outage_of_11_minutes}]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_the_same_holds_on_innodb(scene: traps.Scene, mariadb_url: str, brain: Engine) -> None:
    with site(mariadb_url, brain, storage="InnoDB") as dialer:
        dialer.before_tick = dialer.oracle.watch
        scene(dialer)
        ends_equal(dialer)


def test_each_of_the_twelve_traps_has_tests_of_its_name() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in (PROJECT / "tests").rglob("test_*.py"))
    assert {int(number) for number in re.findall(r"def test_trap_(\d+)_", source)} == set(range(1, 13))
