"""F020: what was put away comes back exactly, once, and only if it is what was exported."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import Exchange, add_lead, ask, one
from old_orphans import MODES, dialer_of_orphans, everything, prove, put_away, rematch, synced
from sqlalchemy import Engine

from vici_brain.brain.orphan_archive import Mode
from vici_brain.errors import ConfigurationError, DifferenceError
from vici_brain.flows.purge_orphans import restore_orphans


@pytest.fixture
def dialer(tmp_path: Path) -> Iterator[Exchange]:
    with dialer_of_orphans(tmp_path) as opened:
        yield opened


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
