"""Small worlds for tests: a dialer's database that a test fills, rows as a reader delivers them, and leads of Brain.

Every instant is given by the test; nothing here reads a clock.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, Table, create_engine, make_url, text

from vici_brain.brain.calls import CallStore, MergeCounts
from vici_brain.domain.call_rows import COLUMNS, clean
from vici_brain.domain.windows import Window
from vici_brain.flows.syncing import Syncing
from vici_brain.vici import schema
from vici_brain.vici.connect import ReadPolicy
from vici_brain.vici.dialer import Dialer

NOON = datetime(2025, 6, 10, 16, 0, tzinfo=UTC)
"""12:00 in New York, the zone of every dialer here that names no other."""
NEW_YORK = "America/New_York"
_READ = (
    *("vicidial_log", "vicidial_log_archive", "vicidial_closer_log", "vicidial_closer_log_archive", "vicidial_list"),
    *("vicidial_list_archive", "vicidial_log_extended", "vicidial_log_extended_archive", "vicidial_dial_cid_log"),
    *("vicidial_dial_cid_log_archive", "vicidial_statuses", "vicidial_campaign_statuses", "servers"),
)


def wall(at: datetime, zone: str = NEW_YORK) -> str:
    """``at`` as a dialer in ``zone`` writes it down."""
    return at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")


class Exchange:
    """A ViciDial database with MyISAM tables (or SQLite's), lenient as ViciDial needs it; starts without a single row."""

    def __init__(self, url: str, zone: str = NEW_YORK, *, without: Iterable[str] = ()) -> None:
        self.url, self.zone = url, zone
        lenient = {} if url.startswith("sqlite") else {"init_command": "SET sql_mode=''"}
        self.engine: Engine = create_engine(url, connect_args=lenient)
        skip = {name for name in schema.metadata.tables if name not in _READ} | set(without)
        schema.create_tables(self.engine, mysql_engine="MyISAM", skip=skip)

    def dialer(self, instance: str = "vici", *, now: datetime | None = None, **policy: Any) -> Dialer:
        """The dialer as the flows see it; on MariaDB its machine lives in the zone and, with ``now``, at that instant."""
        url = make_url(self.url)
        if url.get_backend_name() != "sqlite":
            offset = (now or datetime.now(UTC)).astimezone(ZoneInfo(self.zone)).strftime("%z")
            stopped = f", timestamp = {now.timestamp():.0f}" if now else ""
            url = url.update_query_dict({"init_command": f"SET time_zone = '{offset[:3]}:{offset[3:]}'{stopped}"})
        return Dialer(instance, url.render_as_string(hide_password=False), self.zone, ReadPolicy(**policy))

    def put(self, table: Table | str, *rows: Mapping[str, Any]) -> None:
        """Inserts rows as they are given; one statement for rows with the same columns."""
        target = schema.metadata.tables[table] if isinstance(table, str) else table
        with self.engine.begin() as connection:
            connection.execute(target.insert(), [dict(row) for row in rows])

    def outbound(self, at: datetime, uniqueid: str | None = None, *, table: str = "vicidial_log", **columns: Any) -> str:
        """One row of vicidial_log at ``at``; returns its uniqueid."""
        row = outbound_row(at, uniqueid, self.zone, **columns)
        self.put(table, row)
        return str(row["uniqueid"])

    def inbound(self, at: datetime, closecallid: int, *, table: str = "vicidial_closer_log", **columns: Any) -> None:
        row = outbound_row(at, None, self.zone) | {"closecallid": closecallid, "campaign_id": "SALESLINE", "queue_seconds": 4}
        del row["alt_dial"]
        self.put(table, row | columns)

    def run(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def close(self) -> None:
        self.engine.dispose()


@contextmanager
def exchange(url: str, zone: str = NEW_YORK, *, without: Iterable[str] = ()) -> Iterator[Exchange]:
    opened = Exchange(url, zone, without=without)
    try:
        yield opened
    finally:
        opened.close()


def outbound_row(at: datetime, uniqueid: str | None = None, zone: str = NEW_YORK, **columns: Any) -> dict[str, Any]:
    """A plain unanswered call as ViciDial logs it; ``columns`` say what is special about it."""
    epoch = int(at.timestamp())
    return {
        "uniqueid": uniqueid if uniqueid is not None else f"{epoch}.1",
        "lead_id": 1,
        "list_id": 101,
        "campaign_id": "SOLAR",
        "call_date": wall(at, zone),
        "start_epoch": epoch,
        "end_epoch": epoch + 20,
        "length_in_sec": 20,
        "status": "NA",
        "phone_code": "1",
        "phone_number": "2125550101",
        "user": "VDAD",
        "comments": "",
        "user_group": None,
        "term_reason": "NONE",
        "alt_dial": "MAIN",
        "called_count": 1,
    } | columns


def raw_row(at: datetime = NOON, key: str | None = None, zone: str = NEW_YORK, **columns: Any) -> tuple[Any, ...]:
    """A call in the order of ``COLUMNS``, as a reader's page holds it."""
    epoch = int(at.timestamp())
    values: dict[str, Any] = dict.fromkeys(COLUMNS) | {
        "source_key": key or f"{epoch}.1",
        "uniqueid": key or f"{epoch}.1",
        "vici_lead_id": 1,
        "list_id": 101,
        "campaign_id": "SOLAR",
        "call_date": wall(at, zone),
        "start_epoch": epoch,
        "end_epoch": epoch + 20,
        "length_in_sec": 20,
        "status": "NA",
        "phone_code": "1",
        "phone_number": "2125550101",
        "agent_user": "VDAD",
        "term_reason": "NONE",
        "alt_dial": "MAIN",
        "called_count": 1,
    }
    values |= columns
    values.setdefault("row_crc", None)
    if values["row_crc"] is None:
        values["row_crc"] = zlib.crc32(repr(values).encode())
    return tuple(values[name] for name in COLUMNS)


def land(
    brain: Engine,
    rows: Sequence[Sequence[Any]],
    *,
    instance: str = "vici",
    table: str = "vicidial_log",
    copy: str = "live",
    ledger: Window | None = None,
    zone: str = NEW_YORK,
    dry_run: bool = False,
) -> MergeCounts:
    """Lands ``rows`` as one slice."""
    with CallStore(brain).landing(instance, table, zone, dry_run=dry_run) as landing:
        landing.stage(clean(rows), source_copy=copy)
        return landing.merge(ledger)


def add_lead(
    brain: Engine, lead_id: int, *, code: str | None = None, phone: str | None = None, created_at: datetime = NOON
) -> None:
    """A lead of the CRM."""
    with brain.begin() as connection:
        connection.execute(
            text("INSERT INTO leads (id, external_lead_id, phone, created_at) VALUES (:id, :code, :phone, :created_at)"),
            {"id": lead_id, "code": code, "phone": phone, "created_at": created_at},
        )


def leads_of_a_crm(brain: Engine) -> None:
    """Takes from ``leads`` the rules of a table of ours, as where it is the CRM's own: codes may be double or of any form."""
    with brain.begin() as connection:
        connection.execute(text("ALTER TABLE leads DROP CONSTRAINT leads_external_lead_id_has_13_digits"))
        connection.execute(text("DROP INDEX leads_external_lead_id_lookup"))
        connection.execute(text("CREATE INDEX leads_external_lead_id_lookup ON leads (external_lead_id)"))


def link(brain: Engine, vici_lead_id: int, lead_id: int, instance: str = "vici") -> None:
    """What Brain stored when it learned which lead a dialer's lead_id is."""
    with brain.begin() as connection:
        connection.execute(
            text("INSERT INTO vici_lead_links VALUES (:instance, :vici_lead_id, :lead_id, now())"),
            {"instance": instance, "vici_lead_id": vici_lead_id, "lead_id": lead_id},
        )


def ask(engine: Engine, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """All rows of an independent query."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement), values)]


def one(engine: Engine, statement: str, **values: Any) -> Any:
    """The only value of an independent query."""
    ((value,),) = ask(engine, statement, **values)
    return value


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


class Replication:
    """One dialer, one Brain, and syncs at instants that the test names."""

    def __init__(self, site: Exchange, brain: Engine, instance: str = "vici") -> None:
        self.site, self.brain, self.instance = site, brain, instance

    def at(self, now: datetime, *, dry_run: bool = False, **policy: Any) -> Syncing:
        """What a sync at ``now`` works with; the dialer's clock shows the same."""
        dialer = self.site.dialer(self.instance, now=now, **policy)
        return Syncing(dialer, self.brain, lambda: now, dry_run=dry_run)

    def keys(self) -> list[str]:
        """The calls in Brain that still stand at the dialer."""
        return [key for (key,) in ask(self.brain, "SELECT source_key FROM vici_call_logs WHERE vanished_at IS NULL ORDER BY 1")]
