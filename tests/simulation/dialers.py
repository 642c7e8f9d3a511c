"""What the simulation's tests share: small profiles, and a database's contents in a comparable form."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from vici_brain.simulation.profile import Behaviours, DialerProfile

LOGS = ("vicidial_log", "vicidial_closer_log", "vicidial_log_extended", "vicidial_dial_cid_log")
ARCHIVES = tuple(f"{table}_archive" for table in LOGS)
LEADS = ("vicidial_list", "vicidial_list_archive", "vicidial_dnc")

# every share is raised, so that three hundred calls meet every behaviour
BUSY = Behaviours(**{name: max(share, 0.04) for name, share in Behaviours().as_dict().items()})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def small(**changes: Any) -> DialerProfile:
    """A hundred and fifty calls a day from 20 October 2025 (a Monday, two weeks before clocks go back) on."""
    profile = DialerProfile(first_day=date(2025, 10, 20), calls_per_day=150, leads=400, behaviours=BUSY)
    return replace(profile, **changes)


def contents(engine: sa.Engine, *tables: str) -> dict[str, list[tuple[Any, ...]]]:
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            connection.exec_driver_sql("SET SESSION time_zone = '+00:00'")
        rows = {table: connection.exec_driver_sql(f"SELECT * FROM {table}").all() for table in tables}
    return {table: sorted((tuple(row) for row in found), key=repr) for table, found in rows.items()}


def column(engine: sa.Engine, statement: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.exec_driver_sql(statement).scalars())
