"""The way into a dialer: engine, session rules, and what the database says turned into errors with a remedy.

Belongs here: everything about connections that every reader needs. Does not: any statement about calls, leads or statuses.

Every session is read-only, gives up a statement or a lock after seconds, and fetches whole results: on MyISAM an open streaming
cursor keeps the table locked against the agents' updates for as long as it is drained.
"""

import codecs
import re
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError

from vici_brain.errors import ConfigurationError, RetriableError, ViciBrainError, scrub

_CODES_LOGIN = frozenset({1045, 1044, 1698, 1130, 1251})
_CODES_HOST = frozenset({2002, 2003, 2005})
_CODES_LOST = frozenset({2006, 2013, 2014, 1927, 1053, 1152, 1153, 1159, 1161})
_CODES_TIME = frozenset({1969, 3024, 1317})
_CODES_LOCK = frozenset({1205, 1213})
_TOLERANT = "vici_brain_tolerant_utf8"
_FORM = "the form is mysql+pymysql://USER:PASSWORD@HOST:3306/asterisk, with @ : / in a password written %40 %3A %2F"


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    """How hard a dialer may be read; the defaults hold no lock of MyISAM longer than about 100 ms."""

    slice_length: timedelta = timedelta(hours=1)
    page_rows: int = 5_000
    statement_seconds: int = 5
    connect_seconds: int = 10
    replication_channel: str | None = None
    """On a replica of several servers, the channel that copies this dialer; ``None``: it shows no more than the slowest."""


def with_driver(url: URL) -> URL:
    """``url`` with PyMySQL where it names no driver, as people write it."""
    return url.set(drivername=f"{url.drivername}+pymysql") if url.drivername in {"mysql", "mariadb"} else url


def open_dialer(instance: str, url: str | URL, policy: ReadPolicy) -> Engine:
    """An engine for one dialer that connects on first use and never holds more than two connections."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Not chained: the parser quotes what it stumbled over, which may be part of a password.
        raise ConfigurationError(f"{instance}: its database URL cannot be read; {_FORM}") from None
    if "@" in (parsed.host or ""):
        raise ConfigurationError(f"{instance}: its database URL has an @ too many; {_FORM}")
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(
            parsed,
            pool_size=2,
            max_overflow=0,
            isolation_level="AUTOCOMMIT",
            connect_args={"timeout": policy.statement_seconds},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    if parsed.get_backend_name() not in {"mysql", "mariadb"}:
        raise ConfigurationError(f"{instance}: a dialer is MySQL or MariaDB, but its URL names {parsed.get_backend_name()}")
    parsed = with_driver(parsed)
    engine = create_engine(
        parsed,
        pool_size=2,
        max_overflow=0,
        # Of the engine, not of one connection: a connection that replaces a lost one must not read an old InnoDB snapshot.
        isolation_level="AUTOCOMMIT",
        pool_pre_ping=True,
        pool_recycle=300,
        connect_args={
            "charset": "utf8mb4",
            # A strict server (MySQL's default) refuses dates like 2026-01-00, between which undated calls are looked for.
            "sql_mode": "NO_ENGINE_SUBSTITUTION",
            "connect_timeout": policy.connect_seconds,
            # A reader that hangs would hold its locks: the client gives up soon after the server should have.
            "read_timeout": policy.statement_seconds + 10,
            "write_timeout": policy.connect_seconds,
        },
    )

    def prepare(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            for statement in session_rules(connection.get_server_info(), policy):
                cursor.execute(statement)

    event.listen(engine, "connect", prepare)
    return engine


def session_rules(server: str, policy: ReadPolicy) -> list[str]:
    """What every session on a server of the version ``server`` sets."""
    return [
        *_time_limit(server, policy.statement_seconds),
        f"SET SESSION lock_wait_timeout = {policy.statement_seconds}",
        # A page of calls comes as one text; a server whose packets are smaller cuts it, which the reader notices.
        "SET SESSION group_concat_max_len = 67108864",
        "SET SESSION TRANSACTION READ ONLY",
    ]


def _time_limit(server: str, seconds: int) -> list[str]:
    """In the words of MariaDB or MySQL; older than these two learned it, a server has only the client's own patience."""
    is_mariadb = "mariadb" in server.lower()
    # MariaDB may put what old clients expect before its own version: 5.5.5-10.11.6-MariaDB.
    version = tuple(int(part) for part in re.findall(r"\d+", server.removeprefix("5.5.5-"))[:3])
    if is_mariadb:
        return [f"SET SESSION max_statement_time = {seconds}"] if version >= (10, 1, 1) else []
    return [f"SET SESSION max_execution_time = {seconds * 1000}"] if version >= (5, 7, 8) else []


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.create_function("crc32", 1, lambda text: zlib.crc32(str(text).encode()), deterministic=True)
    connection.create_function("concat_ws", -1, _concat_ws, deterministic=True)
    connection.execute("PRAGMA query_only = ON")


