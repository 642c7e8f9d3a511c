"""What an operator may set, and what is said when it cannot be used: one error, a remedy, never a password."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from vici_brain.brain.database import open_brain
from vici_brain.errors import ConfigurationError
from vici_brain.settings import Settings, load_settings

DIALER = "mysql+pymysql://sync:hunter2@dialer.example.com:3306/asterisk"
Loader = Callable[..., Settings]


@pytest.fixture
def loaded(tmp_path: Path) -> Loader:
    """Settings from the text of a TOML file (``None``: no file) and the variables beside it."""

    def load(toml: str | bytes | None = None, **variables: str) -> Settings:
        if toml is not None:
            path = tmp_path / "vici.toml"
            path.write_bytes(toml if isinstance(toml, bytes) else toml.encode())
            variables["VICI_BRAIN_CONFIG"] = str(path)
        return load_settings(variables)

    return load


def test_an_empty_environment_is_one_simulated_dialer_and_the_embedded_brain(loaded: Loader) -> None:
    settings = loaded()
    (dialer,) = settings.dialers
    assert (dialer.name, dialer.simulated, dialer.time_zone) == ("vici", True, "America/New_York")
    assert settings.brain_url is None
    assert settings.dagster_url is None
    assert settings.home == Path(".vici-brain").resolve()
    today = datetime.now(UTC).date()
    assert settings.sync_start.day == 1
    assert timedelta(days=89) <= today - settings.sync_start <= timedelta(days=184)


def test_blank_variables_count_as_unset(loaded: Loader) -> None:
    assert loaded(VICI_DATABASE_URL="  ", BRAIN_DATABASE_URL="", VICI_BRAIN_CONFIG=" ").dialers == loaded().dialers


def test_every_variable_is_taken(loaded: Loader, tmp_path: Path) -> None:
    settings = loaded(
        VICI_BRAIN_HOME=str(tmp_path / "home"),
        BRAIN_DATABASE_URL="postgresql://u:hunter2@brain/db",
        DAGSTER_DATABASE_URL="postgresql://u:hunter2@dagster/db",
        VICI_DATABASE_URL=DIALER,
        VICI_TIME_ZONE="Europe/Berlin",
        VICI_SYNC_START="2026-01-31",
        ALERT_URLS="mailto://u:hunter2@example.com, slack://a/b/c\njson://host",
    )
    assert settings.home == tmp_path / "home"
    assert settings.brain_url is not None
    assert settings.brain_url.get_secret_value() == "postgresql://u:hunter2@brain/db"
    assert settings.dagster_url is not None
    assert settings.dagster_url.get_secret_value() == "postgresql://u:hunter2@dagster/db"
    assert settings.sync_start == date(2026, 1, 31)
    assert [url.get_secret_value() for url in settings.alert_urls] == [
        "mailto://u:hunter2@example.com",
        "slack://a/b/c",
        "json://host",
    ]
    dialer = settings.open_dialer("vici")
    assert (dialer.instance, dialer.zone.key, dialer.engine.url.host) == ("vici", "Europe/Berlin", "dialer.example.com")


SEVERAL = """
sync_start = 2026-02-01
slow_sync_seconds = 30
stale_after_minutes = 20
trailing_proof_minutes = 45
[[dialers]]
name = "east"
time_zone = "America/New_York"
database_url_env = "EAST_URL"
[[dialers]]
name = "west"
time_zone = "America/Los_Angeles"
database_url = "mysql+pymysql://sync@west.example.com/asterisk"
password_env = "WEST_PASSWORD"
slice_minutes = 15
page_rows = 1000
statement_seconds = 3
replication_channel = "west"
[[dialers]]
name = "demo"
time_zone = "UTC"
"""


def test_several_dialers_come_from_the_file_and_their_secrets_from_variables(loaded: Loader, tmp_path: Path) -> None:
    settings = loaded(SEVERAL, EAST_URL=DIALER, WEST_PASSWORD="p@ss:w/rd", VICI_BRAIN_HOME=str(tmp_path))
    settings.simulated_dialer_memory("demo").touch()
    assert (settings.sync_start, settings.slow_sync_seconds) == (date(2026, 2, 1), 30)
    assert (settings.stale_after, settings.trailing_proof) == (timedelta(minutes=20), timedelta(minutes=45))
    east, west, demo = (settings.open_dialer(dialer.name) for dialer in settings.dialers)
    assert east.engine.url.password == "hunter2"
    assert (west.engine.url.host, west.engine.url.password) == ("west.example.com", "p@ss:w/rd")
    assert (west.policy.slice_length, west.policy.page_rows, west.policy.statement_seconds) == (timedelta(minutes=15), 1000, 3)
    assert (east.policy.replication_channel, west.policy.replication_channel) == (None, "west")
    assert demo.engine.url.get_backend_name() == "sqlite"


def test_no_secret_shows_when_settings_are_printed(loaded: Loader) -> None:
    settings = loaded(SEVERAL, EAST_URL=DIALER, WEST_PASSWORD="hunter2", BRAIN_DATABASE_URL="postgresql://u:hunter2@b/d")
    assert "hunter2" not in repr(settings) + str(settings) + str(settings.dialers)


@pytest.mark.parametrize(
    ("instance", "variable"), [("east", "EAST_URL"), ("west", "WEST_PASSWORD")], ids=["whole address", "password"]
)
def test_a_secret_that_is_not_set_stops_only_its_own_dialer_and_names_its_variable(
    loaded: Loader, tmp_path: Path, instance: str, variable: str
) -> None:
    settings = loaded(SEVERAL, VICI_BRAIN_HOME=str(tmp_path))
    settings.simulated_dialer_memory("demo").touch()
    assert settings.open_dialer("demo").instance == "demo"
    assert not settings.dialer_settings(instance).simulated
    with pytest.raises(ConfigurationError, match=f"{instance}: the environment variable {variable}"):
        settings.open_dialer(instance)


def _table(lines: str) -> str:
    return f'[[dialers]]\nname = "east"\ntime_zone = "UTC"\n{lines}'


BAD_FILES: dict[str, tuple[str | bytes, str]] = {
    "no TOML": ("dialers = [", "vici.toml is no TOML"),
    "no text": (b'name = "\xff\xfe"', "vici.toml is no TOML"),
    "an unknown key": ("sync_begin = 2026-01-01", "vici.toml .* sync_begin"),
    "an empty list of dialers": ("dialers = []", "vici.toml .* dialers"),
    "a dialer without a zone": ('[[dialers]]\nname = "east"', r"dialers\.0\.time_zone"),
    "an unknown zone": ('[[dialers]]\nname = "east"\ntime_zone = "EST5"', "'EST5' is no IANA time zone; write it like"),
    "a name that is none": ('[[dialers]]\nname = "East!"\ntime_zone = "UTC"', "'East!' is no instance name"),
    "a name too long": (f'[[dialers]]\nname = "{"a" * 32}"\ntime_zone = "UTC"', "at most 31"),
    "two of one name": (_table("") + _table(""), "two dialers have the same name: east, east"),
    "a password in the URL": (
        _table('database_url = "mysql://u:hunter2@h/d"'),
        "east: database_url holds a password.*password_env",
    ),
    "a password in the query": (
        _table('database_url = "mysql://u@h/d?password=hunter2"'),
        "east: database_url holds a password.*password_env",
    ),
    "a password of its own": (_table('password = "hunter2"'), r"dialers\.0\.password"),
    "a URL that is none": (_table('database_url = "dialer:hunter2"'), "east: database_url cannot be read"),
    "a port that is none": (_table('database_url = "mysql://u@h:hunter2/d"'), "east: database_url cannot be read"),
    "two addresses": (_table('database_url = "mysql://u@h/d"\ndatabase_url_env = "X"'), "leave out database_url"),
    "a password for no address": (_table('password_env = "X"'), "password_env needs a database_url"),
    "slices beside the buckets": (_table("slice_minutes = 7"), r"dialers\.0\.slice_minutes"),
    "slices too long for MyISAM": (_table("slice_minutes = 120"), r"dialers\.0\.slice_minutes"),
    "pages too small": (_table("page_rows = 1"), r"dialers\.0\.page_rows"),
    "no statement time": (_table("statement_seconds = 0"), r"dialers\.0\.statement_seconds"),
    "a threshold of zero": ("slow_sync_seconds = 0", "slow_sync_seconds"),
}


@pytest.mark.parametrize(("content", "said"), BAD_FILES.values(), ids=list(BAD_FILES))
def test_a_file_is_refused_for(loaded: Loader, content: str | bytes, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        loaded(content)
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_named_with_its_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"VICI_BRAIN_CONFIG names .*gone\.toml, which cannot be read: No such file"):
        load_settings({"VICI_BRAIN_CONFIG": str(tmp_path / "gone.toml")})


BAD_VARIABLES = {
    "a dialer without its zone": ({"VICI_DATABASE_URL": DIALER}, "VICI_TIME_ZONE is not set"),
    "an unknown zone": ({"VICI_TIME_ZONE": "New York"}, "VICI_TIME_ZONE: 'New York' is no IANA time zone"),
    "a start that is no date": ({"VICI_SYNC_START": "yesterday"}, "VICI_SYNC_START is 'yesterday'; write a UTC date like"),
}


@pytest.mark.parametrize(("variables", "said"), BAD_VARIABLES.values(), ids=list(BAD_VARIABLES))
def test_the_environment_is_refused_for(variables: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        load_settings(variables)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["hunter2", "mysql://u@h:hunter2/d", "mysql://u:hun@ter2@h/d", "postgresql://u:hunter2@h/d"])
def test_an_address_of_a_dialer_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    settings = load_settings({"VICI_DATABASE_URL": url, "VICI_TIME_ZONE": "UTC"})
    with pytest.raises(ConfigurationError, match=r"^vici: ") as refused:
        settings.open_dialer("vici")
    assert "ter2" not in str(refused.value) + repr(refused.value.__cause__)


@pytest.mark.parametrize("url", ["hunter2", "postgresql://u@h:hunter2/d", "postgresql://u:hun@ter2@h/d", "mysql://u:hunter2@h/d"])
def test_an_address_of_brain_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="BRAIN_DATABASE_URL") as refused:
        open_brain(url)
    assert "ter2" not in str(refused.value) + repr(refused.value.__cause__)


def test_a_simulated_dialer_that_was_not_made_yet_says_how_to_make_one(loaded: Loader, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"vici: .*run `make demo`, or set VICI_DATABASE_URL"):
        loaded(VICI_BRAIN_HOME=str(tmp_path)).open_dialer("vici")


def test_a_simulated_dialer_may_live_on_a_server(loaded: Loader, tmp_path: Path) -> None:
    settings = loaded(VICI_SIMULATED_DATABASE_URL="mysql+pymysql://u:hunter2@h/sim_{instance}", VICI_BRAIN_HOME=str(tmp_path))
    assert settings.simulated_dialer_url("east").endswith("@h/sim_east")
    assert "hunter2" not in repr(settings)


def test_a_dialer_that_is_not_configured_is_named_with_those_that_are(loaded: Loader) -> None:
    with pytest.raises(ConfigurationError, match="there is no dialer 'north'; configured are: east, west, demo"):
        loaded(SEVERAL).open_dialer("north")
