"""A dialer that cannot be read says why in one line: which dialer, what to do, never the password."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pymysql
import pytest
from builders import NOON, Exchange, exchange, minutes
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from vici_brain.domain.call_lines import fields
from vici_brain.domain.windows import Window
from vici_brain.errors import ConfigurationError, RetriableError, ViciBrainError
from vici_brain.vici import schema
from vici_brain.vici.call_tables import CALL_TABLES, required_columns
from vici_brain.vici.connect import explain
from vici_brain.vici.dialer import Dialer, LinePage

pytestmark = pytest.mark.mariadb
PASSWORD = "hun@ter:2/x"
HOUR = Window(NOON, NOON + minutes(60))


@pytest.fixture
def site(mariadb_url: str) -> Iterator[Exchange]:
    with exchange(mariadb_url) as opened:
        yield opened


@pytest.fixture
def login(site: Exchange) -> Iterator[str]:
    """A user of the dialer's server with a password and no rights at all."""
    name = f"sync_{uuid4().hex[:8]}"
    server = create_engine(site.url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}'".replace(":", "\\:")))
        connection.execute(text(f"CREATE USER {name}@localhost IDENTIFIED BY '{PASSWORD}'".replace(":", "\\:")))
    try:
        yield name
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP USER {name}@'%', {name}@localhost"))
        server.dispose()


def grant(site: Exchange, login: str, rights: str) -> None:
    for host in ("'%'", "localhost"):
        site.run(f"GRANT {rights} TO {login}@{host}")


def as_login(site: Exchange, login: str, password: str = PASSWORD) -> Dialer:
    """The dialer as that user sees it, in the zone that its machine lives in today."""
    offset = site.dialer().engine.url.query["init_command"]
    url = make_url(site.url).set(username=login, password=password).update_query_dict({"init_command": offset})
    return Dialer("east", url.render_as_string(hide_password=False), site.zone)


def refusal(dialer: Dialer, our_utc: datetime | None = None) -> ViciBrainError:
    """What connecting and reading one window raises."""
    with pytest.raises(ViciBrainError) as raised, dialer.session(lambda: our_utc or datetime.now(UTC)) as session:  # noqa: PT012
        for table in CALL_TABLES:
            list(session.pages(table, HOUR))
    dialer.engine.dispose()
    said = str(raised.value)
    assert said.startswith("east: ")
    assert "\n" not in said
    for part in (PASSWORD, "ter:2", "hun%40ter"):
        assert part not in said + repr(raised.value.__cause__)
    return raised.value


def test_a_wrong_password_names_the_user_and_the_remedy(site: Exchange, login: str) -> None:
    error = refusal(as_login(site, login, password="hun@ter:2/xy"))
    assert isinstance(error, ConfigurationError)
    assert re.search(rf"refused user '{login}' \(1045 .*check the user, the password", str(error))


def test_a_password_that_a_server_or_driver_repeats_is_scrubbed(site: Exchange, login: str) -> None:
    engine = as_login(site, login).engine
    said = OperationalError("SELECT 1", {}, pymysql.err.OperationalError(1045, f"no entry for {PASSWORD}"))
    assert PASSWORD not in str(explain("east", engine, said))
    engine.dispose()


def test_an_unknown_database_is_named(site: Exchange) -> None:
    error = refusal(
        Dialer("east", make_url(site.url).set(database="no_such_db").render_as_string(hide_password=False), site.zone)
    )
    assert isinstance(error, ConfigurationError)
    assert "has no database 'no_such_db': correct the name in its URL" in str(error)


def test_a_database_that_a_user_may_not_enter_is_a_matter_of_rights(site: Exchange, login: str) -> None:
    error = refusal(as_login(site, login))
    assert isinstance(error, ConfigurationError)
    assert "1044" in str(error)


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 1), ("no-such-host.invalid", 3306)], ids=["closed port", "unknown host"]
)
def test_a_host_that_does_not_answer_may_do_so_later(host: str, port: int) -> None:
    error = refusal(Dialer("east", f"mysql+pymysql://sync:hun%40ter%3A2%2Fx@{host}:{port}/asterisk", "UTC"))
    assert isinstance(error, RetriableError)
    assert f"{host}:{port} cannot be reached" in str(error)
    assert "check host, port, firewall" in str(error)


@pytest.mark.parametrize("table", ["vicidial_log", "vicidial_closer_log", "vicidial_list"])
def test_a_table_that_is_missing_is_named(site: Exchange, table: str) -> None:
    site.run(f"DROP TABLE {table}")
    error = refusal(site.dialer("east"))
    assert isinstance(error, ConfigurationError)
    assert f"the dialer's table {table} is missing or may not be read: GRANT SELECT on it" in str(error)


@pytest.mark.parametrize(
    ("table", "column"),
    [("vicidial_log", "called_count"), ("vicidial_closer_log", "queue_seconds"), ("vicidial_list", "vendor_lead_code")],
)
def test_a_column_that_is_missing_is_named(site: Exchange, table: str, column: str) -> None:
    site.run(f"ALTER TABLE {table} DROP COLUMN {column}")
    error = refusal(site.dialer("east"))
    assert isinstance(error, ConfigurationError)
    assert f"the dialer's table {table} lacks {column}" in str(error)