def _concat_ws(separator: str, *values: object) -> str:
    return separator.join(str(value) for value in values if value is not None)


def _tolerant_codec(name: str) -> codecs.CodecInfo | None:
    if name != _TOLERANT:
        return None
    utf8 = codecs.lookup("utf-8")
    return codecs.CodecInfo(utf8.encode, lambda data, _errors="strict": utf8.decode(data, "surrogateescape"), name=_TOLERANT)


codecs.register(_tolerant_codec)


@contextmanager
def tolerant_text(connection: Connection) -> Iterator[None]:
    """Inside, bytes that are no UTF-8 arrive as escaped surrogates instead of failing the whole answer.

    MariaDB's utf8mb3 stores what Python calls invalid (surrogates), and PyMySQL knows no other way to let it through.
    """
    driver = cast("Any", connection.connection.driver_connection)
    usual, driver.encoding = driver.encoding, _TOLERANT
    try:
        yield
    finally:
        driver.encoding = usual


@contextmanager
def dialer_errors(instance: str, engine: Engine) -> Iterator[None]:
    """Turns what the dialer's database says into one line that names the instance and the remedy, never the password."""
    try:
        yield
    except (DBAPIError, UnicodeDecodeError) as error:
        raise explain(instance, engine, error) from None


def explain(instance: str, engine: Engine, error: Exception) -> ViciBrainError:  # noqa: PLR0911 - a table of remedies
    """The error with a remedy for what a statement or a connect raised."""
    if isinstance(error, UnicodeDecodeError):
        return RetriableError(f"{instance}: the dialer sent bytes that are no text: {error.reason}")
    origin: BaseException | None = error.orig if isinstance(error, DBAPIError) else error
    arguments: tuple[object, ...] = getattr(origin, "args", ())
    code = arguments[0] if arguments and isinstance(arguments[0], int) else 0
    said = scrub(str(arguments[1] if len(arguments) > 1 else origin), engine.url.password or "")
    where = f"{instance}: the dialer's database at {_address(engine.url)}"
    if code in _CODES_LOGIN:
        return ConfigurationError(
            f"{where} refused user {engine.url.username!r} ({code} {said}): "
            "check the user, the password's environment variable and the host it may log in from"
        )
    if code == 1049:
        return ConfigurationError(
            f"{where} has no database {engine.url.database!r}: correct the name in its URL (often asterisk)"
        )
    if code in {1142, 1143}:
        return ConfigurationError(f"{where} does not let {engine.url.username!r} read ({said}): see the GRANTs in the README")
    if code in {1146, 1054}:
        return ConfigurationError(f"{where} is no ViciDial of a known schema ({said}): see the tables and columns in the README")
    if code in _CODES_HOST:
        return RetriableError(f"{where} cannot be reached ({code} {said}): check host, port, firewall and that the server runs")
    if code in _CODES_LOST or isinstance(error, InterfaceError):
        return RetriableError(f"{where} dropped the connection ({code} {said})")
    if code in _CODES_TIME:
        return RetriableError(f"{where} gave up a read that took too long ({code} {said}): it is busy; nothing was written")
    if code in _CODES_LOCK:
        return RetriableError(f"{where} kept a read waiting for a lock ({code} {said}): archiving or optimising may be running")
    return RetriableError(f"{where} failed ({code} {said})")


def _address(url: URL) -> str:
    return url.host + (f":{url.port}" if url.port else "") if url.host else (url.database or "?")
