"""What PostgreSQL says becomes one line with a remedy, without the password."""

import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest
from builders import land, one, raw_row
from sqlalchemy import URL, Engine, create_engine, make_url, text

from vici_brain.brain.calls import CallStore
from vici_brain.brain.database import brain_errors, open_brain
from vici_brain.brain.ledger import Ledger
from vici_brain.domain.call_rows import clean
from vici_brain.errors import ConfigurationError, RetriableError

PASSWORD = "hun@ter:2/x"


@pytest.fixture
def login(brain: Engine) -> Iterator[URL]:
    """A role of the server with a password and no rights on Brain's tables; reached by password, not by trust."""
    name = f"reader_{uuid4().hex[:8]}"
    server = create_engine(brain.url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'".replace(":", "\\:")))
    try:
        yield brain.url.set(username=name, password=PASSWORD)
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP ROLE {name}"))
        server.dispose()


def refusal(url: URL | str) -> str:
    engine = open_brain(url)
    with pytest.raises(ConfigurationError) as raised:
        Ledger(engine).position("vici")
    engine.dispose()
    said = str(raised.value)
    assert "\n" not in said
    for part in (PASSWORD, "ter:2", "hun%40ter"):
        assert part not in said + repr(raised.value.__cause__)
    return said


def test_a_database_that_does_not_exist_is_named(brain_url: str) -> None:
    said = refusal(make_url(brain_url).set(database="no_such_brain"))
    assert 'database "no_such_brain" does not exist' in said
    assert "create it or correct BRAIN_DATABASE_URL" in said


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_wrong_login_is_told_from_a_server_that_is_away(brain_url: str, login: URL, host: str) -> None:
    url = make_url(brain_url)
    if url.host not in {"127.0.0.1", "localhost"}:
        pytest.skip("needs a server that is reached by TCP on this machine")
    wrong = login.set(password=f"{PASSWORD}x", host=host, username="nobody_of_that_name")
    said = refusal(wrong)
    assert "Brain refused the login" in said or "database or role is missing" in said
    assert "BRAIN_DATABASE_URL" in said


def test_a_database_without_our_tables_asks_for_migrate(empty_brain_url: str) -> None:
    assert "run `vici-brain migrate`" in refusal(empty_brain_url)


def test_a_right_that_is_missing_is_named(login: URL) -> None:
    said = refusal(login)
    assert "Brain refuses its user a right" in said
    assert "call_log_proofs" in said


def test_a_server_that_is_away_may_come_back() -> None:
    engine = open_brain(f"postgresql://u:{'hun%40ter'}@127.0.0.1:1/d")
    with pytest.raises(RetriableError, match=r"Brain did not answer: .*is PostgreSQL running") as raised:
        Ledger(engine).position("vici")
    assert "ter" not in str(raised.value).replace("hunter", "").split("did not answer")[0]


@pytest.mark.parametrize("moment", ["before staging", "after staging"])
def test_a_connection_that_breaks_while_a_slice_lands_is_retriable_and_nothing_landed(brain: Engine, moment: str) -> None:
    killer = open_brain(brain.url)
    with pytest.raises(RetriableError), CallStore(brain).landing("vici", "vicidial_log", "UTC") as landing:  # noqa: PT012
        if moment == "after staging":
            landing.stage(clean([raw_row(key="a")]), source_copy="live")
        number = landing._connection.scalar(text("SELECT pg_backend_pid()"))
        with killer.connect() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:number, 5000)"), {"number": number})
        if moment == "before staging":
            # COPY goes past SQLAlchemy, straight to the driver.
            landing.stage(clean([raw_row(key="a")]), source_copy="live")
        landing.merge(None)
    assert one(brain, "SELECT count(*) FROM vici_call_logs") == 0
    assert land(brain, [raw_row(key="a")]).new == 1
    killer.dispose()


def test_two_writers_that_wait_for_each_other_are_told_so(brain: Engine) -> None:
    land(brain, [raw_row(key="a"), raw_row(key="b")])
    both = threading.Barrier(2)
    outcomes: list[Exception | None] = []

    def cross(first: str, second: str) -> None:
        statement = text("UPDATE vici_call_logs SET comments = '' WHERE source_key = :key")
        try:
            with brain_errors(), brain.begin() as connection:
                connection.execute(text("SET LOCAL deadlock_timeout = '50ms'"))
                connection.execute(statement, {"key": first})
                both.wait(20)
                connection.execute(statement, {"key": second})
            outcomes.append(None)
        except RetriableError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=cross, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    (said,) = [str(outcome) for outcome in outcomes if outcome is not None]
    assert "two writers of Brain met" in said
