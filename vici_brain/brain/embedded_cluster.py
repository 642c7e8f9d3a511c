"""One PostgreSQL cluster on disk: where it lives, who owns it, how it is made and started, and whether it answers.

Belongs here: its files and the server's command line. Does not: what the machine offers (``embedded_host``), who shares the
server and when it ends (``embedded``, ``embedded_keeper``). Callers hold ``starting`` while they change anything here.
"""

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg

from vici_brain.brain import embedded_keeper
from vici_brain.brain.embedded_host import ELSEWHERE, MAJOR, find_binaries, let_in, server_account, telling
from vici_brain.errors import ConfigurationError

PORT = 5432  # only names the socket; stated everywhere because PGPORT may say something else

_LOG_BYTES = 10_000_000
_SOCKET_PATH_BYTES = 103  # the shortest limit of any supported kernel (Linux has 107)
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./-]+")

# On the command line and not in postgresql.conf, so that a cluster made by an earlier release gets them too.
_SETTINGS = {
    "port": str(PORT),
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",  # Dagster keeps a few in each of its processes, and starts one process a run
    "shared_buffers": "192MB",
    "max_wal_size": "2GB",
    "wal_level": "minimal",  # nobody replicates from here; a table filled where it was created skips the log
    "max_wal_senders": "0",
    "synchronous_commit": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


class Cluster:
    """The data directory, log and lock files under ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "data"
        self.log = root / "server.log"
        self._log_start = 0

    def prepare(self) -> None:
        """Make the directory that holds everything else."""
        self.root.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0 and self.root.stat().st_uid == 0:
            os.chown(self.root, *server_account(self.root))

    def open_lock(self, name: str) -> int:
        """A fresh descriptor (a lock belongs to the opening, not to the file), closed in every program we start."""
        descriptor = os.open(self.root / name, os.O_RDWR | os.O_CREAT, 0o600)
        if os.geteuid() == 0:  # whoever owns the data may use it without us later
            os.chown(descriptor, *server_account(self.root))
        return descriptor

    def is_alive(self) -> bool:
        """Whether any process of the cluster exists, be it starting, serving or stopping; none does whose directory is gone."""
        try:
            descriptor = self.open_lock("alive")
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def answers(self) -> bool:
        """Whether it accepts work now, proved by a session: file and socket may be those of a server that just died."""
        lines = self._postmaster_file()
        if len(lines) < 8 or lines[7].strip() != "ready":
            return False
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A session in the maintenance database."""
        host = self.socket_directory()
        return psycopg.connect(host=host, port=PORT, user="postgres", dbname="postgres", autocommit=True, connect_timeout=10)

    def socket_directory(self) -> str:
        """Where the running server listens, as it says itself: another process may have chosen the place."""
        return self._postmaster_file()[4]

    def start(self) -> None:
        """Make the cluster if there is none, and launch it; it may still fail, which ``is_alive`` shows."""
        binaries = find_binaries()
        uid, gid = server_account(self.root)
        let_in(uid, gid, binaries, self.root)
        if not self.data.exists():
            self._make(binaries, uid, gid)
        self._refuse_another_major()
        directory = self._choose_socket_directory(uid, gid)
        self._forget_the_dead(directory)
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        for name in (self.log.name, "alive"):
            os.close(self.open_lock(name))
        self._log_start = self.log.stat().st_size
        settings = {**_SETTINGS, "unix_socket_directories": str(directory)}
        command = [str(binaries / "postgres"), "-D", str(self.data)]
        command += [f"--{name}={value}" for name, value in settings.items()]
        keeper = [sys.executable, "-I", "-S", embedded_keeper.__file__, str(self.root), str(uid), str(gid)]
        subprocess.run([*keeper, *command], check=True, start_new_session=True, capture_output=True, text=True)  # noqa: S603

    def interrupt(self) -> None:
        """Ask for a fast shutdown by process id, once it is certain that the id is this cluster's."""
        pid = int(self._postmaster_file()[0])
        if Path(f"/proc/{pid}/cwd").samefile(self.data):
            os.kill(pid, signal.SIGINT)

    def last_words(self) -> str:
        """What the server has logged since this process launched it, on one line."""
        return telling(self.log.read_bytes()[self._log_start :].decode(errors="replace"))

    def _postmaster_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _make(self, binaries: Path, uid: int, gid: int) -> None:
        """Build beside the final place and rename: an interrupted initdb leaves a directory that looks complete."""
        new = self.root / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        os.chown(new, uid, gid)
        # No locale of the machine is involved: a container may not have the one that LANG names.
        command = [str(binaries / "initdb"), "-D", str(new), "--username=postgres", "--auth=trust", "--encoding=UTF8"]
        command += ["--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        account = embedded_keeper.as_account(uid, gid)
        made = subprocess.run(command, check=False, cwd="/", capture_output=True, text=True, **account)  # noqa: S603
        if made.returncode:
            shutil.rmtree(new, ignore_errors=True)
            raise ConfigurationError(
                f"no PostgreSQL cluster could be made in {self.root}: {telling(made.stderr)}; repair that, {ELSEWHERE}"
            )
        new.rename(self.data)

    def _refuse_another_major(self) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != MAJOR:
            raise ConfigurationError(
                f"{self.data} was made by PostgreSQL {found} and this release brings {MAJOR}: "
                f"move it away (pg_dump with the old release keeps its content), {ELSEWHERE}"
            )

    def _choose_socket_directory(self, uid: int, gid: int) -> Path:
        """The data directory, unless its path is too long for a socket or has characters that URLs and libpq quote."""
        short = f"vici-brain-{hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]}"
        for directory in (self.data, Path(tempfile.gettempdir(), short), Path("/tmp", short)):  # noqa: S108  (checked below)
            if not _PLAIN_PATH.fullmatch(str(directory)) or len(str(directory / f".s.PGSQL.{PORT}")) > _SOCKET_PATH_BYTES:
                continue
            if directory != self.data:
                directory.mkdir(mode=0o700, exist_ok=True)
                if directory.lstat().st_uid not in {uid, os.geteuid()}:
                    raise ConfigurationError(f"{directory} belongs to somebody else: remove it, {ELSEWHERE}")
                directory.chmod(0o700)  # authentication is trust: whoever may enter is the superuser
                os.chown(directory, uid, gid)
            return directory
        raise ConfigurationError(f"no directory with a plain, short path for a socket near {self.data}: {ELSEWHERE[3:]}")

    def _forget_the_dead(self, socket_directory: Path) -> None:
        """Remove lock files of a server that did not end by itself.

        PostgreSQL refuses to start while a process with the recorded id exists, whatever that process is. ``alive`` is
        free, so it is not ours; and should someone run a server here by hand, shared memory still keeps a second one out.
        """
        for leftover in (self.data / "postmaster.pid", *socket_directory.glob(".s.PGSQL.*")):
            leftover.unlink(missing_ok=True)
