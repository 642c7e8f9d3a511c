"""A dialer that is read from its replica: what that has not received yet is neither read nor proven, however much of it there is.

On two MariaDB servers of its own, one copying the other, both as strict as a server can be made.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from builders import ask, one
from dialer_site import Site, site
from private_servers import private_mariadb
from sqlalchemy import Engine, create_engine, text

from vici_brain.errors import ConfigurationError, RetriableError
from vici_brain.flows.sync_calls import sync_incremental
from vici_brain.vici.connect import ReadPolicy
from vici_brain.vici.replication import follow

pytestmark = pytest.mark.mariadb
STRICT = "--sql-mode=TRADITIONAL,ANSI_QUOTES,NO_BACKSLASH_ESCAPES"
LAG = 4.0


class Pair:
    """A dialer's server and its replica."""

    def __init__(self, dialer_url: str, replica_url: str) -> None:
        self.dialer_url, self.replica_url = dialer_url + "asterisk", replica_url + "asterisk"
        self.dialer, self.replica = (create_engine(url, isolation_level="AUTOCOMMIT") for url in (dialer_url, replica_url))
        port = self.dialer.url.port
        user = "CREATE USER copier@localhost IDENTIFIED BY 'copy'"
        self.on(self.dialer, user, "GRANT REPLICATION SLAVE ON *.* TO copier@localhost")
        self.on(self.dialer, "CREATE DATABASE asterisk CHARACTER SET utf8mb3")
        self.on(self.dialer, "CREATE TABLE asterisk.elsewhere (n int)", "INSERT INTO asterisk.elsewhere VALUES (1)")
        follow = f"MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='copier', MASTER_PASSWORD='copy'"
        self.on(self.replica, f"CHANGE MASTER TO {follow}", "START SLAVE", "SET GLOBAL read_only = 1")

    def on(self, server: Engine, *statements: str) -> None:
        with server.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def seconds_behind(self) -> int | None:
        with self.replica.connect() as connection:
            row = connection.execute(text("SHOW ALL SLAVES STATUS")).mappings().one()
        return None if row["Seconds_Behind_Master"] is None else int(row["Seconds_Behind_Master"])

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Nothing that is written at the dialer arrives meanwhile: a report holds a lock that the first event waits for."""
        with self.replica.connect() as report:
            report.execute(text("LOCK TABLES asterisk.elsewhere READ"))
            self.on(self.dialer, "UPDATE asterisk.elsewhere SET n = n + 1")
            try:
                yield
            finally:
                report.execute(text("UNLOCK TABLES"))

    def has_caught_up(self) -> bool:
        return self.seconds_behind() == 0 and self.count(self.replica) == self.count(self.dialer)

    @staticmethod
    def count(server: Engine) -> int:
        return int(one(server, "SELECT count(*) FROM asterisk.vicidial_log"))


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline, "it did not happen within 20 seconds"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    if shutil.which("mariadbd") is None or shutil.which("mariadb-install-db") is None:
        pytest.skip("MARIADB IS MISSING: install mariadb-server; a test needs two servers of its own")
    with (
        contextmanager(private_mariadb)(tmp_path_factory.mktemp("dialer"), STRICT, "--server-id=1", "--log-bin=log") as first,
        contextmanager(private_mariadb)(tmp_path_factory.mktemp("replica"), STRICT, "--server-id=2") as second,
    ):
        opened = Pair(first, second)
        yield opened
        opened.dialer.dispose()
        opened.replica.dispose()


@pytest.fixture
def dialer(pair: Pair, brain: Engine) -> Iterator[Site]:
    """Written at the dialer, read from its replica."""
    with site(pair.dialer_url, brain) as opened:
        opened.run("TRUNCATE vicidial_log")
        opened.url = pair.replica_url
        opened.restart()
        wait_until(pair.has_caught_up)
        yield opened


def read_until_five_past(dialer: Site) -> None:
    """One second after the first five minutes have ended."""
    dialer.skip_until(5 + 1 / 60)
    sync_incremental(dialer.sync, "cli")


def test_what_a_replica_has_not_received_is_not_proven_empty_and_comes_with_the_next_read(dialer: Site, pair: Pair) -> None:
    with pair.held_up():
        dialer.call(4.5)
        wait_until(lambda: (pair.seconds_behind() or 0) >= LAG)
        read_until_five_past(dialer)
        assert ask(dialer.brain, "SELECT 1 FROM call_log_proofs WHERE bucket_start >= :start", start=dialer.start) == []
        notices = one(dialer.brain, "SELECT details ->> 'notices' FROM sync_logs ORDER BY id DESC LIMIT 1")
        assert "s behind its dialer: it was read up to 2025-06-10 16:04:5" in notices
    wait_until(pair.has_caught_up)
    sync_incremental(dialer.sync, "cli")
    assert one(dialer.brain, "SELECT count(*) FROM vici_call_logs") == 1
    states = ask(dialer.brain, "SELECT DISTINCT state FROM call_log_proofs WHERE bucket_start >= :start", start=dialer.start)
    assert states == [("proven",)]
    dialer.settle()
    dialer.assert_lossless()


def test_a_replica_that_stands_still_is_not_read_at_all_and_says_why_without_quoting_a_call(dialer: Site, pair: Pair) -> None:
    read_until_five_past(dialer)
    pair.on(
        pair.replica,
        "SET GLOBAL read_only = 0",
        "INSERT INTO asterisk.vicidial_log (uniqueid, lead_id) VALUES ('1749571320.1', 1)",
    )
    dialer.call(6, "1749571320.1", phone_number="2125550199")
    wait_until(lambda: pair.seconds_behind() is None)
    with pytest.raises(RetriableError) as refused:
        dialer.run_until(11)
    assert str(refused.value).startswith(
        "vici: the replica does not follow its dialer (its channel: IO thread Yes, SQL thread No (error 1062)): START SLAVE"
    )
    assert "2125550199" not in str(refused.value)
    pair.on(pair.replica, "SET GLOBAL sql_slave_skip_counter = 1", "START SLAVE", "TRUNCATE asterisk.vicidial_log")
    pair.on(pair.dialer, "TRUNCATE asterisk.vicidial_log")
    wait_until(pair.has_caught_up)
    dialer.call(7)
    wait_until(pair.has_caught_up)
    dialer.run_until(16)
    dialer.settle()
    dialer.assert_lossless()


def test_a_login_that_may_not_see_how_far_a_replica_is_behind_is_told_about_the_right(dialer: Site, pair: Pair) -> None:
    pair.on(pair.replica, "CREATE USER reader@'%'", "CREATE USER reader@localhost", "SET GLOBAL read_only = 1")
    for host in ("'%'", "localhost"):
        pair.on(pair.replica, f"GRANT SELECT ON asterisk.* TO reader@{host}")
    dialer.url = pair.replica_url.replace("root@", "reader@")
    dialer.restart()
    with dialer.dialer.session(dialer.clock) as session:
        assert any("GRANT SLAVE MONITOR" in warning for warning in session.clock.warnings)
    pair.on(pair.replica, "SET GLOBAL read_only = 0")
    with dialer.dialer.session(dialer.clock) as session:
        assert session.clock.warnings == ()


def test_of_several_channels_the_configured_one_counts_and_must_exist(dialer: Site) -> None:
    dialer.policy = ReadPolicy(replication_channel="west")
    dialer.restart()
    with pytest.raises(ConfigurationError, match=r"^vici: its server has no replication channel 'west'; it has: ''$"):
        dialer.run_until(6)


def test_a_strict_server_is_read_like_a_lenient_one(dialer: Site, pair: Pair) -> None:
    assert "NO_ZERO_IN_DATE" in one(pair.replica, "SELECT @@GLOBAL.sql_mode")
    assert one(dialer.dialer.engine, "SELECT @@SESSION.sql_mode") == "NO_ENGINE_SUBSTITUTION"
    dialer.call(2, call_date="2025-06-00 12:02:00", comments="it's \\ here")
    wait_until(pair.has_caught_up)
    dialer.run_until(6)
    dialer.settle()
    assert ask(dialer.brain, "SELECT call_date, comments FROM vici_call_logs") == [(None, "it's \\ here")]


def test_the_words_of_mysql_are_understood_too(pair: Pair) -> None:
    with pair.replica.connect() as connection:
        connection.dialect.is_mariadb = False  # type: ignore[attr-defined]
        assert follow(connection, None).is_copy
