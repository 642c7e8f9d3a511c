"""`migrate`, `sync-incremental`, `fetch-complete` and `match-orphans` at the keyboard."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from builders import Exchange, add_lead, ask, one
from command_line import CommandLine, a_dialer, empty_dialer, keys_at_the_dialer, no_dialer, one_dialer, simulated_site
from sqlalchemy import Engine

CODE = "1234567890123"
dialer = pytest.fixture(empty_dialer)
vici = pytest.fixture(one_dialer)
simulated = pytest.fixture(no_dialer)


def ago(minutes: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=minutes)


def held(brain: Engine, instance: str = "vici") -> list[str]:
    rows = ask(brain, "SELECT source_key FROM vici_call_logs WHERE instance = :i ORDER BY 1", i=instance)
    return [str(key) for (key,) in rows]


def test_migrate_makes_the_tables_and_the_second_time_says_that_there_is_nothing_to_do(
    vici: CommandLine, empty_brain_url: str
) -> None:
    vici.set(BRAIN_DATABASE_URL=empty_brain_url)
    before = vici("status")
    assert (before.code, before.out) == (2, "")
    assert "run `vici-brain migrate`" in before.err
    assert re.match(r"applied: 0001\S*, ", vici("migrate").out)
    assert vici("migrate").out == "Brain is up to date\n"
    assert "never synced; start with `vici-brain fetch-complete 90`" in vici("status").out


def test_the_first_incremental_sync_looks_back_ten_minutes(
    vici: CommandLine, dialer: Exchange, brain: Engine
) -> None:  # F043, F049
    dialer.outbound(ago(4), "new.1")
    dialer.outbound(ago(180), "old.1")
    done = vici("sync-incremental")
    assert (done.code, done.err) == (0, "")
    assert " 1 read, 1 new, 0 updated, 0 unchanged, " in done.out
    assert "1 unmatched looked at, 0 matched" in done.out
    assert held(brain) == ["new.1"]
    assert ask(brain, "SELECT kind, trigger, status, rows_new FROM sync_logs") == [("incremental", "cli", "success", 1)]


def test_minutes_look_back_further_and_what_was_read_before_is_unchanged(  # F013, F025, F045
    vici: CommandLine, dialer: Exchange, brain: Engine
) -> None:
    dialer.outbound(ago(4), "new.1")
    dialer.outbound(ago(180), "old.1")
    vici("sync-incremental")
    assert " 2 read, 1 new, 0 updated, 1 unchanged, " in vici("sync-incremental", "--minutes", "200").out
    assert held(brain) == ["new.1", "old.1"]


def test_a_dry_run_tells_what_it_would_do_and_writes_nothing(  # F044
    vici: CommandLine, dialer: Exchange, brain: Engine
) -> None:
    add_lead(brain, 1, phone="2125550101")
    dialer.outbound(ago(4), "new.1")
    for command in (("sync-incremental",), ("fetch-complete", "1")):
        done = vici(*command, "--dry-run")
        assert done.code == 0
        assert done.out.startswith("dry run vici ")
        assert " 1 read, 1 new, " in done.out
    for table in ("vici_call_logs", "sync_logs", "call_log_proofs", "vici_statuses"):
        assert one(brain, f"SELECT count(*) FROM {table}") == 0


def two_dialers(command_line: CommandLine, folder: Path, east: str) -> None:
    file = folder / "dialers.toml"
    file.write_text(f"""
        [[dialers]]
        name = "east"
        time_zone = "America/New_York"
        {east}
        [[dialers]]
        name = "west"
        time_zone = "America/New_York"
        database_url = "sqlite:///{folder}/west.db"
    """)
    command_line.set(VICI_BRAIN_CONFIG=str(file))


@pytest.mark.parametrize("command", [("sync-incremental",), ("reconcile",), ("fetch-complete", "--from", "{hour}")])
def test_a_dialer_that_cannot_be_reached_is_told_in_one_line_and_the_other_one_is_synced(
    simulated: CommandLine, brain: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr("vici_brain.flows.sync_calls.wait_exponential", lambda **_: lambda _state: 0)
    address = 'database_url = "mysql://reader@127.0.0.1:1/asterisk"\npassword_env = "EAST_PASSWORD"'
    two_dialers(simulated, tmp_path, address)
    simulated.set(EAST_PASSWORD="hunter2")
    with a_dialer(tmp_path, "west") as west:
        if command != ("reconcile",):
            west.outbound(ago(4), "west.1")
        done = simulated(*[part.format(hour=f"{ago(60):%Y-%m-%dT%H:%M}") for part in command])
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert line.startswith("failed east: the dialer's database at 127.0.0.1:1 cannot be reached")
    assert "hunter2" not in done.err + done.out
    assert done.out.startswith("west ")
    if command[0] != "reconcile":
        assert held(brain, "west") == ["west.1"]
        assert set(ask(brain, "SELECT instance, status FROM sync_logs")) == {("east", "failed"), ("west", "success")}


def test_a_dialer_without_its_address_asks_for_the_variable_and_the_other_one_is_synced(
    simulated: CommandLine, brain: Engine, tmp_path: Path
) -> None:
    two_dialers(simulated, tmp_path, 'database_url_env = "EAST_URL"')
    with a_dialer(tmp_path, "west") as west:
        west.outbound(ago(4), "west.1")
        done = simulated("sync-incremental")
    assert done.code == 2
    assert done.err.splitlines() == ["failed east: the environment variable EAST_URL, which holds its address, is not set"]
    assert held(brain, "west") == ["west.1"]


def test_only_the_dialers_that_are_named_are_synced(simulated: CommandLine, brain: Engine, tmp_path: Path) -> None:
    two_dialers(simulated, tmp_path, f'database_url = "sqlite:///{tmp_path}/east.db"')
    with a_dialer(tmp_path, "east") as east, a_dialer(tmp_path, "west") as west:
        east.outbound(ago(4), "east.1")
        west.outbound(ago(4), "west.1")
        assert simulated("sync-incremental", "--instance", "east").code == 0
        assert ask(brain, "SELECT source_key FROM vici_call_logs") == [("east.1",)]
        assert simulated("sync-incremental", "-i", "east", "-i", "west").code == 0
    assert ask(brain, "SELECT source_key FROM vici_call_logs ORDER BY 1") == [("east.1",), ("west.1",)]


def test_days_of_history_land_completely_and_a_second_fetch_changes_nothing(  # F004, F026, F047
    simulated: CommandLine, brain: Engine, tmp_path: Path
) -> None:
    simulated_site(tmp_path, brain, calls_per_day=25)
    first = simulated("fetch-complete", "10")
    assert (first.code, first.err) == (0, "")
    assert len(first.out.splitlines()) >= 2, "ten days are two batches"
    landed = {
        f"{table}/{key}"
        for table, key in ask(
            brain,
            "SELECT source_table, source_key FROM vici_call_logs UNION "
            "SELECT source_table, source_key FROM quarantined_call_logs WHERE NOT landed",
        )
    }
    assert landed == keys_at_the_dialer(tmp_path)
    assert len(landed) > 50
    before = ask(brain, "SELECT * FROM vici_call_logs ORDER BY instance, source_table, source_key")
    second = simulated("fetch-complete", "10")
    assert all(" 0 new, 0 updated, " in line for line in second.out.splitlines() if line.startswith("vici"))
    assert ask(brain, "SELECT * FROM vici_call_logs ORDER BY instance, source_table, source_key") == before


def test_a_stretch_of_history_may_be_given_with_offsets_and_nothing_outside_it_is_read(  # F005
    vici: CommandLine, dialer: Exchange, brain: Engine
) -> None:
    for hour in (11, 12, 13):
        dialer.outbound(datetime(2025, 6, 10, hour, 30, tzinfo=UTC), f"{hour}.1")
    done = vici("fetch-complete", "--from", "2025-06-10T08:00-04:00", "--to", "2025-06-10T13:00")
    assert done.code == 0
    assert "2025-06-10 12:00 to 2025-06-10 13:00 UTC: 1 read, 1 new" in done.out
    assert held(brain) == ["12.1"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("fetch-complete", "give either DAYS or --from"),
        ("fetch-complete 3 --from 2026-01-01", "give either DAYS or --from"),
        ("fetch-complete 0", "greater than or equal to 1"),
        ("fetch-complete -3", "No such option"),
        ("fetch-complete ninety", "valid integer"),
        ("fetch-complete 99999999999", "less than or equal to 3660"),
        ("fetch-complete --from 2026-13-01", "'2026-13-01' is no date or time"),
        ("fetch-complete --from yesterday", "write 2026-08-01 or"),
        ("fetch-complete --from 0001-01-01T00:00+14:00", "is no time at which a dialer took calls"),
        ("fetch-complete --from 2025-02-01 --to 2025-01-01", "--from 2025-02-01 00:00 is not before --to 2025-01-01 00:00"),
        ("fetch-complete --from 2025-02-01 --to 2025-02-01", "is not before"),
        ("reconcile --from 2090-01-01", "is not before --to"),
        ("sync-incremental --minutes 0", "greater than or equal to 1"),
        ("sync-incremental --minutes 99999999999", "less than or equal to"),
        ("match-orphans --limit 0", "greater than or equal to 1"),
        ("purge-orphans --days 99999999999", "less than or equal to 3660"),
        ("demo --days 0", "greater than or equal to 1"),
        ("synchronise", "No such command"),
    ],
)
def test_bad_input_is_refused_with_its_reason(vici: CommandLine, arguments: str, said: str) -> None:
    done = vici(*arguments.split())
    assert done.code == 2
    assert said in re.sub(r"[│\s]+", " ", done.err)
    assert done.out == ""


@pytest.fixture
def three_orphans(vici: CommandLine, dialer: Exchange, brain: Engine) -> CommandLine:
    """Three calls that were synced before their leads came."""
    for number in (1, 2, 3):
        dialer.outbound(ago(4), f"{number}.1", lead_id=number, phone_number=f"212555010{number}")
    dialer.put("vicidial_list", {"lead_id": 3, "vendor_lead_code": CODE, "phone_number": "2125550103"})
    assert "3 new" in vici("sync-incremental").out
    for number, code in ((1, None), (2, None), (3, CODE)):
        add_lead(brain, number, phone=f"212555010{number}", code=code)
    return vici


def test_orphans_are_matched_by_hand(three_orphans: CommandLine, brain: Engine) -> None:  # F018, F019, F046
    done = three_orphans("match-orphans")
    assert done.code == 0
    assert "3 orphans looked at, 3 matched (" in done.out
    assert "2 by phone" in done.out
    assert "1 by vendor_lead_code" in done.out
    assert ask(brain, "SELECT lead_id FROM vici_call_metrics ORDER BY 1") == [(1,), (2,), (3,)]
    assert "0 orphans looked at, 0 matched (none)" in three_orphans("match-orphans").out


def test_a_limit_ends_the_pass_over_orphans_and_says_so(three_orphans: CommandLine, brain: Engine) -> None:  # F046
    done = three_orphans("match-orphans", "--limit", "2")
    assert "2 orphans looked at, 2 matched" in done.out
    assert "there are more, the limit ended it" in done.out
    assert one(brain, "SELECT count(*) FROM orphan_call_logs") == 1


def test_a_dry_run_over_orphans_says_what_would_match(three_orphans: CommandLine, brain: Engine) -> None:  # F044, F046
    journal = ask(brain, "SELECT * FROM sync_logs")
    done = three_orphans("match-orphans", "--dry-run")
    assert done.out.startswith("dry run vici 3 orphans looked at, 3 matched")
    assert one(brain, "SELECT count(*) FROM orphan_call_logs") == 3
    assert ask(brain, "SELECT * FROM sync_logs") == journal
