"""What every test may ask for: an empty dialer database, a migrated Brain, and nothing that outlives the test.

MariaDB is the one at VICI_TEST_MARIADB_URL, else the machine's own on 127.0.0.1:3306, else a private ``mariadbd`` started for
the session. PostgreSQL is the one at BRAIN_TEST_DATABASE_URL, else the machine's own on 127.0.0.1:5432, else the embedded one.
"""

import os
import shutil
from collections.abc import Iterator
from uuid import uuid4

import pytest
from private_servers import answers, private_mariadb
from sqlalchemy import Engine, create_engine, make_url, text

from vici_brain.brain.database import migrate, open_brain

# readline, which pytest imports, gives a width to each child process, pytest-xdist's workers among them; the commands' tables are
# to be as wide as a test says.
for _width in ("COLUMNS", "LINES"):
    os.environ.pop(_width, None)  # noqa: TID251 - for the whole session, before anything makes a console


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where the suite decides whether a change may land, a test that could not run counts as failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or exitstatus != 0 or not os.environ.get("CI"):  # noqa: TID251 - what CI sets is no setting of the project
        return
    skipped = len(reporter.stats.get("skipped", []))
    if skipped:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line(f"FAILED: {skipped} tests were skipped, and CI needs all of them", red=True)


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a MariaDB server on which databases can be made; starts a private one where there is none."""
    given = os.environ.get("VICI_TEST_MARIADB_URL")  # noqa: TID251 - tests choose their servers themselves
    for url in filter(None, (given, "mysql+pymysql://root@127.0.0.1:3306/")):
        if answers(url):
            yield url
            return
    if shutil.which("mariadbd") is None or shutil.which("mariadb-install-db") is None:
        pytest.skip("MARIADB IS MISSING: install mariadb-server or set VICI_TEST_MARIADB_URL; the dialer's side is untested")
    yield from private_mariadb(tmp_path_factory.mktemp("mariadb"))


@pytest.fixture
def mariadb_url(mariadb_server: str) -> Iterator[str]:
    """A fresh, empty database on MariaDB; dropped afterwards."""
    name = f"vici_test_{uuid4().hex[:12]}"
    server = create_engine(mariadb_server, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci"))
    try:
        yield make_url(mariadb_server).set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}"))
        server.dispose()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a PostgreSQL server on which databases can be made; the embedded one where there is no other."""
    given = os.environ.get("BRAIN_TEST_DATABASE_URL")  # noqa: TID251 - tests choose their servers themselves
    for url in filter(None, (given, "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")):
        if answers(url):
            yield url
            return
    from vici_brain.brain.embedded import embedded_postgres  # noqa: PLC0415 - only where there is no other server

    yield embedded_postgres(tmp_path_factory.mktemp("brain")).url("postgres")


def _database(server_url: str, name: str, template: str | None = None) -> str:
    server = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else "")))
    server.dispose()
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


def _drop(server_url: str, name: str) -> None:
    server = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture(scope="session")
def brain_template(postgres_server: str) -> Iterator[str]:
    """Name of a migrated database that each test's own is copied from."""
    name = f"brain_template_{uuid4().hex[:12]}"
    engine = open_brain(_database(postgres_server, name))
    migrate(engine)
    engine.dispose()
    try:
        yield name
    finally:
        _drop(postgres_server, name)


@pytest.fixture
def empty_brain_url(postgres_server: str) -> Iterator[str]:
    """A fresh PostgreSQL database without any table."""
    name = f"brain_test_{uuid4().hex[:12]}"
    try:
        yield _database(postgres_server, name)
    finally:
        _drop(postgres_server, name)


@pytest.fixture
def brain_url(postgres_server: str, brain_template: str) -> Iterator[str]:
    """A fresh, migrated Brain."""
    name = f"brain_test_{uuid4().hex[:12]}"
    try:
        yield _database(postgres_server, name, brain_template)
    finally:
        _drop(postgres_server, name)


@pytest.fixture
def brain(brain_url: str) -> Iterator[Engine]:
    """An engine on a fresh, migrated Brain."""
    engine = open_brain(brain_url)
    try:
        yield engine
    finally:
        engine.dispose()
