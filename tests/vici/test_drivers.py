"""A dialer is read alike through every driver that its URL may name: PyMySQL, and mysqlclient where that is installed."""

from datetime import UTC, datetime
from importlib.util import find_spec

import pytest
from builders import NOON, Exchange, exchange, minutes
from sqlalchemy import make_url
from test_line_pages import ODD_TEXTS, odd_calls
from test_pages import rows_of

from vici_brain.domain.windows import Window
from vici_brain.errors import ConfigurationError
from vici_brain.vici.call_tables import CALL_TABLES
from vici_brain.vici.connect import ReadPolicy
from vici_brain.vici.dialer import Dialer

pytestmark = pytest.mark.mariadb
DRIVERS = ["pymysql", *(["mysqldb"] if find_spec("MySQLdb") else [])]


@pytest.mark.parametrize("driver", DRIVERS)
def test_odd_calls_are_read_whole(mariadb_url: str, driver: str) -> None:
    with exchange(mariadb_url) as site:
        odd_calls(site)
        dialer = driven(site, driver)
        with dialer.session(lambda: datetime.now(UTC)) as session:
            pages = list(session.pages(CALL_TABLES[0], Window(NOON, NOON + minutes(60))))
        dialer.engine.dispose()
    comments = {str(row[0]): row[14] for page in pages for row in rows_of(page)}
    assert len(comments) == len(ODD_TEXTS) + 1
    assert [comments[f"odd.{number:02}"] for number in (0, 1, 2, 3, 6, 7)] == ["NULL", "\\N", "a\tb", "a\\b", "Zoë 日本", ""]


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_refused_login_is_said_in_one_line(mariadb_url: str, driver: str) -> None:
    url = make_url(mariadb_url).set(drivername=f"mysql+{driver}", username="nobody", password="hush-hush")
    dialer = Dialer("east", url.render_as_string(hide_password=False), "UTC", ReadPolicy())
    with (
        pytest.raises(ConfigurationError, match=r"^east: .* refused user 'nobody' \(1\d+ Access denied") as refused,
        dialer.session(now),
    ):
        pass
    assert "hush-hush" not in str(refused.value)


def now() -> datetime:
    return datetime.now(UTC)


def driven(site: Exchange, driver: str) -> Dialer:
    url = site.dialer().engine.url.set(drivername=f"mysql+{driver}")
    return Dialer("vici", url.render_as_string(hide_password=False), site.zone, ReadPolicy())
