"""F020 at the keyboard, and beside syncs that run at the same time."""

import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from builders import NOON, ask, land, one, raw_row
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from vici_brain.brain.calls import CallStore, Landing
from vici_brain.brain.database import lane
from vici_brain.brain.proofs import Scope
from vici_brain.brain.sql import load
from vici_brain.cli.main import app
from vici_brain.domain.call_rows import clean
from vici_brain.domain.windows import BUCKET, Window
from vici_brain.errors import BusyError
from vici_brain.flows.purge_orphans import PurgeOrder, purge_orphans, restore_orphans

NOW = NOON + timedelta(days=9)


@pytest.fixture
def two_orphans(brain: Engine) -> Engine:
    """One from before the seven days, and one of an hour ago by the real clock."""
    land(brain, [raw_row(key="old.1"), raw_row(datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1), "young.1")])
    return brain


def run(brain_url: str, home: Path, *arguments: str) -> Result:
    environment = {"BRAIN_DATABASE_URL": brain_url, "VICI_BRAIN_HOME": str(home), "COLUMNS": "400"}
    return CliRunner().invoke(app, list(arguments), env=environment, catch_exceptions=False)


def order(folder: Path) -> PurgeOrder:
    return PurgeOrder("purged", folder / "exports", "test", "somebody")


def test_the_command_alone_is_a_dry_run(two_orphans: Engine, brain_url: str, tmp_path: Path) -> None:
    result = run(brain_url, tmp_path, "purge-orphans")
    assert result.exit_code == 0
    assert re.search(r"dry run vici 1 orphans from before .* would be exported and hidden; --apply does it", result.output)
    assert one(two_orphans, "SELECT count(*) FROM orphan_call_logs") == 2
    assert list(tmp_path.iterdir()) == []


def test_apply_hides_and_purge_takes_out_and_both_are_restored(  # F020
    two_orphans: Engine, brain_url: str, tmp_path: Path
) -> None:
    before = ask(two_orphans, "SELECT * FROM vici_call_logs ORDER BY source_key")
    hidden = run(brain_url, tmp_path, "purge-orphans", "--apply")
    assert "1 exported to" in hidden.output
    assert "1 hidden as purge 1" in hidden.output
    assert ask(two_orphans, "SELECT source_key FROM orphan_call_logs") == [("young.1",)]
    purged = run(
        brain_url, tmp_path, "purge-orphans", "--apply", "--purge", "--days", "8", "--directory", str(tmp_path / "there")
    )
    assert "1 purged as purge 2" in purged.output
    assert ask(two_orphans, "SELECT source_key FROM vici_call_logs") == [("young.1",)]
    assert "nothing to do" in run(brain_url, tmp_path, "purge-orphans", "--apply", "--purge").output
    (file,) = (tmp_path / "there").iterdir()
    assert "1 orphans restored" in run(brain_url, tmp_path, "restore-orphans", str(file)).output
    assert "1 orphans restored" in run(brain_url, tmp_path, "restore-orphans", "1").output
    assert "0 orphans restored" in run(brain_url, tmp_path, "restore-orphans", "1").output
    assert ask(two_orphans, "SELECT * FROM vici_call_logs ORDER BY source_key") == before
    listed = run(brain_url, tmp_path, "restore-orphans").output
    assert re.search(r"2 +vici .* purged +1 .*\n *1 +vici .* hidden +1 ", listed)
    assert ask(two_orphans, "SELECT trigger, actor <> '' FROM orphan_purges") == [("cli", True)] * 2


def test_fewer_days_than_seven_are_refused(brain_url: str, tmp_path: Path) -> None:
    assert run(brain_url, tmp_path, "purge-orphans", "--days", "6").exit_code == 2


def test_a_purge_and_a_restore_of_one_dialer_do_not_run_at_once(two_orphans: Engine, tmp_path: Path) -> None:
    with lane(two_orphans, "vici", "purge_orphans"), pytest.raises(BusyError):
        purge_orphans(two_orphans, "vici", NOW, order(tmp_path), apply=True)
    assert one(two_orphans, "SELECT count(*) FROM orphan_call_logs") == 2
    assert not (tmp_path / "exports").exists()


