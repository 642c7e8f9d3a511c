"""`make bench`: every scenario several times beside the plain pipe, in turns, medians in a table and on a page with a plot.

Belongs here: timing, CPU seconds of all three parties, and telling. Does not: what is timed (scenarios, plain_pipe).
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import psutil
from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine, text

from benchmarks import peers, plain_pipe
from benchmarks.dataset import Dataset, dataset
from benchmarks.scenarios import MOVED, SCENARIOS
from vici_brain.orchestration.charts import BLUE, GREY, as_svg, new_figure

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_PIPE, _PIPE_WITH_LOOK_UPS = "plain pipe, the columns of vicidial_log alone", "plain pipe with code and caller ID"


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: wall seconds, rows, CPU seconds of the client, of MariaDB and of PostgreSQL, peak memory of the client in MiB."""

    seconds: float
    rows: int
    client: float
    mariadb: float
    postgres: float
    peak_mb: float | None = None


def main() -> None:
    options = _options()
    data = dataset(options.mariadb, options.postgres, options.calls)
    runs: dict[str, list[Measured]] = {}
    scenarios = _scenarios(data) | (_peers(data, options.peers) if options.peers else {})
    for turn in range(options.runs):
        print(f"run {turn + 1} of {options.runs}: {data.calls:,} calls")
        for name, measure in scenarios.items():
            found = measure()
            runs.setdefault(name, []).append(found)
            print(f"  {name:48} {found.seconds:7.2f} s", flush=True)
    medians = {name: _median(found) for name, found in runs.items()}
    Console().print(_table(medians))
    if options.write:
        PAGE.write_text(_page(medians, data, options.runs))
        (PAGE.parent / "images" / "benchmarks.svg").write_bytes(_plot(medians))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--mariadb", default="mysql+pymysql://root@127.0.0.1:3306/")
    parser.add_argument("--postgres", default="postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
    parser.add_argument("--peers", type=Path, help="a virtual environment with dlt, sling or ingestr, to be run as well")
    parser.add_argument("--write", action="store_true", help="also write docs/benchmarks.md and its plot")
    return parser.parse_args()


def _scenarios(data: Dataset) -> dict[str, Callable[[], Measured]]:
    """In this order, and the pipe among them: neighbours in time share the machine's mood."""
    brain, pipe = data.brain_url(), data.brain_url("pipe_bench")

    def first(scenario: str) -> Measured:
        data.new_brain()
        return _ours(data, brain, scenario, data.calls)

    def piped(*, looked_up: bool) -> Callable[[], Measured]:
        def run() -> Measured:
            if not looked_up:
                data.new_brain("pipe_bench")
            plain_pipe.prepare(pipe, looked_up=looked_up)
            return _timed(plain_pipe.command(data.vici_url, pipe, looked_up=looked_up), lambda _: plain_pipe.rows(pipe))

        return run

    pipes = {_PIPE: piped(looked_up=False), _PIPE_WITH_LOOK_UPS: piped(looked_up=True)} if plain_pipe.available() else {}
    return {
        **pipes,
        "read and matched, not proven": lambda: first("land"),
        "first fetch: read, matched, proven": lambda: first("first_fetch"),
        "fetch again, nothing changed": lambda: _ours(data, brain, "fetch_again", data.calls),
        "fetch --reread, nothing changed": lambda: _ours(data, brain, "reread", data.calls),
        "proof of every bucket": lambda: _ours(data, brain, "prove", data.calls),
        f"increment of {MOVED:,} calls: read, matched": lambda: _ours(data, brain, "land_increment", MOVED),
        f"increment of {MOVED:,} calls: read, proven, matched": lambda: _ours(data, brain, "increment", MOVED),
    }


def _peers(data: Dataset, folder: Path) -> dict[str, Callable[[], Measured]]:
    """Each peer copies and matches once, and once more with nothing changed."""
    target, scratch = data.brain_url("peer_bench"), Path(tempfile.mkdtemp())
    peers.prepare(data.vici_url)

    def run(peer: peers.Peer, *, again: bool) -> Measured:
        if not again:
            data.new_brain("peer_bench")
        before, used = _servers(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = peers.run(peer, target)
        after, now = _servers(), resource.getrusage(resource.RUSAGE_CHILDREN)
        client = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
        seconds = done.copied + done.matched
        return Measured(seconds, done.calls, client, after[0] - before[0], after[1] - before[1], done.peak_mb)

    found: dict[str, Callable[[], Measured]] = {}
    for peer in peers.peers(folder, data.vici_url, target, scratch=scratch):
        found[f"{peer.name}: copied, then matched"] = partial(run, peer, again=False)
        found[f"{peer.name}: the same again"] = partial(run, peer, again=True)
    return found


def _ours(data: Dataset, brain: str, scenario: str, rows: int) -> Measured:
    command = [sys.executable, "-m", "benchmarks.scenarios", scenario, data.vici_url, brain]
    assert scenario in SCENARIOS
    found = _timed(command, lambda _: rows)
    _check(data, brain, scenario)
    return found


def _timed(command: list[str], rows: Callable[[str], int]) -> Measured:
    """Runs ``command``; one that prints its own seconds (without start-up) is believed."""
    before, used = _servers(), resource.getrusage(resource.RUSAGE_CHILDREN)
    started = perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": "."})  # noqa: TID251 - passed on
    wall = perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} failed:\n{done.stderr[-2000:]}")
    after, now = _servers(), resource.getrusage(resource.RUSAGE_CHILDREN)
    told = json.loads(done.stdout) if done.stdout.startswith("{") else {}
    client = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    servers = (after[0] - before[0], after[1] - before[1])
    return Measured(told.get("seconds", wall), rows(done.stdout), client, *servers, told.get("peak_mb"))


def _servers() -> tuple[float, float]:
    """CPU seconds so far of MariaDB and of PostgreSQL, backends that ended included."""
    mariadb = postgres = 0.0
    for process in psutil.process_iter(["name", "cpu_times"]):
        times, name = process.info["cpu_times"], process.info["name"]
        if times and name in {"mariadbd", "mysqld"}:
            mariadb += times.user + times.system
        elif times and name.startswith("postgres"):
            postgres += times.user + times.system + times.children_user + times.children_system
    return mariadb, postgres


def _check(data: Dataset, brain: str, scenario: str) -> None:
    """Counts, keys and checksums of both sides, by SQL that the project does not use."""
    if scenario in {"land_increment", "increment"}:
        return
    source, target = create_engine(data.vici_url), create_engine(brain)
    with source.connect() as dialer, target.connect() as held:
        for table, key in (("vicidial_log", "uniqueid"), ("vicidial_closer_log", "closecallid")):
            there = dialer.execute(text(f"SELECT count(*), count(DISTINCT {key}), sum(length_in_sec) FROM {table}")).one()
            here = held.execute(
                text(
                    "SELECT count(*), count(DISTINCT source_key), sum(length_in_sec) FROM vici_call_logs"
                    " WHERE source_table = :table AND vanished_at IS NULL"
                ),
                {"table": table},
            ).one()
            if tuple(map(int, there)) != tuple(map(int, here)):
                raise SystemExit(f"{scenario}: {table} differs: {there} at the dialer, {here} in Brain")
    source.dispose()
    target.dispose()


def _median(runs: list[Measured]) -> Measured:
    def of(get: Callable[[Measured], float]) -> float:
        return median(map(get, runs))

    peaks = [run.peak_mb for run in runs if run.peak_mb is not None]
    return Measured(
        of(lambda run: run.seconds),
        runs[0].rows,
        of(lambda run: run.client),
        of(lambda run: run.mariadb),
        of(lambda run: run.postgres),
        median(peaks) if peaks else None,
    )


_OTHERS = ("pipe", "ingestr", "sling", "dlt")
_HEADER = ("what", "s", "rows/s", "CPU s client / MariaDB / PostgreSQL", "peak MiB", "of the pipe's speed")


def _lines(medians: dict[str, Measured]) -> list[tuple[str, ...]]:
    pipe = medians.get(_PIPE_WITH_LOOK_UPS)
    found: list[tuple[str, ...]] = []
    for name, each in medians.items():
        speed = each.rows / each.seconds
        ratio = f"{speed / (pipe.rows / pipe.seconds):.2f}" if pipe else ""
        cpu = f"{each.client:.1f} / {each.mariadb:.1f} / {each.postgres:.1f}"
        found.append((name, f"{each.seconds:.2f}", f"{speed:,.0f}", cpu, f"{each.peak_mb:.0f}" if each.peak_mb else "", ratio))
    return found


def _table(medians: dict[str, Measured]) -> Table:
    table = Table(*_HEADER, box=None)
    for line in _lines(medians):
        table.add_row(*line)
    return table


def _page(medians: dict[str, Measured], data: Dataset, runs: int) -> str:
    rows = "\n".join(f"| {' | '.join(line)} |" for line in _lines(medians))
    with create_engine(data.vici_url).connect() as dialer, create_engine(data.brain_url()).connect() as brain:
        mariadb, postgres = dialer.scalar(text("SELECT version()")), brain.scalar(text("SHOW server_version"))
        settings = ", ".join(f"{name} {brain.scalar(text(f'SHOW {name}'))}" for name in ("shared_buffers", "fsync"))
    machine = f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB, Python {platform.python_version()}"
    return (
        (Path(__file__).parent / "page.md")
        .read_text()
        .format(
            calls=f"{data.calls:,}",
            rows=rows,
            runs=runs,
            machine=machine,
            servers=f"MariaDB {mariadb} (MyISAM), PostgreSQL {postgres} ({settings})",
            day=datetime.now(UTC).date(),
            header=" | ".join(_HEADER),
        )
    )


def _plot(medians: dict[str, Measured]) -> bytes:
    figure, (axes,) = new_figure(8.5, 3.0)
    names = list(medians)[::-1]
    speeds = [medians[name].rows / medians[name].seconds / 1000 for name in names]
    axes.barh(names, speeds, color=[GREY if any(other in name for other in _OTHERS) else BLUE for name in names])
    axes.set_xlabel("thousand rows a second")
    return as_svg(figure)


if __name__ == "__main__":
    main()
