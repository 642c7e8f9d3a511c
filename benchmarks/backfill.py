"""90 days through Dagster, 25,920 partitions in runs of a week over PostgreSQL: what the orchestration adds to the work.

Belongs here: the runs as the daemon makes them, one after another, and who spent the time. Does not: the queue and the start of a
process for each run (2 to 3 seconds each, seen in the daemon), which `make dev` shows.

Run it as `python -m benchmarks.backfill`; it uses the data of `make bench`.
"""

import argparse
import os
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import SecretStr
from sqlalchemy import create_engine, make_url, text

from benchmarks.dataset import UNTIL, ZONE, dataset
from definitions import definitions_for
from vici_brain.domain.windows import BUCKET
from vici_brain.flows.sync_calls import BATCH
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.orchestration.dagster_home import dagster_environment
from vici_brain.orchestration.partitions import RANGE_TAGS, key_of
from vici_brain.settings import PROJECT, DialerSettings, load_settings

NAMES = InstanceNames("vici")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--unread-days", type=int, default=1, help="days before these 90 that have partitions too, never read")
    parser.add_argument("--mariadb", default="mysql+pymysql://root@127.0.0.1:3306/")
    parser.add_argument("--postgres", default="postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
    options = parser.parse_args()
    data = dataset(options.mariadb, options.postgres, options.calls)
    with create_engine(options.postgres, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS dagster_bench WITH (FORCE)"))
        connection.execute(text("CREATE DATABASE dagster_bench"))
    brain = data.new_brain("brain_backfill")
    with tempfile.TemporaryDirectory() as home:
        storage = make_url(options.postgres).set(database="dagster_bench").render_as_string(hide_password=False)
        os.environ |= dagster_environment(Path(home), base=PROJECT, storage_url=storage)  # noqa: TID251 - Dagster reads it there
        offset = datetime.now(UTC).astimezone(ZoneInfo(ZONE)).strftime("%z")
        query = {"init_command": f"SET time_zone = '{offset[:3]}:{offset[3:]}'"}
        dialer = make_url(data.vici_url).update_query_dict(query).render_as_string(hide_password=False)
        settings = replace(
            load_settings({"VICI_BRAIN_HOME": home}),
            brain_url=SecretStr(brain),
            dialers=(DialerSettings("vici", ZONE, SecretStr(dialer)),),
            sync_start=(UNTIL - timedelta(days=90 + options.unread_days)).date(),
        )
        with dg.DagsterInstance.get() as instance:
            _run(settings, instance, brain)


def _run(settings: object, instance: dg.DagsterInstance, brain: str) -> None:
    job = definitions_for(settings).resolve_job_def(NAMES.backfill_job)  # type: ignore[arg-type]
    started, start, partitions = perf_counter(), UNTIL - timedelta(days=90), 0
    while start < UNTIL:
        end = min(start + BATCH, UNTIL)
        ends = (key_of(start), key_of(end - BUCKET))
        began = perf_counter()
        assert job.execute_in_process(instance=instance, tags=dict(zip(RANGE_TAGS, ends, strict=True))).success
        partitions += int((end - start) / BUCKET)
        print(f"{ends[0]}..{ends[1]}: {perf_counter() - began:.1f} s", flush=True)
        start = end
    wall = perf_counter() - started
    with create_engine(brain).connect() as connection:
        data_seconds = float(connection.scalar(text("SELECT sum(seconds) FROM sync_logs")) or 0)
        calls = connection.scalar(text("SELECT count(*) FROM vici_call_logs"))
    overhead = wall - data_seconds
    print(
        f"{partitions:,} partitions, {calls:,} calls: {wall:.0f} s, of which {data_seconds:.0f} s reading, proving and matching, "
        f"{overhead:.0f} s Dagster's: {overhead / partitions * 1000:.2f} ms a partition; "
        f"{process_time():.0f} s of CPU of this process"
    )


if __name__ == "__main__":
    main()