def test_a_call_that_is_purged_while_a_slice_with_its_news_is_on_the_way_stands_once(brain: Engine, tmp_path: Path) -> None:
    land(brain, [raw_row(key="a.1")])
    with CallStore(brain).landing("vici", "vicidial_log", "America/New_York") as landing:
        landing.stage(clean([raw_row(key="a.1", status="SALE")]), source_copy="live")
        assert purge_orphans(brain, "vici", NOW, order(tmp_path), apply=True).purge is not None
        landing.merge(None)
    assert ask(brain, "SELECT source_key, status FROM vici_call_logs") == [("a.1", "SALE")]
    assert one(brain, "SELECT count(*) FROM held_call_logs") == 1


def test_a_purge_waits_for_a_merge_and_leaves_alone_what_it_changed(brain: Engine, tmp_path: Path) -> None:
    land(brain, [raw_row(key="a.1"), raw_row(key="b.1")])
    done: list[int] = []

    def purge() -> None:
        result = purge_orphans(brain, "vici", NOW, order(tmp_path), apply=True)
        done.append(result.purge.calls if result.purge else 0)

    with CallStore(brain).landing("vici", "vicidial_log", "America/New_York") as landing:
        landing.stage(clean([raw_row(key="a.1", status="SALE")]), source_copy="live")
        landing.merge(None)
        beside = threading.Thread(target=purge)
        beside.start()
        beside.join(1.5)
        assert done == []
    beside.join(20)
    assert done == [1]
    assert ask(brain, "SELECT source_key, status FROM vici_call_logs") == [("a.1", "SALE")]
    assert ask(brain, "SELECT source_key FROM purged_orphan_calls") == [("b.1",)]


def test_a_call_cannot_be_purged_between_being_found_by_a_merge_and_being_written(
    brain: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(brain, [raw_row(key="a.1")])
    beside = threading.Thread(target=purge_orphans, args=(brain, "vici", NOW, order(tmp_path)), kwargs={"apply": True})
    original = Landing._run

    def run(landing: Landing, statement: object) -> int:
        if statement is load("keep_history"):
            beside.start()
            beside.join(1.5)
        return original(landing, statement)

    monkeypatch.setattr(Landing, "_run", run)
    land(brain, [raw_row(key="a.1", status="SALE")])
    beside.join(20)
    assert ask(brain, "SELECT source_key, status FROM vici_call_logs") == [("a.1", "SALE")]
    assert one(brain, "SELECT count(*) FROM held_call_logs") == 1


def test_sums_of_a_proof_still_walk_the_index_of_calls_by_time(brain: Engine) -> None:
    land(brain, [raw_row(NOON + timedelta(minutes=number), f"{number}.1") for number in range(3_000)])
    window = Window(NOON, NOON + timedelta(minutes=30))
    values = Scope("vici", "vicidial_log", "America/New_York").over(window) | {
        "source_tables": ["vicidial_log"],
        "offset": 0,
        "last": window.end - BUCKET,
        "compared_at": NOW,
        **dict.fromkeys(("numbers", "epochs", "counts", "sums", "has_odd"), "{}"),
    }
    with brain.connect() as connection:
        connection.execute(text("ANALYZE vici_call_logs, purged_orphan_calls"))
        plan = "\n".join(connection.scalars(text("EXPLAIN " + load("judge_proofs").text), values))
    assert "vici_call_logs_called_at" in plan
    assert "Seq Scan on vici_call_logs" not in plan


def test_restoring_in_two_steps_gives_what_one_gives(brain: Engine, tmp_path: Path) -> None:
    land(brain, [raw_row(NOON + timedelta(seconds=number), f"{number}.1") for number in range(30)])
    before = ask(brain, "SELECT * FROM vici_call_logs ORDER BY source_key")
    purge_orphans(brain, "vici", NOON + timedelta(days=7, seconds=10), order(tmp_path), apply=True)
    purge_orphans(brain, "vici", NOW, order(tmp_path), apply=True)
    assert ask(brain, "SELECT purge_id, count(*) FROM purged_orphan_calls GROUP BY 1 ORDER BY 1") == [(1, 10), (2, 20)]
    assert restore_orphans(brain, "2", "somebody").calls == 20
    assert restore_orphans(brain, "1", "somebody").calls == 10
    assert ask(brain, "SELECT * FROM vici_call_logs ORDER BY source_key") == before
