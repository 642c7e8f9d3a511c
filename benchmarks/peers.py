"""The peers: dlt, sling and ingestr, on the data and the servers of `make bench`, doing as much of our work as they can.

Belongs here: how each is called, and the SQL that has to follow it. Does not: timing (run.py).

None of them looks up a lead's code or a caller ID, so the dialer gets a view that does, as the plain pipe does; none matches
calls, so one statement follows that joins leads in bulk, as a modelling tool would. They copy outbound calls only and prove
nothing.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import STDOUT, Popen
from tempfile import TemporaryFile
from time import perf_counter, sleep

import psutil
from sqlalchemy import create_engine, make_url, text

from benchmarks.plain_pipe import SELECTED

VIEW = "bench_calls"
# One line for each call, with the lead of its code, else the oldest of its number.
_MATCH = (
    "DROP TABLE IF EXISTS matched_calls",
    """
    CREATE TABLE matched_calls AS
    SELECT calls.*, coalesce(by_code.id, by_phone.id) AS matched_lead
    FROM {calls} AS calls
    LEFT JOIN leads AS by_code ON by_code.external_lead_id = calls.vendor_lead_code
    LEFT JOIN (
        SELECT normalised_phone('1', phone) AS phone_key, min(id) AS id FROM leads GROUP BY 1
    ) AS by_phone ON by_phone.phone_key = calls.phone_code || calls.phone_number
    """,
)


@dataclass(frozen=True, slots=True)
class Peer:
    """A tool, how it copies the view, and the table that it makes of it."""

    name: str
    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def peers(folder: Path, vici_url: str, target_url: str, *, scratch: Path) -> list[Peer]:
    """Those that are installed in the virtual environment ``folder``."""
    source = make_url(vici_url).set(drivername="mysql")
    mysql, target = source.render_as_string(hide_password=False), _libpq(target_url)
    found = []
    if (program := folder / "bin" / "ingestr").exists():
        tables = ["--source-table", f"{source.database}.{VIEW}", "--dest-table", "public.peer_calls"]
        how = ["--incremental-strategy", "merge", "--primary-key", "uniqueid", "--yes"]
        uris = ["--source-uri", mysql, "--dest-uri", f"{target}?sslmode=disable"]
        found.append(Peer("ingestr 1.0.78", [str(program), "ingest", *uris, *tables, *how]))
    for program in folder.glob("lib/python*/site-packages/sling_linux_amd64/bin/sling*"):
        streams = ["--src-conn", "DIALER", "--src-stream", f"{source.database}.{VIEW}", "--tgt-conn", "BRAIN"]
        how = ["--tgt-object", "public.peer_calls", "--mode", "incremental", "--primary-key", "uniqueid"]
        login = f"{source.username}:{source.password or ''}@{source.host}:{source.port or 3306}"
        urls = {"DIALER": f"mysql://{login}/{source.database}", "BRAIN": f"{target}?sslmode=disable"}
        found.append(Peer("sling 1.4.11", [str(program), "run", *streams, *how], urls))
    if (folder / "bin" / "dlt").exists():
        script = Path(__file__).with_name("peer_dlt.py")
        pymysql = source.set(drivername="mysql+pymysql").render_as_string(hide_password=False)
        # It insists on a password, even where the server asks for none.
        with_password = make_url(target).set(password=make_url(target).password or "none").render_as_string(hide_password=False)
        settings = {"DLT_DATA_DIR": str(scratch), "RUNTIME__DLTHUB_TELEMETRY": "false", "LOAD__WORKERS": "2"}
        found.append(Peer("dlt 1.31.0", [str(folder / "bin" / "python"), str(script), pymysql, with_password, VIEW], settings))
    return found


def prepare(vici_url: str) -> None:
    """The view at the dialer that the peers read."""
    engine = create_engine(vici_url)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE OR REPLACE VIEW {VIEW} AS {SELECTED} WHERE call_date >= '2000-01-01'"))
    engine.dispose()


@dataclass(frozen=True, slots=True)
class Copied:
    """Seconds of copying and of matching after it, how many calls came, and the largest size of the tool's processes in MiB."""

    copied: float
    matched: float
    calls: int
    peak_mb: float


def run(peer: Peer, target_url: str) -> Copied:
    """Copies and matches once. Raises SystemExit with the tool's last words if it fails."""
    started, peak = perf_counter(), 0.0
    with TemporaryFile() as said:
        command = Popen(peer.command, stdout=said, stderr=STDOUT, env=os.environ | peer.environment)  # noqa: TID251 - passed on
        while command.poll() is None:
            peak = max(peak, _resident_mb(command.pid))
            sleep(0.05)
        copied = perf_counter() - started
        said.seek(0)
        if command.returncode:
            raise SystemExit(f"{peer.name} failed:\n{said.read().decode(errors='replace')[-2000:]}")
    engine = create_engine(target_url)
    with engine.begin() as connection:
        started = perf_counter()
        for statement in _MATCH:
            connection.execute(text(statement.format(calls="public.peer_calls")))
        matched = perf_counter() - started
        calls = int(connection.scalar(text("SELECT count(DISTINCT uniqueid) FROM matched_calls")) or 0)
    engine.dispose()
    return Copied(copied, matched, calls, peak)


def _resident_mb(pid: int) -> float:
    """Of a process and all that it started, now; nothing of those that have just ended."""
    size = 0
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                size += process.memory_info().rss
    return size / 2**20


def _libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
