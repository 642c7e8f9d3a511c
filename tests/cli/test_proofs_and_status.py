"""`reconcile` and `status`: what they say is what independent queries say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from builders import NEW_YORK, Exchange, ask, one
from command_line import CommandLine, empty_dialer, no_dialer, one_dialer, simulated_site
from sqlalchemy import Engine, text

STRETCH = ("--from", "2025-06-10T16:00", "--to", "2025-06-10T17:00")
dialer = pytest.fixture(empty_dialer)
vici = pytest.fixture(one_dialer)
simulated = pytest.fixture(no_dialer)


def at(minute: int) -> datetime:
    return datetime(2025, 6, 10, 16, minute, tzinfo=UTC)


@pytest.fixture
def synced(vici: CommandLine, dialer: Exchange) -> CommandLine:
    """Three calls in Brain as they stand at the dialer."""
    for minute in (1, 2, 31):
        dialer.outbound(at(minute), f"{minute}.1")
    assert "3 new" in vici("fetch-complete", *STRETCH).out
    return vici


def run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def test_sides_that_are_equal_are_proven(synced: CommandLine) -> None:
    done = synced("reconcile", *STRETCH)
    assert (done.code, done.err) == (0, "")
    assert "24 of 24 buckets proven, 0 repaired" in done.out
    assert "differs" not in done.out


def test_keys_that_differ_are_printed_and_the_exit_code_says_so(synced: CommandLine, dialer: Exchange, brain: Engine) -> None:
    run(brain, "DELETE FROM vici_call_logs WHERE source_key = '1.1'")
    dialer.run("UPDATE vicidial_log SET status = 'SALE' WHERE uniqueid = '31.1'")
    dialer.run("DELETE FROM vicidial_log WHERE uniqueid = '2.1'")
    done = synced("reconcile", *STRETCH)
    assert done.code == 1
    assert done.err.strip() == "failed vici: 2 buckets differ from the dialer; --repair"
    assert "22 of 24 buckets proven" in done.out
    lines = [line.strip() for line in done.out.splitlines()]
    assert "differs 2025-06-10 16:00 vicidial_log: 1 at the dialer, 1 in Brain" in lines
    assert {"1.1: missing in Brain", "2.1: gone at the dialer", "31.1: other content in Brain"} <= set(lines)
    assert ask(brain, "SELECT source_key, status FROM vici_call_logs ORDER BY 1") == [("2.1", "NA"), ("31.1", "NA")]


def test_repair_makes_both_sides_equal_and_tells_what_it_did(synced: CommandLine, dialer: Exchange, brain: Engine) -> None:
    run(brain, "DELETE FROM vici_call_logs WHERE source_key = '1.1'")
    dialer.run("UPDATE vicidial_log SET status = 'SALE' WHERE uniqueid = '31.1'")
    dialer.run("DELETE FROM vicidial_log WHERE uniqueid = '2.1'")
    done = synced("reconcile", *STRETCH, "--repair")
    assert (done.code, done.err) == (0, "")
    assert "24 of 24 buckets proven, 2 repaired (1 new, 1 updated, vanished: 1 " in done.out
    assert ask(brain, "SELECT source_key, status FROM vici_call_logs WHERE vanished_at IS NULL ORDER BY 1") == [
        ("1.1", "NA"),
        ("31.1", "SALE"),
    ]
    assert synced("reconcile", *STRETCH).code == 0


def test_a_difference_that_repair_cannot_end_is_still_a_failure(
    synced: CommandLine, brain: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(brain, "UPDATE vici_call_logs SET row_crc = row_crc + 1, read_at = now() + interval '1 day' WHERE source_key = '1.1'")
    done = synced("reconcile", *STRETCH, "--repair")
    assert done.code == 1
    assert done.err.strip() == "failed vici: 1 buckets differ from the dialer"
    assert "1.1: other content in Brain" in done.out


def test_what_a_dialer_wrote_is_printed_as_it_is_and_never_read_as_markup(
    vici: CommandLine, dialer: Exchange, brain: Engine
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    dialer.outbound(now - timedelta(minutes=4), "[/x]", campaign_id="[/red]", status="[b]")
    assert vici("sync-incremental").code == 0
    shown = vici("status")
    assert shown.code == 0
    assert "[/red]" in shown.out
    assert "[b]" in shown.out
    run(brain, "DELETE FROM vici_call_logs")
    differing = vici("reconcile", "--from", f"{now - timedelta(minutes=20):%Y-%m-%dT%H:%M}")
    assert differing.code in {0, 1}
    unknown = vici("status", "-i", "[/x]")
    assert unknown.err.strip() == "failed there is no dialer '[/x]'; configured are: vici"


def test_status_says_what_independent_counts_say(  # F021, F022, F023, F040, F041, F042
    simulated: CommandLine, brain: Engine, tmp_path: Path
) -> None:
    simulated_site(tmp_path, brain)
    simulated("fetch-complete", "9")
    done = simulated("status", "--json")
    assert (done.code, done.err) == (0, "")
    (shown,) = done.json["instances"]
    week = (
        "instance = 'vici' AND vanished_at IS NULL AND called_at AT TIME ZONE 'America/New_York'"
        " >= date_trunc('day', now() AT TIME ZONE 'America/New_York') - interval '6 days'"
    )
    days = "to_char(called_at AT TIME ZONE 'America/New_York', 'YYYY-MM-DD')"
    per_day = ask(brain, f"SELECT {days}, count(*), count(lead_id) FROM vici_call_logs WHERE {week} GROUP BY 1 ORDER BY 1")
    assert [(day["day"], day["calls"], day["matched"]) for day in shown["days"]] == per_day
    assert all(day["calls"] == day["matched"] + day["orphaned"] for day in shown["days"])
    assert len(per_day) >= 5
    for name, column in (("campaigns", "campaign_id"), ("statuses", "status")):
        counts = dict(ask(brain, f"SELECT coalesce({column}, ''), count(*) FROM vici_call_logs WHERE {week} GROUP BY 1"))
        assert shown[name] == counts
        assert sum(shown[name].values()) == sum(calls for _, calls, _ in per_day)
    assert shown["orphan_backlog"] == one(brain, "SELECT count(*) FROM orphan_call_logs")
    assert shown["quarantined"] == one(brain, "SELECT count(*) FROM quarantined_call_logs")
    last = ask(brain, "SELECT kind, trigger, status, rows_read FROM sync_logs ORDER BY started_at DESC LIMIT 1")
    assert [tuple(shown["last_sync"][name] for name in ("kind", "trigger", "status", "rows_read"))] == last
    assert 0 <= shown["lag_seconds"] <= 600
    assert datetime.fromisoformat(shown["last_proof_at"]) == one(brain, "SELECT max(proven_at) FROM call_log_proofs")
    table = simulated("status").out
    assert "last sync" in table
    assert f"orphan backlog {shown['orphan_backlog']:,}," in table
    for day, calls, _ in per_day:
        assert any(line.split()[:2] == [day, f"{calls:,}"] for line in table.splitlines())


def test_status_of_one_dialer_leaves_out_the_others(simulated: CommandLine, tmp_path: Path) -> None:
    tables = [f'[[dialers]]\nname = "{name}"\ntime_zone = "{NEW_YORK}"\n' for name in ("east", "west")]
    (tmp_path / "two.toml").write_text("".join(tables))
    simulated.set(VICI_BRAIN_CONFIG=str(tmp_path / "two.toml"))
    assert [each["instance"] for each in simulated("status", "--json").json["instances"]] == ["east", "west"]
    assert [each["instance"] for each in simulated("status", "--json", "-i", "west").json["instances"]] == ["west"]


def test_a_failed_sync_shows_in_status_without_its_password(vici: CommandLine, brain: Engine) -> None:
    vici.set(VICI_DATABASE_URL="mysql://reader:hunter2@127.0.0.1:1/asterisk")
    assert vici("sync-incremental").code == 1
    shown = vici("status")
    assert "incremental by cli: failed: " in shown.out
    assert "127.0.0.1:1 cannot be reached" in shown.out
    assert "last success   never" in shown.out
    assert "hunter2" not in shown.out
