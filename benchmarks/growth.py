"""How Brain's own statements grow with the number of calls it holds: 1, 3 and 10 million, for what 90 million will be like.

Belongs here: a Brain filled by SQL alone, and the times of what runs every five minutes, hour and day on it. Does not: reading a
dialer (scenarios). Run it as `python -m benchmarks.growth`; ten million calls need 6 GB and a few minutes.
"""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, create_engine, make_url, text

from vici_brain.brain.bucket_counts import calls_per_bucket
from vici_brain.brain.calls import CallStore
from vici_brain.brain.database import migrate, open_brain
from vici_brain.brain.gaps import GapStore
from vici_brain.brain.ledger import Ledger
from vici_brain.brain.matches import MatchStore
from vici_brain.brain.overview import Overview
from vici_brain.brain.proofs import ProofStore, Scope
from vici_brain.domain.call_rows import COLUMNS, CleanRows
from vici_brain.domain.windows import BUCKET, Window

END = datetime(2026, 11, 1, tzinfo=UTC)
DAYS, NEW = 90, 3_000
TABLES = ["vicidial_log", "vicidial_closer_log"]
_FILL = """
    INSERT INTO vici_call_logs (instance, source_table, source_key, uniqueid, vici_lead_id, list_id, campaign_id, call_date,
        called_at, start_epoch, end_epoch, length_in_sec, status, phone_code, phone_number, phone_key, agent_user, user_group,
        term_reason,
        alt_dial, called_count, vendor_lead_code, row_crc, source_copy, read_at, first_seen_at, changed_at, lead_id, matched_by,
        matched_at, match_candidates)
    SELECT 'vici', 'vicidial_log', epoch || '.' || n, epoch || '.' || n, n % :leads, 101, 'AUTODIAL',
        to_timestamp(epoch) AT TIME ZONE 'UTC', to_timestamp(epoch), epoch, epoch + 30, 30, 'NA', '1', phone, '1' || phone,
        'VDAD', 'AGENTS', 'NONE', 'NONE', 1, '1' || lpad((n % :leads)::text, 12, '0'), n % 4294967296, 'live', now(), now(),
        now(), CASE WHEN n % 20 > 0 THEN n % :leads + 1 END, CASE WHEN n % 20 > 0 THEN 'phone' END, now(), 1
    FROM (SELECT n, :start + n * :seconds / :calls AS epoch, '212' || lpad((n % :leads)::text, 7, '0') AS phone
          FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n) AS calls
"""
_PROVEN = """
    INSERT INTO call_log_proofs SELECT 'vici', name, at, 'proven', at, 0, 0, 0, 0, at
    FROM unnest(CAST(:tables AS text[])) AS name,
        generate_series(CAST(:start AS timestamptz), CAST(:end AS timestamptz) - interval '5 minutes', interval '5 minutes') AS at
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", default="postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
    parser.add_argument("--calls", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000])
    options = parser.parse_args()
    columns = []
    for calls in options.calls:
        brain = _new_brain(options.postgres)
        fill(brain, calls)
        columns.append((calls, measured(brain)))
    table = Table("milliseconds", *(f"{calls:,} calls" for calls, _ in columns), box=None)
    for name in columns[0][1]:
        table.add_row(name, *(f"{times[name] * 1000:,.0f}" for _, times in columns))
    Console().print(table)


def _new_brain(server: str) -> Engine:
    with create_engine(server, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS brain_growth WITH (FORCE)"))
        connection.execute(text("CREATE DATABASE brain_growth"))
    brain = open_brain(make_url(server).set(database="brain_growth"))
    migrate(brain)
    return brain


def fill(brain: Engine, calls: int) -> None:
    """Ninety days of calls, evenly, a twentieth of them orphans; every bucket proven."""
    seconds = DAYS * 86_400
    scope = {"leads": max(1, calls // 7), "start": int(END.timestamp()) - seconds, "seconds": seconds, "calls": calls}
    with brain.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO leads (external_lead_id, phone) SELECT '1' || lpad(n::text, 12, '0'), '212' || lpad(n::text, 7, '0')"
                " FROM generate_series(1, CAST(:leads AS bigint)) AS n"
            ),
            scope,
        )
    for first in range(0, calls, 500_000):
        with brain.begin() as connection:
            connection.execute(text(_FILL), scope | {"first": first, "last": min(calls, first + 500_000) - 1})
    with brain.begin() as connection:
        connection.execute(text(_PROVEN), {"tables": TABLES, "start": END - timedelta(days=DAYS), "end": END})
    with brain.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))


def measured(brain: Engine) -> dict[str, float]:
    """Seconds of each piece of work, the median of three."""
    tick, week = Window(END - timedelta(hours=20), END - timedelta(hours=20) + BUCKET), Window(END - timedelta(days=7), END)
    half_hour, unread = Window(tick.end - timedelta(minutes=30), tick.end), Window(END, END + BUCKET)
    work: dict[str, Callable[[], object]] = {
        f"{NEW:,} calls of five minutes that were never read, landed and matched": lambda: _merge(brain, unread),
        f"{NEW:,} new calls of five minutes that were read, merged": lambda: _merge(brain, tick),
        "match of a window": lambda: MatchStore(brain).match_window("vici", tick),
        "Brain's side of a proof, half an hour": lambda: _judge(brain, half_hour),
        "Brain's side of a proof, a week": lambda: _judge(brain, week),
        "counts of each bucket of a week": lambda: calls_per_bucket(brain, "vici", week),
        "gaps of 90 days": lambda: GapStore(brain).gaps("vici", TABLES, Window(END - timedelta(days=DAYS), END), END),
        "how far it was read": lambda: Ledger(brain).position("vici", TABLES),
        "a batch of orphans matched again": lambda: MatchStore(brain).match_orphans_after("vici", ("", ""), 5_000),
        "status of seven days": lambda: Overview(brain).of_instance("vici", "UTC", END),
    }
    return {name: median(_seconds(each) for _ in range(3)) for name, each in work.items()}


def _judge(brain: Engine, window: Window) -> None:
    """Against a dialer that has nothing, so that every bucket with calls differs; undone, because nothing is recorded."""
    with ProofStore(brain).judging([Scope("vici", table, "UTC") for table in TABLES], window) as judging:
        judging.compare(END, {table: {} for table in TABLES}, dict.fromkeys(TABLES, ()))


def _merge(brain: Engine, window: Window) -> None:
    """As a tick does it; undone each time."""
    start = int(window.start.timestamp())
    rows = CleanRows([_row(start + number % 300, number) for number in range(NEW)])
    with CallStore(brain).landing("vici", "vicidial_log", "UTC", dry_run=True) as landing:
        landing.stage(rows, source_copy="live")
        counts = landing.merge(window)
    assert counts.new == NEW, counts


def _row(epoch: int, number: int) -> tuple[str | int | None, ...]:
    key = f"{epoch}.new{number}"
    row: dict[str, str | int] = {
        "source_key": key,
        "uniqueid": key,
        "vici_lead_id": number,
        "list_id": 101,
        "campaign_id": "AUTODIAL",
        "call_date": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "start_epoch": epoch,
        "end_epoch": epoch + 30,
        "length_in_sec": 30,
        "status": "NA",
        "phone_code": "1",
        "phone_number": f"212{number:07}",
        "agent_user": "VDAD",
        "user_group": "AGENTS",
        "term_reason": "NONE",
        "alt_dial": "NONE",
        "called_count": 1,
        "vendor_lead_code": f"1{number:012}",
        "row_crc": number,
    }
    return tuple(row.get(name) for name in COLUMNS)


def _seconds(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


if __name__ == "__main__":
    main()
