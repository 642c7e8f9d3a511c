"""Writes to the simulated dialer's database: LOAD DATA for history, single statements for what happens live.

Belongs here: statements, sessions, dialects. Does not: what is written. ViciDial needs a lax sql_mode; the sessions here
are the writer's own, so that the caller's engine keeps its settings.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from vici_brain.simulation.changes import Change
from vici_brain.simulation.rows import KEYS, Row
from vici_brain.vici import schema

_SESSION = "SET SESSION sql_mode = '', time_zone = '+00:00'"
_STATEMENT_ROWS = 2_000
_NO_LOCAL_INFILE = {1148, 3948, 4166}


def columns_of(table: str) -> tuple[str, ...]:
    return tuple(schema.metadata.tables[table].columns.keys())


class Writer:
    """One dialer database, whichever dialect."""

    def __init__(self, engine: sa.Engine) -> None:
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._mark = "?" if self.is_sqlite else "%s"
        self._infile = not self.is_sqlite
        self._engine = engine if self.is_sqlite else _lax_engine(engine)

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def keys_delayed(self, tables: Iterable[str]) -> Iterator[None]:
        """Secondary keys are built once, after a bulk load; MyISAM only, InnoDB shrugs."""
        names = [] if self.is_sqlite else list(tables)
        with self.transaction() as connection:
            for table in names:
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE KEYS")
        try:
            yield
        finally:
            with self.transaction() as connection:
                for table in names:
                    connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE KEYS")

    def bulk(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        with self.transaction() as connection:
            if self._infile and rows:
                try:
                    self._load(connection, table, columns, rows)
                except sa.exc.DBAPIError as error:
                    if error.orig is None or error.orig.args[0] not in _NO_LOCAL_INFILE:
                        raise
                    self._infile = False
                else:
                    return
            self.replace(connection, table, columns, rows)

    def _load(self, connection: sa.Connection, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", suffix=".tsv") as file:
            for row in rows:
                file.write("\t".join(["\\N" if value is None else str(value) for value in row]))
                file.write("\n")
            file.flush()
            connection.exec_driver_sql(
                f"LOAD DATA LOCAL INFILE '{Path(file.name).as_posix()}' REPLACE INTO TABLE {table} "
                f"CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' ({_names(columns)})"
            )

    def replace(self, connection: sa.Connection, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Insert; a tick that is repeated after a crash (MyISAM knows no transaction) replaces its own rows."""
        marks = ", ".join([self._mark] * len(columns))
        statement = f"REPLACE INTO {table} ({_names(columns)}) VALUES ({marks})"  # noqa: S608 -- names from schema
        for start in range(0, len(rows), _STATEMENT_ROWS):
            connection.exec_driver_sql(statement, list(rows[start : start + _STATEMENT_ROWS]))

    def update(self, connection: sa.Connection, table: str, columns: Sequence[str], key: str, rows: Sequence[Row]) -> None:
        """Rows hold the new values, then the key."""
        if rows:
            sets = ", ".join(f"`{column}` = {self._mark}" for column in columns)
            statement = f"UPDATE {table} SET {sets} WHERE `{key}` = {self._mark}"  # noqa: S608 -- names from schema
            connection.exec_driver_sql(statement, list(rows))

    def execute(self, connection: sa.Connection, statement: str, rows: Sequence[Row]) -> None:
        """A statement with ``?`` marks, once for each row."""
        if rows:
            connection.exec_driver_sql(statement.replace("?", self._mark), list(rows))

    def apply(self, connection: sa.Connection, change: Change) -> None:
        if change.is_empty:
            return
        columns, keys = columns_of(change.table), KEYS[change.table.removesuffix("_archive")]
        places = [columns.index(key) for key in keys]
        where = " AND ".join(f"`{key}` = ?" for key in keys)
        self.replace(connection, change.table, columns, change.inserts)
        delete = f"DELETE FROM {change.table} WHERE {where}"  # noqa: S608 -- names from schema
        self.execute(connection, delete, [_pick(row, places) for row in change.deletes])
        sets = ", ".join(f"`{column}` = ?" for column in columns)
        updates = [(*after, *_pick(before, places)) for before, after in change.updates]
        update = f"UPDATE {change.table} SET {sets} WHERE {where}"  # noqa: S608 -- names from schema
        self.execute(connection, update, updates)


def _pick(row: Row, places: list[int]) -> tuple[Any, ...]:
    return tuple(row[place] for place in places)


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f"`{column}`" for column in columns)


def _lax_engine(engine: sa.Engine) -> sa.Engine:
    options = {"local_infile": True, "init_command": _SESSION, "charset": "utf8mb4"}
    return sa.create_engine(engine.url, poolclass=sa.pool.NullPool, connect_args=options)
