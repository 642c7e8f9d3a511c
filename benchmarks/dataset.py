"""The data that every benchmark reads: a simulated dialer on MariaDB with all its calls live, and the leads that Brain knows.

Belongs here: making both once and finding them again. Does not: timing anything.

All calls are in the live tables, because a plain pipe knows no archive: both sides then move the same rows.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, create_engine, make_url, text

from vici_brain.brain.database import migrate, open_brain
from vici_brain.brain.leads import LeadStore
from vici_brain.domain.windows import Window
from vici_brain.simulation.dialer import SimulatedDialer
from vici_brain.simulation.profile import DialerProfile

ZONE, DAYS, SEED = "America/New_York", 90, 1
UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
WINDOW = Window(UNTIL - timedelta(days=DAYS + 1), UNTIL)
_FLAT = ("vicidial_log", "vicidial_closer_log", "vicidial_log_extended")
# A dialer does not number its rows of caller IDs, so what the archive repeats is told by code and time.
_FLAT_CALLER_IDS = """
    INSERT INTO vicidial_dial_cid_log
    SELECT archived.* FROM vicidial_dial_cid_log_archive AS archived
    LEFT JOIN vicidial_dial_cid_log AS live ON live.caller_code = archived.caller_code AND live.call_date = archived.call_date
    WHERE live.caller_code IS NULL
"""


@dataclass(frozen=True, slots=True)
class Dataset:
    """The dialer's database, the PostgreSQL server, and the database there that new Brains are copied from."""

    vici_url: str
    brain_server: str
    template: str
    calls: int

    def new_brain(self, name: str = "brain_bench") -> str:
        """An empty Brain that knows the leads; its URL."""
        with _admin(self.brain_server).connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {self.template}"))
        return str(make_url(self.brain_server).set(database=name).render_as_string(hide_password=False))

    def brain_url(self, name: str = "brain_bench") -> str:
        return str(make_url(self.brain_server).set(database=name).render_as_string(hide_password=False))


def dataset(mariadb: str, postgres: str, calls: int) -> Dataset:
    """About ``calls`` calls over 90 days, made if these servers do not have them yet; a minute and a half for a million."""
    name = f"vici_bench_{calls}"
    url = make_url(mariadb).set(database=name).render_as_string(hide_password=False)
    template = f"brain_bench_leads_{calls}"
    server = _admin(mariadb)
    with server.connect() as connection:
        known = connection.scalar(text("SELECT count(*) FROM information_schema.schemata WHERE schema_name = :n"), {"n": name})
    with _admin(postgres).connect() as connection:
        known = known and connection.scalar(text("SELECT count(*) FROM pg_database WHERE datname = :n"), {"n": template})
    if not known:
        _make(server, url, postgres, template, calls)
    brain = open_brain(make_url(postgres).set(database=template))
    migrate(brain)
    brain.dispose()
    engine = create_engine(url)
    with engine.connect() as connection:
        found = connection.scalar(text("SELECT (SELECT count(*) FROM vicidial_log) + (SELECT count(*) FROM vicidial_closer_log)"))
    engine.dispose()
    return Dataset(url, postgres, template, int(found or 0))


def _make(server: Engine, url: str, postgres: str, template: str, calls: int) -> None:
    name = make_url(url).database
    print(f"making a dialer with about {calls:,} calls, once")
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(text(f"CREATE DATABASE {name} CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci"))
    engine = create_engine(url)
    # Shifts, weekends and archived days leave about 0.75 calls for each that the profile names and day.
    profile = DialerProfile(
        first_day=(UNTIL - timedelta(days=DAYS)).date(),
        seed=SEED,
        time_zone=ZONE,
        calls_per_day=round(calls / DAYS / 0.747),
        leads=max(1_000, calls // 7),
    )
    site = SimulatedDialer(engine, profile)
    site.create()
    site.load_history(UNTIL)
    with engine.begin() as connection:
        for table in _FLAT:
            connection.execute(text(f"INSERT IGNORE INTO {table} SELECT * FROM {table}_archive"))
            connection.execute(text(f"TRUNCATE {table}_archive"))
        connection.execute(text(_FLAT_CALLER_IDS))
        connection.execute(text("TRUNCATE vicidial_dial_cid_log_archive"))
    with _admin(postgres).connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {template} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {template}"))
    brain = open_brain(make_url(postgres).set(database=template))
    migrate(brain)
    LeadStore(brain).insert(site.brain_leads(None, UNTIL), source="simulation")
    brain.dispose()
    engine.dispose()


def _admin(url: str) -> Engine:
    return create_engine(url, isolation_level="AUTOCOMMIT")
