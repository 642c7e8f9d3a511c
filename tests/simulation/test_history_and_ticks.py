"""However time passes on the simulated dialer, its tables end up the same."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from pymysql.err import OperationalError
from simulated_dialers import Contents, contents, new_dialer, small, sqlite_engine, utc, values

from vici_brain.errors import ConfigurationError
from vici_brain.simulation.dialer import SimulatedDialer
from vici_brain.simulation.writer import Writer

END = utc("2025-11-10 17:03:12")  # a busy Monday noon, three weeks after opening
PROFILE = small(archive_after_days=6)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    engine = sqlite_engine(tmp_path_factory.mktemp("whole"))
    new_dialer(engine, PROFILE).load_history(END)
    found = contents(engine)
    engine.dispose()
    return found


@pytest.mark.parametrize(
    ("history", "ticks"),
    [
        pytest.param(END - 40 * HOUR, [END], id="a jump over two nights"),
        pytest.param(utc("2025-11-02 05:45:00"), [END - 7 * 24 * HOUR, END], id="from the hour that comes twice"),
        pytest.param(END - 30 * HOUR, [END - n * HOUR for n in range(29, -1, -1)], id="hour by hour"),
        pytest.param(END - HOUR, [END - HOUR + timedelta(seconds=97 * n) for n in range(37)] + [END], id="every 97 seconds"),
        pytest.param(None, [END - n * 24 * HOUR for n in range(21, -1, -1)], id="day by day, without history"),
        pytest.param(None, [END], id="in one leap, without history"),
        pytest.param(END, [END], id="standing still"),
    ],
)
def test_history_and_ticks_leave_the_rows_that_history_alone_leaves(
    history: datetime | None, ticks: list[datetime], at_once: Contents, tmp_path: Path
) -> None:
    engine = sqlite_engine(tmp_path)
    dialer = new_dialer(engine, PROFILE)
    if history is not None:
        dialer.load_history(history)
    for number, tick in enumerate(ticks):
        if number % 3 == 1:  # another process takes over
            dialer = SimulatedDialer(engine, PROFILE)
        dialer.advance(tick)
    assert dialer.clock() == END
    for table, rows in contents(engine).items():
        assert rows == at_once[table], table
    engine.dispose()


def test_the_same_seed_gives_the_same_rows_and_another_seed_gives_others(at_once: Contents, tmp_path: Path) -> None:
    again, other = sqlite_engine(tmp_path, "again"), sqlite_engine(tmp_path, "other")
    new_dialer(again, PROFILE).load_history(END)
    new_dialer(other, replace(PROFILE, seed=2)).load_history(END)
    assert contents(again) == at_once
    assert not set(contents(other)["vicidial_log"]) & set(at_once["vicidial_log"])
    again.dispose()
    other.dispose()


def test_a_repeated_tick_after_a_crash_changes_nothing(at_once: Contents, tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path)
    dialer = new_dialer(engine, PROFILE)
    dialer.load_history(END - HOUR)
    dialer.advance(END)
    with engine.begin() as connection:
        back = int((END - HOUR).timestamp())
        connection.exec_driver_sql("UPDATE simulation_clock SET epoch = ?", (back,))
    dialer.advance(END)
    found = contents(engine)
    assert found["vicidial_log"] == at_once["vicidial_log"]
    assert found["vicidial_closer_log"] == at_once["vicidial_closer_log"]
    engine.dispose()


def test_the_dialer_refuses_to_go_back_to_be_filled_twice_and_to_run_before_it_exists(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path)
    dialer = new_dialer(engine, PROFILE)
    dialer.load_history(END)
    with pytest.raises(ConfigurationError, match="already at 2025-11-10 17:03:12"):
        dialer.advance(END - HOUR)
    with pytest.raises(ConfigurationError, match="just created"):
        dialer.load_history(END)
    with pytest.raises(ConfigurationError, match="never created"):
        SimulatedDialer(engine, replace(PROFILE, instance="elsewhere")).clock()
    engine.dispose()


def test_without_archive_tables_old_calls_stay_where_they_are(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path)
    skipped = ("vicidial_log_archive", "vicidial_closer_log_archive", "vicidial_list_archive", "vicidial_dial_cid_log")
    dialer = new_dialer(engine, PROFILE, skip=skipped)
    dialer.load_history(END - 40 * HOUR)
    dialer.advance(END)
    assert not set(skipped) & set(sa.inspect(engine).get_table_names())
    oldest = values(engine, "SELECT min(call_date) FROM vicidial_log WHERE call_date > '0001-01-01'")
    assert oldest[0].startswith("2025-10-20")
    engine.dispose()


@pytest.mark.mariadb
@pytest.mark.parametrize("mysql_engine", ["MyISAM", "InnoDB"])
def test_mariadb_and_sqlite_hold_identical_rows(mariadb_url: str, mysql_engine: str, at_once: Contents) -> None:
    engine = sa.create_engine(mariadb_url)
    dialer = new_dialer(engine, PROFILE, mysql_engine=mysql_engine)
    dialer.load_history(END - 40 * HOUR)
    for tick in (END - 30 * HOUR, END - HOUR, END):
        dialer.advance(tick)
    for table, rows in contents(engine).items():
        assert rows == at_once[table], table
    assert values(engine, "SELECT DISTINCT engine FROM information_schema.tables WHERE table_name = 'vicidial_log'")
    engine.dispose()


@pytest.mark.mariadb
def test_the_callers_sessions_keep_their_own_settings(mariadb_url: str) -> None:
    engine = sa.create_engine(mariadb_url)
    before = values(engine, "SELECT CONCAT(@@sql_mode, @@time_zone)")
    new_dialer(engine, small(leads=5)).advance(utc("2025-10-20 16:00:00"))
    assert values(engine, "SELECT CONCAT(@@sql_mode, @@time_zone)") == before
    engine.dispose()


@pytest.mark.mariadb
@pytest.mark.parametrize(("code", "goes_on"), [(4166, True), (1213, False)])
def test_a_server_without_local_infile_is_filled_by_inserts(
    mariadb_url: str, code: int, goes_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise sa.exc.OperationalError("LOAD DATA", None, OperationalError(code, "no"))

    monkeypatch.setattr(Writer, "_load", refuse)
    engine = sa.create_engine(mariadb_url)
    if goes_on:
        new_dialer(engine, small(leads=50))
        assert values(engine, "SELECT count(*) FROM vicidial_list") == [50]
    else:
        with pytest.raises(sa.exc.OperationalError):
            new_dialer(engine, small(leads=50))
    engine.dispose()
