"""F020: nothing is put away that a verified export does not hold, and an export holds everything."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from builders import NOON, Exchange, add_lead, ask, land, raw_row
from old_orphans import MODES, NOW, dialer_of_orphans, everything, put_away, rematch, synced
from sqlalchemy import Engine, inspect

from vici_brain.brain import orphan_archive, orphan_files
from vici_brain.brain.orphan_archive import Mode
from vici_brain.errors import DifferenceError
from vici_brain.flows.purge_orphans import PurgeOrder


@pytest.fixture
def dialer(tmp_path: Path) -> Iterator[Exchange]:
    with dialer_of_orphans(tmp_path) as opened:
        yield opened


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


def test_an_order_for_orphans_younger_than_seven_days_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="kept for 7 days"):
        PurgeOrder("hidden", tmp_path, "test", "somebody", timedelta(days=6))


def test_a_large_export_is_streamed_in_batches(brain: Engine, tmp_path: Path) -> None:
    rows = [raw_row(NOON + timedelta(seconds=number), f"{number}.1") for number in range(1_000)]
    land(brain, rows)
    result = put_away(brain, "purged", tmp_path)
    assert result.file is not None
    metadata = pq.ParquetFile(result.file.path).metadata
    groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert (max(groups), sum(groups), result.file.calls) == (16, 1_000, 1_000)
