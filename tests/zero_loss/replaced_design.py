"""The design that this project replaced, as small as it can be, to show that the scenes catch what they are meant to catch.

Belongs here: its known rules and nothing else: a checkpoint, a look-back capped at 10 minutes, a 1-minute overlap, LIMIT 5000,
the key (lead_id, call_date), rows written once and never read again, deletes unseen, inbound and archives ignored, wall time
taken as it is.
"""

from datetime import datetime, timedelta

from builders import wall
from dialer_site import Site
from oracle import REPLICATED, Key, Row, contents_that_differ
from sqlalchemy import text

LONGEST_LOOK_BACK, OVERLAP, LIMIT = timedelta(minutes=10), timedelta(minutes=1), 5_000
_COLUMNS = REPLICATED["vicidial_log"]
_NAMES = ", ".join(f"`{name}`" for name in _COLUMNS)


class ReplacedDesign:
    """Implements :class:`dialer_site.System`; only ticks do anything."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._checkpoint: datetime | None = None
        columns = ", ".join(f'"{name}" text' for name in _COLUMNS)
        with site.brain.begin() as connection:
            connection.execute(text(f'CREATE TABLE old_calls ({columns}, UNIQUE ("lead_id", "call_date"))'))

    def tick(self) -> None:
        site, now = self._site, self._site.now
        start = max(self._checkpoint or now, now - LONGEST_LOOK_BACK) - OVERLAP
        if self._checkpoint is None:
            start = now - LONGEST_LOOK_BACK
        statement = f"SELECT {_NAMES} FROM vicidial_log WHERE call_date >= %s AND call_date < %s ORDER BY call_date LIMIT {LIMIT}"
        rows = site.oracle.ask_source(statement, wall(start, site.zone), wall(now, site.zone))
        marks = ", ".join(f":{name}" for name in _COLUMNS)
        with site.brain.begin() as connection:
            if rows:
                values = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
                connection.execute(text(f"INSERT INTO old_calls VALUES ({marks}) ON CONFLICT DO NOTHING"), values)
        self._checkpoint = now if rows else self._checkpoint

    def hourly(self) -> None: ...
    def nightly(self) -> None: ...
    def weekly(self) -> None: ...
    def orphans(self) -> None: ...

    def differences(self) -> list[str]:
        """The oracle's comparison, with this design's table in the place of ours."""
        with self._site.brain.connect() as connection:
            rows = [dict(row) for row in connection.execute(text("SELECT * FROM old_calls")).mappings()]
        held: dict[Key, Row] = {("vicidial_log", str(row["uniqueid"])): row for row in rows}
        source = self._site.oracle.source()
        found = [f"{key}: lost" for key in source if key not in held]
        found += [f"{key}: a ghost" for key in held if key not in source]
        return found + contents_that_differ(source, held)