def test_an_archive_of_another_shape_is_named_too(site: Exchange) -> None:
    site.run("ALTER TABLE vicidial_log_archive DROP COLUMN term_reason")
    error = refusal(site.dialer("east"))
    assert isinstance(error, ConfigurationError)
    assert "term_reason" in str(error)


def test_a_user_with_select_on_exactly_the_needed_tables_reads_everything(site: Exchange, login: str) -> None:
    for table in ("vicidial_log", "vicidial_closer_log"):
        grant(site, login, f"SELECT ON {table}")
    grant(site, login, "SELECT (lead_id, vendor_lead_code) ON vicidial_list")
    site.put("vicidial_list", {"lead_id": 1, "vendor_lead_code": "1755041041000", "phone_number": "2125550101"})
    site.outbound(NOON)
    dialer = as_login(site, login)
    with dialer.session(lambda: datetime.now(UTC)) as session:
        assert session.present == {"vicidial_log", "vicidial_closer_log", "vicidial_list"}
        (page,) = session.pages(CALL_TABLES[0], HOUR)
        assert isinstance(page, LinePage)
        assert fields(page.text)[-3] == b"1755041041000"
        assert session.statuses() == []
    dialer.engine.dispose()


def test_a_right_that_is_missing_is_named(site: Exchange, login: str) -> None:
    grant(site, login, "SELECT ON vicidial_log")
    grant(site, login, "SELECT ON vicidial_closer_log")
    error = refusal(as_login(site, login))
    assert isinstance(error, ConfigurationError)
    assert "vicidial_list is missing or may not be read: GRANT SELECT on it" in str(error)


def test_a_right_to_some_columns_only_is_told_from_a_right_to_the_table(site: Exchange, login: str) -> None:
    columns = ", ".join(f"`{name}`" for name in schema.vicidial_log.c.keys() if name != "comments")  # noqa: SIM118 - not a dict
    grant(site, login, f"SELECT ({columns}) ON vicidial_log")
    grant(site, login, "SELECT ON vicidial_closer_log")
    grant(site, login, "SELECT ON vicidial_list")
    assert "vicidial_log lacks comments" in str(refusal(as_login(site, login)))


def test_every_required_column_is_one_that_the_reader_selects() -> None:
    for table in CALL_TABLES:
        assert {table.key, "call_date", "start_epoch", "status", "term_reason"} <= required_columns()[table.name]


def test_a_dialer_of_another_zone_is_refused_by_what_its_calls_say(site: Exchange) -> None:
    now = datetime.now(UTC)
    site.outbound(now - minutes(5), call_date=(now - minutes(5)).strftime("%Y-%m-%d %H:%M:%S"))
    error = refusal(site.dialer("east"))
    assert isinstance(error, ConfigurationError)
    assert "its calls are written +0:00:00 h from UTC, but the configured time zone America/New_York is" in str(error)


def test_one_dirty_call_does_not_refuse_a_dialer(site: Exchange) -> None:
    now = datetime.now(UTC)
    for number in range(5):
        site.outbound(now - minutes(5 + number), f"fine.{number}")
    site.outbound(now - minutes(1), "dirty", start_epoch=int(now.timestamp()) - 3 * 3600)
    dialer = site.dialer("east")
    with dialer.session(lambda: datetime.now(UTC)) as session:
        assert session.clock.problems == ()
    dialer.engine.dispose()


def test_a_database_of_another_zone_is_refused_where_there_are_no_calls(site: Exchange) -> None:
    url = make_url(site.url).update_query_dict({"init_command": "SET time_zone = '+03:00'"})
    error = refusal(Dialer("east", url.render_as_string(hide_password=False), site.zone))
    assert "its database lives +3:00:00 h from UTC" in str(error)


@pytest.mark.parametrize(("seconds", "refused"), [(0, False), (29, False), (-29, False), (31, True), (-31, True), (3600, True)])
def test_a_clock_more_than_30_s_beside_ours_is_refused(site: Exchange, seconds: int, refused: bool) -> None:
    dialer = site.dialer("east", now=NOON + timedelta(seconds=seconds))
    if refused:
        error = refusal(dialer, NOON)
        assert isinstance(error, ConfigurationError)
        assert "away from ours; at most 30 s are allowed: let both hosts follow the same time service" in str(error)
        return
    with dialer.session(lambda: NOON) as session:
        assert session.clock.skew == timedelta(seconds=seconds)
        assert session.utc_now() == NOON + timedelta(seconds=seconds)
    dialer.engine.dispose()


def test_a_url_of_another_database_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(ConfigurationError, match="east: a dialer is MySQL or MariaDB, but its URL names postgresql"):
        Dialer("east", f"postgresql://u:{PASSWORD}@localhost/d".replace("@ter:2/x", "2"), "UTC")
