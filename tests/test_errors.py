"""No text leaves the process with a password in it."""

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vici_brain.errors import BusyError, ConfigurationError, RetriableError, ViciBrainError, scrub

PASSWORDS = ("hunter2", "hun@ter2", "hun:ter2", "hun/ter2", "h?u#n%t&e=r2", "p@s:s/w@rd", "'quoted'", 'dou"ble')
LEAKS = {
    "key=value": "login with password=hunter2 failed",
    "a keyword of a connect string": "host=h user=u password='hunter2 and more' dbname=d",
    "JSON": '{"user": "u", "password": "hunter2"}',
    "a Python dictionary": "{'passwd': 'hunter2', 'port': 1}",
    "a query string": "GET /x?user=u&pass=hunter2&function=version",
    "an environment variable": "VICI_DB_PASSWORD=hunter2 is set",
    "a prefixed key": "db_password: hunter2",
    "a token": "api_key=hunter2, access_token=hunter2",
    "upper case": "PWD=hunter2",
    "the dialer's login echo": "ERROR: Login incorrect, please try again: |6666|hunter2|BAD|",
    "the dialer's login echo of a password with a bar": "ERROR: Login incorrect, please try again: |6666|hun|ter2|BAD|",
}


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("text", ["{} failed", "cannot open '{}'", "{}", "a: {}\nb", "(Background: {})"])
def test_a_url_loses_its_password_and_keeps_its_host(password: str, text: str) -> None:
    said = scrub(text.format(f"mysql+pymysql://cron:{password}@dialer.example.com:3306/asterisk"))
    assert password not in said
    assert "ter2" not in said
    assert "cron:***@dialer.example.com:3306/asterisk" in said


@pytest.mark.parametrize("text", LEAKS.values(), ids=list(LEAKS))
def test_a_password_is_scrubbed_from(text: str) -> None:
    said = scrub(text)
    assert "hunter2" not in said
    assert "ter2" not in said
    assert "***" in said


@settings(derandomize=True, deadline=None)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=20))
def test_a_percent_encoded_password_never_survives(password: str) -> None:
    encoded = quote(password, safe="")
    said = scrub(f"cannot connect: mysql://u:{encoded}@host/db?charset=utf8mb4 refused")
    assert said == "cannot connect: mysql://u:***@host/db?charset=utf8mb4 refused"


def test_a_secret_that_is_known_is_scrubbed_wherever_it_stands() -> None:
    assert scrub("the server said: s3cr3t!", "s3cr3t!", "") == "the server said: ***"


@pytest.mark.parametrize(
    "text",
    [
        "vici: the dialer's database at db.example.com:3306 cannot be reached",
        "see https://docs.example.com:8443/grants or ask support",
        "compass: north, passage: 3",
        "Unknown column 'term_reason' in 'SELECT'",
    ],
)
def test_a_text_without_a_secret_is_left_as_it_is(text: str) -> None:
    assert scrub(text) == text


@pytest.mark.parametrize("kind", [ViciBrainError, ConfigurationError, RetriableError, BusyError])
def test_every_error_of_ours_is_scrubbed_when_it_is_made(kind: type[ViciBrainError]) -> None:
    assert "hunter2" not in str(kind("postgresql://u:hunter2@h/d is down"))
