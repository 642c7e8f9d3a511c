"""A day of calls as Brain holds it, and the reports that were made of days.

Belongs here: counting one dialer's day; rows of daily_call_reports. Does not: judging a day (domain/call_report).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import date, datetime

from sqlalchemy import Connection, Engine, text

from vici_brain.brain.database import brain_errors
from vici_brain.brain.sql import load
from vici_brain.domain.call_report import Care, DayCalls, InstanceDay, SlowSync, Tally
from vici_brain.domain.call_report_page import page
from vici_brain.domain.windows import BUCKET, Window

# The dialer has no flag for a call that was answered and found nobody: dropped, before its routing, and inbound.
DROPS = ("DROP", "PDROP", "XDROP")
_SLOWEST = text("""
    SELECT kind, started_at, seconds, rows_read FROM sync_logs
    WHERE instance = :instance AND started_at >= :start AND started_at < :end AND seconds IS NOT NULL
    ORDER BY seconds DESC, id LIMIT 5
""")
_COUNTED = ("calls", "matched", "orphaned", "answered", "contacts", "sales", "dropped")
_COLUMNS = (
    *("day", "time_zone", "instance", "starts_at", "ends_at", *_COUNTED, "proven_percent", "is_proven", "anomalies", "figures"),
    *("report", "computed_at"),
)
_PUT = text(f"""
    INSERT INTO daily_call_reports ({", ".join(_COLUMNS)})
    VALUES ({", ".join(f":{name}" if name != "figures" else "CAST(:figures AS jsonb)" for name in _COLUMNS)})
    ON CONFLICT (day, time_zone, instance) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[3:])}
""")  # noqa: S608 - the names are the constant above
_PAGES = text("""
    SELECT instance, report FROM daily_call_reports WHERE day = :day AND time_zone = :time_zone ORDER BY instance
""")


class DailyCalls:
    """Counts of one dialer; ``source_tables`` are those whose buckets make a day proven."""

    def __init__(self, engine: Engine, instance: str, source_tables: Sequence[str]) -> None:
        self._engine, self._instance, self._tables = engine, instance, list(source_tables)

    def calls(self, window: Window, zone: str) -> DayCalls:
        """Every call of ``window`` that the dialer has or had as one, the purged ones too; hours are those of ``zone``."""
        values = self._scope(window) | {"zone": zone, "drop_statuses": list(DROPS)}
        total, by = Tally(), dict[str, dict[str, Tally]]()
        with brain_errors(), self._engine.connect() as connection:
            for row in connection.execute(load("daily_calls"), values):
                tally = Tally(**{each.name: getattr(row, each.name) for each in fields(Tally)})
                if row.dimension == "total":
                    total = tally
                else:
                    by.setdefault(row.dimension, {})[row.name] = tally
        return DayCalls(total, by)

    def care(self, window: Window) -> Care:
        with brain_errors(), self._engine.connect() as connection:
            row = connection.execute(load("daily_care"), self._scope(window)).one()
            slowest = tuple(SlowSync(*each) for each in connection.execute(_SLOWEST, self._scope(window)))
        due = int(window.length / BUCKET) * len(self._tables)
        return Care(due_buckets=due, slowest=slowest, **row._mapping)  # noqa: SLF001 - a Row's public mapping has this name

    def _scope(self, window: Window) -> dict[str, object]:
        return {"instance": self._instance, "start": window.start, "end": window.end, "source_tables": self._tables}


def put_report(connection: Connection, report: InstanceDay, at: datetime) -> None:
    """Writes ``report`` in the caller's transaction, over an earlier one of the same day."""
    values = {name: getattr(report.calls.total, name) for name in _COUNTED} | {
        "day": report.day,
        "time_zone": report.zone,
        "instance": report.instance,
        "starts_at": report.window.start,
        "ends_at": report.window.end,
        "proven_percent": report.care.proven_percent,
        "is_proven": report.care.is_proven,
        "anomalies": list(report.anomalies),
        "figures": json.dumps(_figures(report), default=str),
        "report": page(report),
        "computed_at": at,
    }
    connection.execute(_PUT, values)


def outdated_days(engine: Engine, instances: Sequence[str], zone: str, first: date, last: date) -> list[date]:
    """Days from ``first`` to ``last`` whose report is missing or older than what it tells of, oldest first."""
    scope = {"instances": list(instances), "zone": zone, "first": first, "last": last}
    with brain_errors(), engine.connect() as connection:
        return list(connection.scalars(load("outdated_reports"), scope))


def stored_pages(engine: Engine, day: date, zone: str) -> dict[str, str]:
    """The Markdown of each dialer's report of ``day``, blank for all together; empty if none was made."""
    with brain_errors(), engine.connect() as connection:
        return {row.instance: row.report for row in connection.execute(_PAGES, {"day": day, "time_zone": zone})}


def _figures(report: InstanceDay) -> dict[str, object]:
    return {
        **{
            f"by_{dimension}": {name: asdict(each) for name, each in cells.items()}
            for dimension, cells in report.calls.by.items()
        },
        "care": asdict(report.care),
        "day_before": asdict(report.day_before.total),
        "same_weekdays": [asdict(day.total) for day in report.weekdays],
    }
