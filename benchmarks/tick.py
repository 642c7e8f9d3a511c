"""What a tick costs: a site with its daemon, some runs of the five-minute job as the schedule starts them, and who took the time.

Belongs here: starting the site, watching its run workers, and a table. Does not: what a tick does. Run it as
`python -m benchmarks.tick` after `make demo`; three ticks take a quarter of an hour.
"""

import argparse
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from statistics import median
from time import sleep

import dagster as dg
import psutil
from rich.console import Console
from rich.table import Table

from vici_brain.domain.windows import BUCKET
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.orchestration.local import dagster_instance
from vici_brain.orchestration.partitions import start_of
from vici_brain.settings import load_settings

NAMES = InstanceNames("vici")
DUE = timedelta(minutes=1)
"""A tick is due a minute after its five minutes closed."""
_HEADER = ("partition", "due until queued, s", "queued until started, s", "run, s", "due until ended, s", "CPU s of its process")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ticks", type=int, default=3)
    parser.add_argument("--port", type=int, default=3111)
    options = parser.parse_args()
    table = Table(*_HEADER, box=None)
    ticks: list[tuple[float, ...]] = []
    with dagster_instance(load_settings()) as (_, instance), _site(options.port):
        for run, cpu in _watched(instance, options.ticks):
            key = run.dagster_run.tags["dagster/partition"]
            due = start_of(key) + BUCKET + DUE
            queued, started, ended = run.create_timestamp.timestamp(), run.start_time or 0.0, run.end_time or 0.0
            ticks.append((queued - due.timestamp(), started - queued, ended - started, ended - due.timestamp(), cpu))
            table.add_row(key, *(f"{each:.1f}" for each in ticks[-1]))
    table.add_row("median", *(f"{median(column):.1f}" for column in zip(*ticks, strict=True)))
    Console().print(table)


@contextmanager
def _site(port: int) -> Iterator[None]:
    command = [sys.executable, "-c", "from vici_brain.cli.main import main; main()", "dev", "--port", str(port)]
    site = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        site.send_signal(signal.SIGINT)
        site.wait(60)


def _watched(instance: dg.DagsterInstance, count: int) -> Iterator[tuple[dg.RunRecord, float]]:
    """Runs of the five-minute job that began and ended well while we watched, with the CPU seconds of their processes."""
    since, seen, workers = datetime.now(UTC), set[str](), dict[int, tuple[float, float]]()
    while len(seen) < count:
        for process in psutil.process_iter(["cmdline", "cpu_times", "create_time"]):
            if "spawn_main" in " ".join(process.info["cmdline"] or ()) and (times := process.info["cpu_times"]):
                workers[process.pid] = (process.info["create_time"], times.user + times.system)
        wanted = dg.RunsFilter(job_name=NAMES.sync_job, statuses=[dg.DagsterRunStatus.SUCCESS], created_after=since)
        for record in instance.get_run_records(wanted):
            if record.dagster_run.run_id not in seen:
                seen.add(record.dagster_run.run_id)
                yield record, _cpu_of(record, workers)
        sleep(0.1)


def _cpu_of(run: dg.RunRecord, workers: dict[int, tuple[float, float]]) -> float:
    """Of the process that the code server made for the run: the newest that began before the run did."""
    began = [each for each in workers.values() if run.create_timestamp.timestamp() <= each[0] <= (run.start_time or 0.0)]
    return max(began)[1] if began else float("nan")


if __name__ == "__main__":
    main()
