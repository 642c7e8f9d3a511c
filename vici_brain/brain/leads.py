"""Brain's own leads, as far as this project writes them.

Belongs here: inserting leads. Does not: matching calls to them (brain/matches), nor the table's shape, which is the CRM's.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, cast

import psycopg
from sqlalchemy import Engine, text

from vici_brain.brain.database import brain_errors

_MUCH = 1_000
_COPY = "COPY leads (external_lead_id, phone, first_name, last_name, email, state, source, created_at, updated_at) FROM STDIN"


class NewLead(Protocol):
    """What a lead must bring; any object of this shape will do."""

    @property
    def external_lead_id(self) -> str | None: ...
    @property
    def phone(self) -> str: ...
    @property
    def first_name(self) -> str: ...
    @property
    def last_name(self) -> str: ...
    @property
    def email(self) -> str | None: ...
    @property
    def state(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...


class LeadStore:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def insert(self, leads: Iterable[NewLead], *, source: str) -> int:
        """Adds ``leads`` as they are, in one transaction by COPY; returns how many."""
        count = 0
        with brain_errors(), self.engine.begin() as connection:
            driver = cast("psycopg.Connection[tuple[object, ...]]", connection.connection.driver_connection)
            with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
                for lead in leads:
                    name = (lead.first_name, lead.last_name)
                    created = lead.created_at
                    copy.write_row((lead.external_lead_id, lead.phone, *name, lead.email, lead.state, source, created, created))
                    count += 1
            if count >= _MUCH:
                connection.execute(text("ANALYZE leads"))
        return count
