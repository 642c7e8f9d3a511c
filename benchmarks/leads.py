"""`python -m benchmarks.leads`: leads of a dialer and of a file into an empty Brain, and both again: rows a second, memory.

Belongs here: making the leads, taking them in once and once more, and telling. Does not: calls (run.py).

Every step is a process of its own, so that its peak memory is its own. The databases are dropped at the end.
"""

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from sqlalchemy import create_engine, make_url, text

from vici_brain.brain.database import migrate, open_brain
from vici_brain.brain.journal import peak_memory_mb
from vici_brain.flows.import_csv import CsvOrder, import_csv
from vici_brain.flows.import_leads import ImportOrder, import_leads
from vici_brain.flows.syncing import Syncing
from vici_brain.vici import schema
from vici_brain.vici.dialer import Dialer

NAME, CAMPAIGN, LIST = "vici_brain_bench_of_leads", "SOLAR", 101
# One in ten has a number that another has too; MariaDB's sequence engine makes the rows where they are kept.
_LEADS = """
    INSERT INTO vicidial_list (lead_id, list_id, phone_code, phone_number, status, vendor_lead_code, first_name, last_name,
        email, state, entry_date, last_local_call_time, called_count)
    SELECT seq, 101, '1', CONCAT('212', LPAD(2000000 + IF(seq % 10 = 0, seq - 1, seq), 7, '0')), IF(seq % 3, 'NEW', 'NA'), '',
        CONCAT('First', seq), CONCAT('Last', seq), CONCAT('lead', seq, '@example.org'), 'NY', '2026-01-01 09:00:00',
        '2008-01-01 00:00:00', 0
    FROM seq_1_to_{count}
"""


def main() -> None:
    options = _options()
    if options.step:
        STEPS[options.step](options)
        return
    with TemporaryDirectory() as folder, _databases(options):
        file = Path(folder) / "leads.csv"
        _file(file, options.rows)
        for step in STEPS:
            command = [sys.executable, "-m", "benchmarks.leads", *sys.argv[1:], "--step", step, "--file", str(file)]
            done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            rate = done["rows"] / done["seconds"]
            print(
                f"{step:18} {done['rows']:>9,} rows {done['seconds']:7.1f} s {rate:>8,.0f} rows/s {done['peak_mb']:6.0f} MiB",
                flush=True,
            )


def _from_dialer(options: argparse.Namespace, *, again: bool = False) -> None:
    dialer = Dialer("vici", _vici(options), "UTC")
    brain = open_brain(_brain(options))
    started = perf_counter()
    done = import_leads(Syncing(dialer, brain, lambda: datetime.now(UTC)), ImportOrder((CAMPAIGN,), "bench", "bench"))
    assert done.read == options.leads
    assert bool(done.rows_changed) is not again
    _tell(done.read, perf_counter() - started)


def _from_file(options: argparse.Namespace, *, again: bool = False) -> None:
    brain, started = open_brain(_brain(options)), perf_counter()
    done = import_csv(brain, CsvOrder(options.file, "bench", match_vici=True))
    assert done.rows == options.rows
    assert bool(done.created) is not again
    _tell(done.rows, perf_counter() - started)


STEPS: dict[str, Callable[[argparse.Namespace], None]] = {
    "dialer": _from_dialer,
    "dialer again": lambda options: _from_dialer(options, again=True),
    "file": _from_file,
    "file again": lambda options: _from_file(options, again=True),
}


def _tell(rows: int, seconds: float) -> None:
    print(json.dumps({"rows": rows, "seconds": seconds, "peak_mb": peak_memory_mb()}))


def _file(path: Path, rows: int) -> None:
    """Of the first numbers, as far as the dialer goes, it has every tenth."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Phone", "First Name", "Last Name", "Email", "State", "Zip"])
        for number in range(rows):
            phone = f"212{2_000_000 + number:07}" if number % 10 == 1 else f"312{2_000_000 + number:07}"
            writer.writerow([phone, f"First{number}", f"Last{number}", f"file{number}@example.org", "NY", "10001"])


@contextmanager
def _databases(options: argparse.Namespace) -> Iterator[None]:
    dialer = create_engine(options.mariadb, isolation_level="AUTOCOMMIT")
    postgres = create_engine(options.postgres, isolation_level="AUTOCOMMIT")
    with dialer.connect() as here, postgres.connect() as there:
        drops = (here, f"DROP DATABASE IF EXISTS {NAME}"), (there, f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        for connection, statement in drops:
            connection.execute(text(statement))
            connection.execute(text(f"CREATE DATABASE {NAME}"))
        try:
            _fill(options)
            yield
        finally:
            for connection, statement in drops:
                connection.execute(text(statement))


def _fill(options: argparse.Namespace) -> None:
    engine = create_engine(_vici(options), connect_args={"init_command": "SET sql_mode=''"})
    schema.create_tables(engine, mysql_engine="MyISAM")
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO vicidial_lists (list_id, campaign_id) VALUES (:list, :campaign)"),
            {"list": LIST, "campaign": CAMPAIGN},
        )
        connection.execute(text(_LEADS.format(count=options.leads)))
    engine.dispose()
    brain = open_brain(_brain(options))
    migrate(brain)
    brain.dispose()


def _vici(options: argparse.Namespace) -> str:
    return make_url(options.mariadb).set(database=NAME).render_as_string(hide_password=False)


def _brain(options: argparse.Namespace) -> str:
    return make_url(options.postgres).set(database=NAME).render_as_string(hide_password=False)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, default=200_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--mariadb", default="mysql+pymysql://root@127.0.0.1:3306/")
    parser.add_argument("--postgres", default="postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
