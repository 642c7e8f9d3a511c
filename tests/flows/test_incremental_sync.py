"""Where an incremental sync begins, what it reads, and what it writes down."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from builders import NOON, Replication, add_lead, ask, exchange, minutes, one
from sqlalchemy import Engine

from vici_brain.brain.database import lane
from vici_brain.brain.journal import SyncIdentity
from vici_brain.brain.ledger import Ledger
from vici_brain.domain.windows import Window
from vici_brain.errors import BusyError
from vici_brain.flows.match_calls import rematch_orphans
from vici_brain.flows.sync_calls import fetch_history, sync_incremental
from vici_brain.vici.call_tables import CALL_TABLES

pytestmark = pytest.mark.mariadb
TABLES = [table.name for table in CALL_TABLES]


@pytest.fixture
def world(mariadb_url: str, brain: Engine) -> Iterator[Replication]:
    with exchange(mariadb_url) as site:
        yield Replication(site, brain)


def test_the_first_sync_looks_back_ten_minutes_and_the_next_one_minute_behind_the_last(world: Replication) -> None:
    # F010, F011, F012, F043, F049
    first, _ = sync_incremental(world.at(NOON), "cli")
    assert (first.window_start, first.window_end) == (NOON - minutes(10), NOON)
    assert Ledger(world.brain).position("vici", TABLES) == NOON
    second, _ = sync_incremental(world.at(NOON + minutes(5)), "cli")
    assert (second.window_start, second.window_end) == (NOON, NOON + minutes(5))


def test_a_call_that_became_visible_after_its_minute_was_read_is_caught_by_the_overlap(world: Replication) -> None:
    # F010, F016, F051
    sync_incremental(world.at(NOON), "cli")
    world.site.outbound(NOON - timedelta(seconds=50), "late")
    sync_incremental(world.at(NOON + minutes(5)), "cli")
    assert world.keys() == ["late"]


@pytest.mark.parametrize("days", [1, 8])
def test_an_outage_of_any_length_is_covered_by_the_next_sync(world: Replication, days: int) -> None:  # F012, F028
    sync_incremental(world.at(NOON), "cli")
    later = NOON + timedelta(days=days)
    for hours in range(0, days * 24, 6):
        world.site.outbound(NOON + timedelta(hours=hours, minutes=7), f"c{hours:03}")
    done, _ = sync_incremental(world.at(later), "cli")
    assert (done.window_start, done.window_end) == (NOON, later)
    assert len(world.keys()) == done.rows_new == days * 4
    assert Ledger(world.brain).position("vici", TABLES) == later


def test_minutes_look_back_exactly_so_far(world: Replication) -> None:  # F013, F025, F045
    world.site.outbound(NOON - minutes(119), "inside")
    world.site.outbound(NOON - minutes(125), "outside")
    done, _ = sync_incremental(world.at(NOON), "cli", minutes=120)
    assert done.window_start == NOON - minutes(120)
    assert world.keys() == ["inside"]


def test_a_short_look_back_does_not_hide_the_outage_before_it(world: Replication) -> None:  # F028, F052
    sync_incremental(world.at(NOON), "cli")
    world.site.outbound(NOON + minutes(90), "in the outage")
    later = NOON + minutes(180)
    sync_incremental(world.at(later), "cli", minutes=5)
    done, _ = sync_incremental(world.at(later + minutes(5)), "cli")
    assert done.window_start == NOON
    assert world.keys() == ["in the outage"]


def test_counts_add_up_and_are_written_down(world: Replication) -> None:  # F048, F040
    add_lead(world.brain, 1, phone="2125550101")
    world.site.outbound(NOON - minutes(2), "matched")
    world.site.outbound(NOON - minutes(2), "orphan", phone_number="7185550100")
    world.site.outbound(NOON - minutes(2), "odd", call_date="0000-00-00 00:00:00")
    read, matched = sync_incremental(world.at(NOON), "cli")
    assert (read.rows_new, read.rows_quarantined) == (3, 1)
    assert (matched.matched_by_phone, matched.matched_total, matched.orphaned_total) == (2, 2, 1)
    assert (read.source_count, read.target_count) == (3, 3)
    assert ask(
        world.brain,
        "SELECT kind, trigger, status, rows_new, rows_matched, rows_orphaned, rows_quarantined FROM sync_logs",
    ) == [("incremental", "cli", "success", 3, 2, 1, 1)]


def test_source_and_target_are_counted_over_the_same_buckets_whatever_the_second(world: Replication) -> None:
    now = NOON + timedelta(minutes=3, seconds=20)
    world.site.outbound(NOON - minutes(2), "whole bucket")
    world.site.outbound(NOON + minutes(2), "bucket still open")
    read, _ = sync_incremental(world.at(now), "cli")
    assert world.keys() == ["bucket still open", "whole bucket"]
    assert (read.source_count, read.target_count) == (1, 1)


def test_a_second_sync_of_the_same_minutes_changes_nothing(world: Replication) -> None:  # F014, F015, F027
    for number in range(10):
        world.site.outbound(NOON - minutes(number), f"c{number}")
    sync_incremental(world.at(NOON), "cli", minutes=15)
    before = ask(world.brain, "SELECT xmin, ctid, c.* FROM vici_call_logs c ORDER BY source_key")
    again, _ = sync_incremental(world.at(NOON), "cli", minutes=15)
    assert (again.rows_new, again.rows_updated) == (0, 0)
    assert ask(world.brain, "SELECT xmin, ctid, c.* FROM vici_call_logs c ORDER BY source_key") == before


def test_a_dry_run_reports_and_writes_nothing_anywhere(world: Replication) -> None:  # F044
    world.site.outbound(NOON - minutes(2), "a", list_id=2**40)
    world.site.put("vicidial_statuses", {"status": "NA", "status_name": "No answer"})
    read, _ = sync_incremental(world.at(NOON, dry_run=True), "cli")
    assert read.rows_new == 1
    logs = ("vici_call_logs", "vici_call_log_history", "quarantined_call_logs", "call_log_proofs")
    for table in (*logs, "sync_logs", "vici_statuses"):
        assert one(world.brain, f"SELECT count(*) FROM {table}") == 0


def test_two_syncs_of_one_dialer_never_run_together(world: Replication) -> None:  # F003
    with lane(world.brain, "vici", "sync"), pytest.raises(BusyError, match="vici: another sync is running"):
        sync_incremental(world.at(NOON), "cli")
    identity = SyncIdentity("vici", "match_orphans", "cli")
    with lane(world.brain, "vici", "orphans"), pytest.raises(BusyError):
        rematch_orphans(world.brain, identity)
    assert one(world.brain, "SELECT count(*) FROM sync_logs") == 0


def test_statuses_come_with_every_sync(world: Replication) -> None:
    world.site.put("vicidial_statuses", {"status": "SALE", "status_name": "Sale", "sale": "Y"})
    world.site.put("vicidial_campaign_statuses", {"status": "SALE", "campaign_id": "SOLAR", "status_name": "Sold", "sale": "N"})
    sync_incremental(world.at(NOON), "cli")
    assert ask(world.brain, "SELECT campaign_id, status, status_name, sale FROM vici_statuses ORDER BY 1") == [
        ("", "SALE", "Sale", True),
        ("SOLAR", "SALE", "Sold", False),
    ]


def test_a_pass_over_orphans_is_one_row_of_the_journal(world: Replication) -> None:  # F002, F018, F046
    world.site.outbound(NOON - minutes(2), "a")
    sync_incremental(world.at(NOON), "cli")
    add_lead(world.brain, 1, phone="2125550101", created_at=NOON + minutes(1))
    identity = SyncIdentity("vici", "match_orphans", "schedule")
    dry = rematch_orphans(world.brain, identity, dry_run=True)
    done = rematch_orphans(world.brain, identity, since=NOON)
    assert (dry.counts.matched, done.counts.matched) == (1, 1)
    assert ask(world.brain, "SELECT status, rows_matched, rows_orphaned FROM sync_logs WHERE kind = 'match_orphans'") == [
        ("success", 1, 0)
    ]


def test_history_read_in_pieces_leaves_no_bucket_between_them_unread(world: Replication) -> None:  # F005, F006
    start = NOON - timedelta(days=7, minutes=57)
    end = NOON - minutes(3)
    batches = list(fetch_history(world.at(NOON, slice_length=timedelta(days=1)), "cli", Window(start, end)))
    assert len(batches) == 2
    assert Ledger(world.brain).position("vici", TABLES) == NOON - minutes(5)
