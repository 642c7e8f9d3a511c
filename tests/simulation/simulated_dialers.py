"""What the simulation's tests share: small profiles, and a database's contents in a comparable form."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from vici_brain.simulation.dialer import SimulatedDialer
from vici_brain.simulation.profile import Behaviours, DialerProfile
from vici_brain.vici import schema

LOGS = ("vicidial_log", "vicidial_closer_log", "vicidial_log_extended", "vicidial_dial_cid_log")
ARCHIVES = tuple(f"{table}_archive" for table in LOGS)
LEADS = ("vicidial_list", "vicidial_list_archive", "vicidial_dnc")
Contents = dict[str, list[tuple[Any, ...]]]

# raised, so that a few hundred calls meet every behaviour
OFTEN = Behaviours(**{name: max(share, 0.05) for name, share in Behaviours().as_dict().items()})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def small(**changes: Any) -> DialerProfile:
    """A hundred and fifty calls a day from Monday, 20 October 2025; two weeks later clocks go back."""
    profile = DialerProfile(first_day=date(2025, 10, 20), calls_per_day=150, leads=400, behaviours=OFTEN)
    return replace(profile, **changes)


def new_dialer(engine: sa.Engine, profile: DialerProfile, **options: Any) -> SimulatedDialer:
    dialer = SimulatedDialer(engine, profile)
    dialer.create(**options)
    return dialer


def sqlite_engine(folder: Path, name: str = "dialer") -> sa.Engine:
    return sa.create_engine(f"sqlite:///{folder / name}.db")


def contents(engine: sa.Engine, tables: tuple[str, ...] = (*LOGS, *ARCHIVES, *LEADS)) -> Contents:
    """All rows, as the schema's types read them, in an order that does not depend on the database."""
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            connection.exec_driver_sql("SET SESSION time_zone = '+00:00'")
        rows = {table: connection.execute(sa.select(schema.metadata.tables[table])).all() for table in tables}
    return {table: sorted((tuple(row) for row in found), key=repr) for table, found in rows.items()}


def values(engine: sa.Engine, statement: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.exec_driver_sql(statement).scalars())
