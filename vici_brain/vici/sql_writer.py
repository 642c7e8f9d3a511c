"""Writing a vendor_lead_code by SQL, through a login that can change this one column.

Belongs here: the compare-and-set and its session. Does not: adding leads, for which the login has no right; the API does that.

``modify_date = modify_date`` keeps the row's stamp, which a plain update would move: other software takes a moved stamp for news.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from vici_brain.errors import ConfigurationError
from vici_brain.vici.connect import dialer_errors, with_driver
from vici_brain.vici.lead_writer import CodeWrite

_SECONDS = 5
# By primary key. The condition is checked by the statement that writes, so an agent's change since the read is left alone.
_WRITE = text("""
    UPDATE vicidial_list SET vendor_lead_code = :code, modify_date = modify_date
    WHERE lead_id = :lead AND (vendor_lead_code IS NULL OR vendor_lead_code = '')
""")
_READ = text("SELECT vendor_lead_code FROM vicidial_list WHERE lead_id = :lead")


class SqlCodeWriter:
    """Connects on first use, with one connection; every statement is its own transaction."""

    name = "sql"

    def __init__(self, instance: str, url: str) -> None:
        self.instance = instance
        try:
            parsed = with_driver(make_url(url))
        except (ArgumentError, ValueError):
            raise ConfigurationError(f"{instance}: the write login's URL cannot be read") from None
        if parsed.get_backend_name() not in {"mysql", "mariadb"}:
            raise ConfigurationError(f"{instance}: codes are written to MySQL or MariaDB, not to {parsed.get_backend_name()}")
        waits = {"connect_timeout": 10, "read_timeout": _SECONDS + 10, "write_timeout": 10}
        self.engine: Engine = create_engine(
            parsed,
            pool_size=1,
            max_overflow=0,
            isolation_level="AUTOCOMMIT",
            pool_pre_ping=True,
            connect_args={"charset": "utf8mb4", **waits},
        )
        event.listen(self.engine, "connect", _patient_for_seconds)

    def write_code(self, vici_lead_id: int, code: str) -> CodeWrite:
        """Writes where there is none, reads back, and says what was there before."""
        with self._connected() as connection:
            rows = connection.execute(_READ, {"lead": vici_lead_id}).all()
            if not rows:
                return CodeWrite("not_found", None, None, f"lead {vici_lead_id} is not in vicidial_list")
            before = rows[0][0]
            changed = connection.execute(_WRITE, {"lead": vici_lead_id, "code": code}).rowcount
            after = connection.scalar(_READ, {"lead": vici_lead_id})
        if after == code:
            return CodeWrite(
                "written" if changed else "equal", before, after, f"lead {vici_lead_id}: {before!r} became {after!r}"
            )
        return CodeWrite("conflict", before, after, f"lead {vici_lead_id} holds {after!r}: left alone")

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with dialer_errors(f"{self.instance} (write login)", self.engine), self.engine.connect() as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def _patient_for_seconds(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET SESSION lock_wait_timeout = {_SECONDS}")
