"""F020: old orphans are hidden or purged, and no call is lost, doubled or unproven by it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from builders import NOON, Exchange, add_lead, ask, land, link, one, raw_row
from old_orphans import MODES, NOW, RANGE, counts, dialer_of_orphans, everything, prove, put_away, read, rematch, synced
from sqlalchemy import Engine

from vici_brain.brain.audits import Audits
from vici_brain.brain.orphan_archive import Mode
from vici_brain.flows.purge_orphans import restore_orphans


@pytest.fixture
def dialer(tmp_path: Path) -> Iterator[Exchange]:
    with dialer_of_orphans(tmp_path) as opened:
        yield opened


@MODES
def test_without_apply_old_orphans_are_counted_and_nothing_is_written(
    brain: Engine, dialer: Exchange, tmp_path: Path, mode: Mode
) -> None:
    synced(dialer, brain)
    before = everything(brain)
    result = put_away(brain, mode, tmp_path, apply=False)
    assert (result.due.calls, result.file, result.purge) == (40, None, None)
    assert everything(brain) == before
    assert ask(brain, "SELECT * FROM orphan_purges") == []
    assert not (tmp_path / "exports").exists()


def test_orphans_of_the_last_seven_days_and_calls_with_a_lead_are_left_alone(
    brain: Engine, dialer: Exchange, tmp_path: Path
) -> None:
    synced(dialer, brain)
    add_lead(brain, 1, phone="2125550100")
    assert rematch(brain) == 1
    assert put_away(brain, "hidden", tmp_path, now=NOON + timedelta(days=7, minutes=-20)).purge is None
    result = put_away(brain, "purged", tmp_path)
    assert result.purge is not None
    assert result.purge.calls == 39
    assert ask(brain, "SELECT source_key FROM vici_call_logs ORDER BY 1") == [("0.1",), ("young.1",)]


def test_hidden_orphans_leave_only_the_view_and_stay_proven(brain: Engine, dialer: Exchange, tmp_path: Path) -> None:
    synced(dialer, brain)
    put_away(brain, "hidden", tmp_path)
    assert counts(brain) == (41, 1, 0)
    proof = prove(dialer, brain)
    assert (proof.differing, proof.merged.new, proof.repaired) == ((), 0, 0)


def test_purged_orphans_leave_the_table_of_calls_and_stay_proven(brain: Engine, dialer: Exchange, tmp_path: Path) -> None:
    synced(dialer, brain)
    put_away(brain, "purged", tmp_path)
    assert counts(brain) == (1, 1, 40)
    proof = prove(dialer, brain)
    assert (proof.differing, proof.merged.read, proof.repaired) == ((), 0, 0)


@MODES
def test_reading_everything_again_brings_nothing_back(brain: Engine, dialer: Exchange, tmp_path: Path, mode: Mode) -> None:
    synced(dialer, brain)
    put_away(brain, mode, tmp_path)
    before = counts(brain)
    again = read(dialer, brain)
    assert again.counts.read >= 40
    assert (again.counts.new, again.counts.updated, again.counts.unchanged) == (0, 0, again.counts.read)
    assert counts(brain) == before
    differ = "SELECT count(*) FROM call_log_proofs WHERE source_count <> brain_count OR source_crc_sum <> brain_crc_sum"
    assert one(brain, differ) == 0


@MODES
def test_a_second_run_changes_nothing(brain: Engine, dialer: Exchange, tmp_path: Path, mode: Mode) -> None:
    synced(dialer, brain)
    put_away(brain, mode, tmp_path)
    before = everything(brain), counts(brain)
    again = put_away(brain, mode, tmp_path)
    assert (again.due.calls, again.file, again.purge) == (0, None, None)
    assert (everything(brain), counts(brain)) == before
    assert one(brain, "SELECT count(*) FROM orphan_purges") == 1
    assert len(list((tmp_path / "exports").iterdir())) == 1


@MODES
@pytest.mark.parametrize("rule", ["phone", "vendor_lead_code", "vici_lead_link"])
def test_a_lead_that_arrives_on_day_nine_still_gets_its_calls(brain: Engine, tmp_path: Path, mode: Mode, rule: str) -> None:
    land(
        brain,
        [raw_row(key="a.1", vici_lead_id=42, vendor_lead_code="1755041041000"), raw_row(key="b.1", phone_number="2125550777")],
    )
    assert put_away(brain, mode, tmp_path).purge is not None
    assert one(brain, "SELECT count(*) FROM orphan_call_logs") == 0
    add_lead(
        brain,
        9,
        code="1755041041000" if rule == "vendor_lead_code" else None,
        phone="2125550101" if rule == "phone" else "3475550000",
        created_at=NOW,
    )
    if rule == "vici_lead_link":
        link(brain, 42, 9)
    assert rematch(brain) == 1
    assert ask(brain, "SELECT source_key, lead_id, matched_by, hidden_at FROM vici_call_metrics") == [("a.1", 9, rule, None)]
    assert one(brain, "SELECT count(*) FROM orphan_call_logs") == 0
    assert one(brain, "SELECT count(*) FROM held_call_logs") == 2


def test_a_purged_call_that_the_dialer_edits_is_a_call_again_with_its_earlier_state(
    brain: Engine, dialer: Exchange, tmp_path: Path
) -> None:
    synced(dialer, brain)
    put_away(brain, "purged", tmp_path)
    dialer.run("UPDATE vicidial_log SET status = 'SALE' WHERE uniqueid = '5.1'")
    proof = prove(dialer, brain)
    assert (proof.differing, proof.repaired, proof.merged.updated, proof.merged.new) == ((), 1, 1, 0)
    assert ask(brain, "SELECT source_key, status FROM vici_call_logs WHERE source_key <> 'young.1'") == [("5.1", "SALE")]
    assert ask(brain, "SELECT source_key, status FROM vici_call_log_history") == [("5.1", "NA")]
    assert one(brain, "SELECT count(*) FROM purged_orphan_calls") == 39


def test_a_purged_call_that_the_dialer_deletes_stays_away_and_its_bucket_is_proven(
    brain: Engine, dialer: Exchange, tmp_path: Path
) -> None:
    synced(dialer, brain)
    put_away(brain, "purged", tmp_path)
    dialer.run("DELETE FROM vicidial_log WHERE uniqueid = '5.1'")
    proof = prove(dialer, brain)
    assert (proof.differing, proof.vanished) == ((), {"expired": 1})
    assert counts(brain) == (1, 1, 40)
    assert ask(brain, "SELECT source_key, vanish_reason FROM purged_orphan_calls WHERE vanished_at IS NOT NULL") == [
        ("5.1", "expired")
    ]
    assert restore_orphans(brain, "1", "somebody").calls == 40
    assert prove(dialer, brain, repair=False).differing == ()


def test_an_irregular_row_stays_proven_when_it_is_purged(brain: Engine, dialer: Exchange, tmp_path: Path) -> None:
    dialer.inbound(NOON, 8, start_epoch=2025, lead_id=8, phone_number="2125550444")
    synced(dialer, brain)
    put_away(brain, "purged", tmp_path)
    proof = prove(dialer, brain)
    assert (proof.differing, proof.merged.read) == ((), 0)


def test_an_archive_copy_that_is_stale_does_not_replace_what_was_purged(brain: Engine, tmp_path: Path) -> None:
    land(brain, [raw_row(key="a.1", status="SALE", row_crc=1)])
    put_away(brain, "purged", tmp_path)
    land(brain, [raw_row(key="a.1", status="PU", row_crc=2)], copy="archive")
    assert ask(brain, "SELECT status, row_crc, row_flags FROM vici_call_logs") == [("SALE", 2, ["archive_copy_stale"])]


def test_each_call_is_in_one_half_or_hidden(brain: Engine, dialer: Exchange, tmp_path: Path) -> None:
    synced(dialer, brain)
    put_away(brain, "hidden", tmp_path)
    audits = Audits(brain, source_tables=["vicidial_log"], stale_after=timedelta(minutes=15), clock=lambda: NOW)
    (finding,) = audits.run("vici", RANGE, {"no_call_in_both_halves"})
    assert finding.passed
