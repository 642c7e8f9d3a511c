"""F020: old orphans are exported, hidden or purged, and come back; no call is lost, doubled or unproven by any of it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from builders import NOON, Exchange, add_lead, ask, exchange, land, link, one, raw_row
from sqlalchemy import Engine, inspect

from vici_brain.brain import orphan_archive, orphan_files
from vici_brain.brain.calls import CallStore
from vici_brain.brain.journal import SyncIdentity
from vici_brain.brain.orphan_archive import Mode
from vici_brain.domain.windows import Window
from vici_brain.errors import ConfigurationError, DifferenceError
from vici_brain.flows.match_calls import rematch_orphans
from vici_brain.flows.prove_calls import ProofResult, prove_calls
from vici_brain.flows.purge_orphans import PurgeOrder, PurgeResult, purge_orphans, restore_orphans
from vici_brain.flows.read_calls import ReadResult, read_calls

NOW = NOON + timedelta(days=9)
RANGE = Window(NOON - timedelta(hours=1), NOON + timedelta(hours=1))
MODES = pytest.mark.parametrize("mode", ["hidden", "purged"])


@pytest.fixture
def dialer(tmp_path: Path) -> Iterator[Exchange]:
    """Forty orphans around NOON, one an inbound call, and one young call nine days later."""
    with exchange(f"sqlite:///{tmp_path}/dialer.db") as opened:
        for number in range(39):
            phone = f"21255501{number:02d}"
            opened.outbound(NOON + timedelta(minutes=number - 20), f"{number}.1", lead_id=100 + number, phone_number=phone)
        opened.inbound(NOON, 7, lead_id=7, phone_number="2125550999")
        opened.outbound(NOW - timedelta(days=1), "young.1", lead_id=500, phone_number="2125550888")
        yield opened


def read(dialer: Exchange, brain: Engine, window: Window = RANGE) -> ReadResult:
    return read_calls(dialer.dialer(), CallStore(brain), window, clock=lambda: datetime.now(NOON.tzinfo))


def prove(dialer: Exchange, brain: Engine, *, repair: bool = True) -> ProofResult:
    return prove_calls(dialer.dialer(), brain, RANGE, clock=lambda: datetime.now(NOON.tzinfo), repair=repair)


def synced(dialer: Exchange, brain: Engine) -> None:
    read(dialer, brain)
    read(dialer, brain, Window(NOW - timedelta(days=1, hours=1), NOW - timedelta(hours=23)))
    assert prove(dialer, brain).differing == ()


def put_away(brain: Engine, mode: Mode, folder: Path, *, apply: bool = True, now: datetime = NOW) -> PurgeResult:
    return purge_orphans(brain, "vici", now, PurgeOrder(mode, folder / "exports", "test", "somebody"), apply=apply, batch=16)


def rematch(brain: Engine) -> int:
    return rematch_orphans(brain, SyncIdentity("vici", "match_orphans", "test")).counts.matched


def everything(brain: Engine) -> list[tuple[object, ...]]:
    """All calls with all their columns, wherever they are kept."""
    return ask(brain, "SELECT * FROM vici_call_logs ORDER BY instance, source_table, source_key")


def counts(brain: Engine) -> tuple[int, int, int]:
    """Calls, orphans to be seen, and purged ones."""
    (found,) = ask(
        brain,
        "SELECT (SELECT count(*) FROM vici_call_logs), (SELECT count(*) FROM orphan_call_logs),"
        " (SELECT count(*) FROM purged_orphan_calls)",
    )
    return found  # type: ignore[return-value]


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


@MODES
def test_restoring_brings_every_call_back_exactly_and_only_once(
    brain: Engine, dialer: Exchange, tmp_path: Path, mode: Mode
) -> None:
    synced(dialer, brain)
    before = everything(brain)
    put_away(brain, mode, tmp_path)
    done = restore_orphans(brain, "1", "another")
    assert (done.calls, done.only_in_file, done.unverified) == (40, 0, "")
    assert (done.purge.restored_calls, done.purge.restored_by) == (40, "another")
    assert everything(brain) == before
    assert restore_orphans(brain, "1", "third").calls == 0
    assert everything(brain) == before
    assert ask(brain, "SELECT restored_by, restored_calls FROM orphan_purges") == [("another", 40)]
    assert prove(dialer, brain, repair=False).differing == ()


def test_hidden_orphans_can_be_purged_later_and_come_back_hidden(brain: Engine, dialer: Exchange, tmp_path: Path) -> None:
    synced(dialer, brain)
    before = everything(brain)
    put_away(brain, "hidden", tmp_path)
    hidden = everything(brain)
    second = put_away(brain, "purged", tmp_path)
    assert second.file is not None
    assert second.file.path.name == "orphan_call_logs-vici-20250610T154000Z-20250612T160000Z-2.parquet"
    restore_orphans(brain, "2", "somebody")
    assert everything(brain) == hidden
    restore_orphans(brain, "1", "somebody")
    assert everything(brain) == before


def test_calls_that_found_their_lead_meanwhile_are_not_touched_by_a_restore(
    brain: Engine, dialer: Exchange, tmp_path: Path
) -> None:
    synced(dialer, brain)
    put_away(brain, "purged", tmp_path)
    add_lead(brain, 1, phone="2125550105")
    assert rematch(brain) == 1
    assert restore_orphans(brain, "1", "somebody").calls == 39
    assert one(brain, "SELECT lead_id FROM vici_call_logs WHERE source_key = '5.1'") == 1


def test_an_export_holds_every_column_of_every_call_exactly(brain: Engine, tmp_path: Path) -> None:
    odd = raw_row(
        key="ö.1",
        comments="Zoë\n☎",
        queue_seconds=Decimal("4.25"),
        list_id=2**62,
        call_date="2025-06-10 12:00:00",
        length_in_sec=-3,
    )
    land(brain, [odd, raw_row(key="b.1", phone_number="2125550777", term_reason=None)])
    result = put_away(brain, "purged", tmp_path)
    assert result.file is not None
    table = pq.read_table(result.file.path)
    names = [column["name"] for column in inspect(brain).get_columns("vici_call_logs")]
    assert table.schema.names == names
    assert {
        str(table.schema.field(name).type) for name in ("called_at", "call_date", "queue_seconds", "list_id", "row_flags")
    } == {"timestamp[us, tz=UTC]", "timestamp[us]", "decimal128(12, 2)", "int64", "list<element: string>"}
    held = ask(brain, f"SELECT {', '.join(names)} FROM purged_orphan_calls ORDER BY source_key")
    assert sorted((tuple(row.values()) for row in table.to_pylist()), key=lambda row: row[2]) == held
    assert pq.ParquetFile(result.file.path).metadata.row_group(0).column(0).compression == "ZSTD"


def test_the_audit_row_and_the_file_say_the_same(brain: Engine, dialer: Exchange, tmp_path: Path) -> None:
    synced(dialer, brain)
    result = put_away(brain, "purged", tmp_path)
    assert result.purge is not None
    assert result.file is not None
    purge, file = result.purge, result.file
    assert (purge.mode, purge.trigger, purge.actor, purge.cutoff) == ("purged", "test", "somebody", NOW - timedelta(days=7))
    assert (purge.calls, purge.exported_calls, file.calls) == (40, 40, 40)
    assert (purge.file, purge.sha256) == (str(file.path), orphan_files.sha256_of(file.path))
    assert (purge.first_called_at, purge.last_called_at) == (NOON - timedelta(minutes=20), NOON + timedelta(minutes=18))


@pytest.mark.parametrize("where", ["reading", "writing", "verifying", "acting"])
@MODES
def test_an_interrupted_export_leaves_nothing_changed(
    brain: Engine, dialer: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, mode: Mode
) -> None:
    synced(dialer, brain)
    before = everything(brain)

    def fail(*_: object, **__: object) -> object:
        raise OSError(28, "No space left on device")

    def torn(path: Path) -> str:
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        return original(path)

    original = orphan_files.sha256_of
    if where == "reading":
        monkeypatch.setattr(orphan_archive.OrphanArchive, "rows", fail)
    elif where == "writing":
        monkeypatch.setattr(orphan_files._Hashing, "write", fail)
    elif where == "verifying":
        monkeypatch.setattr(orphan_files, "sha256_of", torn)
    else:
        monkeypatch.setattr(orphan_archive, "_purge", fail)
    with pytest.raises((OSError, DifferenceError)):
        put_away(brain, mode, tmp_path)
    assert everything(brain) == before
    assert ask(brain, "SELECT * FROM orphan_purges") == []
    if where != "acting":
        assert list(tmp_path.glob("exports/*")) == []


def test_a_call_that_changes_during_the_export_is_left_alone(
    brain: Engine, dialer: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced(dialer, brain)
    original = orphan_archive.OrphanArchive.put_away

    def late(archive: orphan_archive.OrphanArchive, *args: object) -> object:
        add_lead(brain, 1, phone="2125550105")
        assert rematch(brain) == 1
        land(brain, [raw_row(NOON - timedelta(minutes=14), "6.1", status="SALE")])
        return original(archive, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(orphan_archive.OrphanArchive, "put_away", late)
    result = put_away(brain, "purged", tmp_path)
    assert result.purge is not None
    assert (result.purge.exported_calls, result.purge.calls) == (40, 38)
    assert ask(brain, "SELECT source_key FROM vici_call_logs ORDER BY 1") == [("5.1",), ("6.1",), ("young.1",)]


def test_a_purge_is_restored_from_its_file_wherever_it_lies_even_when_brain_lost_the_calls(
    brain: Engine, dialer: Exchange, tmp_path: Path
) -> None:
    synced(dialer, brain)
    before = everything(brain)
    result = put_away(brain, "purged", tmp_path)
    assert result.file is not None
    moved = result.file.path.rename(tmp_path / "moved.parquet")
    with brain.begin() as connection:
        connection.exec_driver_sql("DELETE FROM purged_orphan_calls WHERE left(source_key, 1) = '1'")
    done = restore_orphans(brain, str(moved), "somebody")
    assert (done.calls, done.only_in_file) == (40, 11)
    assert everything(brain) == before


def test_a_restore_without_the_file_uses_what_brain_kept_and_says_so(brain: Engine, dialer: Exchange, tmp_path: Path) -> None:
    synced(dialer, brain)
    before = everything(brain)
    result = put_away(brain, "purged", tmp_path)
    assert result.file is not None
    result.file.path.unlink()
    done = restore_orphans(brain, "1", "somebody")
    assert (done.calls, "cannot be read" in done.unverified) == (40, True)
    assert everything(brain) == before


def test_calls_that_are_not_as_they_were_exported_are_not_restored(brain: Engine, dialer: Exchange, tmp_path: Path) -> None:
    synced(dialer, brain)
    put_away(brain, "purged", tmp_path)
    with brain.begin() as connection:
        connection.exec_driver_sql("UPDATE purged_orphan_calls SET comments = 'tampered' WHERE source_key = '5.1'")
    before = everything(brain)
    with pytest.raises(DifferenceError, match=r"1 purged calls are not as .* like vicidial_log 5\.1"):
        restore_orphans(brain, "1", "somebody")
    assert everything(brain) == before
    assert one(brain, "SELECT restored_at FROM orphan_purges") is None


def test_a_file_that_is_no_export_is_refused(brain: Engine, tmp_path: Path) -> None:
    (tmp_path / "other.parquet").write_bytes(b"PAR1")
    for which in (str(tmp_path / "other.parquet"), str(tmp_path / "none.parquet"), "77"):
        with pytest.raises(ConfigurationError):
            restore_orphans(brain, which, "somebody")


def test_an_order_for_orphans_younger_than_seven_days_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="kept for 7 days"):
        PurgeOrder("hidden", tmp_path, "test", "somebody", timedelta(days=6))


def test_each_call_is_in_one_half_or_hidden(brain: Engine, dialer: Exchange, tmp_path: Path) -> None:
    from vici_brain.brain.audits import Audits  # noqa: PLC0415

    synced(dialer, brain)
    put_away(brain, "hidden", tmp_path)
    audits = Audits(brain, source_tables=["vicidial_log"], stale_after=timedelta(minutes=15), clock=lambda: NOW)
    (finding,) = audits.run("vici", RANGE, {"every_call_is_in_exactly_one_half"})
    assert finding.passed


def test_a_large_export_is_streamed_in_batches(brain: Engine, tmp_path: Path) -> None:
    rows = [raw_row(NOON + timedelta(seconds=number), f"{number}.1") for number in range(1_000)]
    land(brain, rows)
    result = put_away(brain, "purged", tmp_path)
    assert result.file is not None
    metadata = pq.ParquetFile(result.file.path).metadata
    groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert (max(groups), sum(groups), result.file.calls) == (16, 1_000, 1_000)
