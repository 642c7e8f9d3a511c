"""Calls, appointments and alerts as a test writes and reads them."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from builders import ask, one
from sqlalchemy import Engine, text


def call(brain: Engine, **columns: Any) -> int:
    """One call of another system, as it writes it."""
    columns = {"source": "retell"} | columns
    names = ", ".join(columns)
    values = ", ".join(f":{name}" for name in columns)
    with brain.begin() as connection:
        found = connection.execute(text(f"INSERT INTO calls ({names}) VALUES ({values}) RETURNING id"), columns)
        return int(found.scalar_one())


def appointment(brain: Engine, call_id: int | None, **columns: Any) -> int:
    columns = {"call_id": call_id} | columns
    names = ", ".join(columns)
    values = ", ".join(f":{name}" for name in columns)
    with brain.begin() as connection:
        found = connection.execute(text(f"INSERT INTO appointments ({names}) VALUES ({values}) RETURNING id"), columns)
        return int(found.scalar_one())


def write(brain: Engine, statement: str, **values: Any) -> int:
    with brain.begin() as connection:
        return connection.execute(text(statement), values).rowcount


def untriggered(brain: Engine, statement: str, **values: Any) -> None:
    """As a session writes in which triggers are off: what the sweep is for."""
    with brain.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(statement), values)


def flags(brain: Engine, call_id: int) -> tuple[Any, ...]:
    (row,) = ask(brain, "SELECT appointment_made, session_outcome, appointment_link_status FROM calls WHERE id = :id", id=call_id)
    return row


def alerts(brain: Engine) -> list[tuple[Any, ...]]:
    """Type, entity, corrected automatically, and whether it is closed."""
    return ask(
        brain,
        "SELECT alert_type, entity_id, auto_corrected, corrected_at IS NOT NULL FROM data_consistency_alerts ORDER BY id",
    )


def count(brain: Engine, relation: str, where: str = "true") -> int:
    return int(one(brain, f"SELECT count(*) FROM {relation} WHERE {where}"))


def where_it_is_noon(now: datetime) -> tuple[str, date]:
    """A time zone where it is between 12 and 13 o'clock, and the day there: what is written now is of that day, whatever time the
    test runs at. (The signs of ``Etc`` are the other way round.)"""
    east = 12 - now.astimezone(UTC).hour
    zone = f"Etc/GMT{-east:+d}"
    return zone, now.astimezone(ZoneInfo(zone)).date()


BOOKED = {"session_outcome": "appointment_booked", "appointment_made": True, "appointment_link_status": "linked"}
AS_BOOKED = (True, "appointment_booked", "linked")
