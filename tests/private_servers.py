"""Database servers that live as long as a test or a session: where a machine has none, or a shared one must not suffer it.

As a program, ``private_servers.py COMMAND ...`` runs a command (the tests) on a MariaDB and a PostgreSQL of its own, which keep
their files in memory and wait for no disk: making and dropping databases is most of what tests ask of a server. Temporary files
are in memory, too: the tests' dialers in SQLite and Dagster's own databases commit as often.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError

# What they hold need not survive a power cut, wherever it is.
HURRIED_MARIADB = ("--sync-frm=0", "--innodb-flush-log-at-trx-commit=0")
HURRIED_POSTGRES = ("-cfsync=off", "-csynchronous_commit=off", "-cfull_page_writes=off", "-cmax_wal_size=256MB")


def answers(url: str) -> bool:
    engine = create_engine(url, connect_args={"connect_timeout": 3})
    try:
        with engine.connect():
            return True
    except DBAPIError:
        return False
    finally:
        engine.dispose()


@contextmanager
def running(command: list[str], url: str, *, user: str | None = None) -> Iterator[str]:
    """``url``, as long as the server that ``command`` starts answers there."""
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user)
    try:
        deadline = time.monotonic() + 60
        while not answers(url):
            assert server.poll() is None, f"the private {Path(command[0]).name} ended at once"
            assert time.monotonic() < deadline, f"the private {Path(command[0]).name} did not answer within a minute"
            time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def private_mariadb(folder: Path, *options: str) -> Iterator[str]:
    """The URL of a server of one's own, for as long as the iteration lasts."""
    port = free_port()
    user = ["--user=root"] if os.geteuid() == 0 else []
    data = folder / "data"
    # Without the anonymous users that come with the test database: they would be asked instead of a user of any host.
    made = ["--no-defaults", *user, f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(["mariadb-install-db", *made], check=True, capture_output=True)
    command = ["mariadbd", "--no-defaults", *user, f"--datadir={data}", f"--socket={folder}/s", f"--port={port}", *options]
    with running(command, f"mysql+pymysql://root@127.0.0.1:{port}/") as url:
        yield url


def postgres_programs() -> Path | None:
    """Where this machine has initdb and postgres, the newest of them: few systems have them on the path."""
    named = shutil.which("initdb")
    found = [Path(named).resolve()] if named else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    return found[-1].parent if found else None


def _version(program: Path) -> float:
    return float(program.parts[-3])


def private_postgres(programs: Path, folder: Path) -> Iterator[str]:
    """The same of PostgreSQL, which refuses to be root's."""
    user = "nobody" if os.geteuid() == 0 else None
    data, port = folder / "data", free_port()
    data.mkdir()
    if user:
        shutil.chown(data, user)
    made = [
        f"{programs}/initdb",
        "--no-sync",
        "--auth=trust",
        "--username=postgres",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        f"--pgdata={data}",
    ]
    subprocess.run(made, check=True, capture_output=True, user=user)
    options = ["-D", str(data), "-p", str(port), "-k", "", "-clisten_addresses=127.0.0.1", *HURRIED_POSTGRES]
    with running(
        [f"{programs}/postgres", *options], f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres", user=user
    ) as url:
        yield url


def roomy_folder() -> str | None:
    """In memory, where there are gigabytes to spare; else wherever temporary files are."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 2 << 30 else None


def main(command: list[str]) -> int:
    environment: Mapping[str, str] = os.environ  # noqa: TID251 - tests choose their servers themselves
    # Told to stop, it stops its servers, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="servers-", dir=roomy_folder())))
        place.chmod(0o755)
        for name in ("mariadb", "postgres", "tmp"):
            (place / name).mkdir()
        environment = {**environment, "TMPDIR": str(place / "tmp")}
        if shutil.which("mariadbd") and shutil.which("mariadb-install-db"):
            dialer = stack.enter_context(contextmanager(private_mariadb)(place / "mariadb", *HURRIED_MARIADB))
            environment = {**environment, "VICI_TEST_MARIADB_URL": dialer}
        programs = postgres_programs()
        if programs:
            brain = stack.enter_context(contextmanager(private_postgres)(programs, place / "postgres"))
            environment = {**environment, "BRAIN_TEST_DATABASE_URL": brain}
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
