"""The way into Brain: engine, migrations, advisory locks, and database errors turned into errors with a remedy.

Belongs here: what every store of Brain needs of the connection. Does not: any statement about calls or leads.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool

from vici_brain.errors import BusyError, ConfigurationError, RetriableError, scrub

REQUIRED_LEAD_COLUMNS = ("id", "external_lead_id", "phone", "created_at")
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_SPACE = 7_413_001  # sets our advisory locks apart from those of other software in the same database
_MIGRATION_LOCK = 7_413_000
_OPTIONS = "-c TimeZone=UTC -c jit=off -c work_mem=32MB"
_FORM = "its form is postgresql://USER:PASSWORD@HOST:5432/DATABASE, with @ : / in a password written %40 %3A %2F"


def normalised_url(url: str | URL) -> URL:
    """``url`` over psycopg 3, whatever PostgreSQL scheme it was given with (``postgres://`` as many hosts print it too)."""
    try:
        parsed = make_url(str(url).replace("postgres://", "postgresql://", 1) if isinstance(url, str) else url)
    except (ArgumentError, ValueError):
        # Not chained: the parser quotes what it stumbled over, which may be part of a password.
        raise ConfigurationError(f"BRAIN_DATABASE_URL is no database URL; {_FORM}") from None
    if "@" in (parsed.host or ""):
        raise ConfigurationError(f"BRAIN_DATABASE_URL has an @ too many; {_FORM}")
    if parsed.get_backend_name() != "postgresql":
        raise ConfigurationError(f"Brain must be PostgreSQL, but BRAIN_DATABASE_URL names {parsed.get_backend_name()}")
    return parsed.set(drivername="postgresql+psycopg")


def open_brain(url: str | URL) -> Engine:
    """An engine that connects on first use; UTC sessions with room to sort a slice, tested before use, at most a handful."""
    return create_engine(
        normalised_url(url),
        pool_pre_ping=True,
        pool_size=4,
        max_overflow=4,
        connect_args={"application_name": "vici-brain", "connect_timeout": 10, "options": _OPTIONS},
    )


@contextmanager
def brain_errors() -> Iterator[None]:
    """Turns what PostgreSQL says into one line with a remedy; the cause stays attached, scrubbed of passwords."""
    try:
        yield
    except OperationalError as error:
        raise _from_operational(error.orig) from None
    except psycopg.OperationalError as error:
        # COPY speaks to the driver itself, past SQLAlchemy.
        raise _from_operational(error) from None
    except ProgrammingError as error:
        if isinstance(
            error.orig, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedFunction | psycopg.errors.UndefinedColumn
        ):
            raise ConfigurationError(
                f"Brain lacks a table or column ({_first_line(error.orig)}): run `vici-brain migrate`"
            ) from None
        if isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise ConfigurationError(
                f"Brain refuses its user a right ({_first_line(error.orig)}): see the grants in the README"
            ) from None
        raise
    except DBAPIError as error:
        if error.connection_invalidated:
            raise RetriableError(f"the connection to Brain was lost: {_first_line(error.orig)}") from None
        raise


def _from_operational(error: BaseException | None) -> ConfigurationError | RetriableError:
    line = _first_line(error)
    if isinstance(error, psycopg.errors.DeadlockDetected | psycopg.errors.SerializationFailure):
        return RetriableError(f"two writers of Brain met: {line}; nothing of this one was written")
    if isinstance(error, psycopg.errors.DiskFull):
        return RetriableError(f"Brain's disk is full: {line}; free space on the PostgreSQL host")
    if any(said in line for said in ("authentication failed", "no password supplied", "pg_hba.conf", "permission denied")):
        return ConfigurationError(f"Brain refused the login: {line}; check user and password in BRAIN_DATABASE_URL")
    if "does not exist" in line:
        return ConfigurationError(f"Brain's database or role is missing: {line}; create it or correct BRAIN_DATABASE_URL")
    return RetriableError(f"Brain did not answer: {line}; is PostgreSQL running and reachable at BRAIN_DATABASE_URL?")


def _first_line(error: BaseException | None) -> str:
    """The first line that says something: of a host with several addresses the first line only announces the others."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return scrub(" ".join(lines[: 2 if lines[0].endswith(":") else 1]))


def migrate(engine: Engine) -> list[str]:
    """Brings Brain's schema up to date and returns the revisions applied; safe to run from several processes at once."""
    # Alembic costs a third of a second to import and is needed once per deployment, not once per tick.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with brain_errors(), engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        _require_usable_leads(connection)
        before = MigrationContext.configure(connection, opts={"version_table": "vici_brain_migrations"}).get_current_revision()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        script = ScriptDirectory.from_config(config)
        head = script.get_current_head()
        if head == before:
            return []
        return [revision.revision for revision in script.iterate_revisions(head, before)][::-1]


LEAD_LOOKUPS = {
    "leads_external_lead_id_lookup": "CREATE INDEX leads_external_lead_id_lookup ON leads (external_lead_id)",
    "leads_normalised_phone_lookup": (
        "CREATE INDEX leads_normalised_phone_lookup ON leads (normalised_phone('1'::text, phone::text))"
    ),
}


def missing_lead_lookups(engine: Engine) -> list[str]:
    """Statements for the owner of ``leads``, when the migration was not allowed to make the indexes that matching needs."""
    with brain_errors(), engine.connect() as connection:
        names = text("SELECT indexname FROM pg_indexes WHERE tablename = 'leads'")
        present = set(connection.scalars(names))
    return [f"{statement};" for name, statement in LEAD_LOOKUPS.items() if name not in present]


def _require_usable_leads(connection: Connection) -> None:
    """The CRM's own ``leads`` must have the columns that are used; a table of another shape is never altered."""
    inspector = inspect(connection)
    if not inspector.has_table("leads"):
        return
    present = {column["name"] for column in inspector.get_columns("leads")}
    missing = [name for name in REQUIRED_LEAD_COLUMNS if name not in present]
    if missing:
        raise ConfigurationError(
            f"Brain's table leads lacks {', '.join(missing)}: add them, or let vici-brain use a schema of its own by search_path"
        )


def brain_now(engine: Engine) -> datetime:
    """Brain's own clock, the one that dates reads and proofs."""
    with brain_errors(), engine.connect() as connection:
        moment: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return moment


def by_index(connection: Connection) -> None:
    """Until its transaction ends, statements walk indexes where there are any: on a table that was just filled nothing tells the
    planner how few rows a condition holds.
    """
    connection.execute(text("SET LOCAL enable_seqscan = off"))


@contextmanager
def lane(engine: Engine, instance: str, name: str, *, wait_seconds: float = 0) -> Iterator[None]:
    """Holds the lane ``name`` of ``instance``: no second holder anywhere, and free at once when this process dies.

    Raises BusyError when another holds it longer than ``wait_seconds``. The lock lives on a connection of its own
    (``NullPool``), so that no transaction of the work can release it.
    """
    keys = {"space": _LOCK_SPACE, "lane": f"{instance}/{name}", "wait": f"{max(1, int(wait_seconds * 1000))}ms"}
    # Not the password-less str(url); and a pool that never keeps the connection, whose end frees the lock.
    guard = create_engine(engine.url, poolclass=NullPool, connect_args={"application_name": f"vici-brain {instance}/{name}"[:63]})
    with brain_errors():
        connection = guard.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        with brain_errors():
            connection.execute(text("SELECT set_config('lock_timeout', :wait, false)"), keys)
            try:
                connection.execute(text("SELECT pg_advisory_lock(:space, hashtext(:lane))"), keys)
            except OperationalError as error:
                if isinstance(error.orig, psycopg.errors.LockNotAvailable):
                    raise BusyError(f"{instance}: another {name} is running; wait for it to end or stop it") from None
                raise
        yield
    finally:
        connection.close()
        guard.dispose()
