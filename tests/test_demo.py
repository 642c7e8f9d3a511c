"""The demo: it proves a whole site from nothing, goes on where it stood, and never calls a damaged one proven."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from builders import ask, exchange, one
from sqlalchemy import Engine, create_engine, text

from vici_brain.brain.calls import MergeCounts
from vici_brain.brain.embedded import embedded_postgres
from vici_brain.domain.windows import Window
from vici_brain.flows.prove_calls import ProofResult
from vici_brain.orchestration.demo import DemoSummary, _source_keys, proof_line
from vici_brain.settings import PROJECT

NOON = datetime(2025, 6, 10, 16, tzinfo=UTC)
PROVEN = DemoSummary(
    instance="vici",
    window=Window(NOON, NOON + timedelta(hours=1)),
    source_calls=9,
    missing_calls=0,
    calls_by_rule={"phone": 8, "orphan": 1},
    rematched_orphans=2,
    buckets_expected=24,
    buckets_proven=24,
    vanished_calls=1,
    changed_by_second_run=0,
    checks_passed=11,
    checks_warned=1,
    checks_failed=(),
    seconds=1.0,
)


def demo(home: Path) -> "subprocess.CompletedProcess[str]":
    start = "from vici_brain.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", start, "demo", "--days", "2", "--calls-per-day", "80"],
        env={"VICI_BRAIN_HOME": str(home), "COLUMNS": "200"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def brain_of(home: Path) -> Iterator[Engine]:
    """The embedded Brain that a demo left behind."""
    server = embedded_postgres(home)
    engine = create_engine(server.url("brain"))
    try:
        yield engine
    finally:
        engine.dispose()


def shown(output: str, label: str) -> str:
    found = re.search(rf"^ {label} +(\S.*?) *$", output, re.MULTILINE)
    assert found, output
    return found[1]


def test_the_demo_proves_a_new_site_and_then_goes_on_and_repairs_what_was_damaged_meanwhile(tmp_path: Path) -> None:
    first = demo(tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Traceback" not in first.stderr
    assert "Warning" not in first.stderr
    assert shown(first.stdout, "verdict") == "proven"
    source = int(shown(first.stdout, "calls on the dialer").replace(",", ""))
    assert source > 0
    proven, expected = shown(first.stdout, "5-minute buckets proven equal").split(" of ")
    assert proven == expected
    with brain_of(tmp_path) as brain:
        assert one(brain, "SELECT count(*) FROM vici_call_logs") >= source - one(
            brain, "SELECT count(*) FROM quarantined_call_logs WHERE NOT landed"
        )
        kept = ask(brain, "SELECT source_table, source_key, lead_id FROM vici_call_logs WHERE vanished_at IS NULL ORDER BY 1, 2")
        leads = ask(brain, "SELECT external_lead_id, phone, created_at FROM leads ORDER BY 1, 2, 3")
        with brain.begin() as connection:
            damaged = connection.execute(
                text(
                    "DELETE FROM vici_call_logs WHERE source_key IN (SELECT min(source_key) FROM vici_call_logs UNION ALL "
                    "SELECT max(source_key) FROM vici_call_logs WHERE source_table = 'vicidial_log')"
                )
            ).rowcount
    second = demo(tmp_path)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "the simulated dialer has gone on to" in second.stdout
    assert shown(second.stdout, "verdict") == "proven"
    new = sum(int(count.replace(",", "")) for count in re.findall(r"calls read, ([\d,]+) new", second.stdout))
    assert new >= damaged > 0, "what was put back is said"
    with brain_of(tmp_path) as brain:
        now = ask(brain, "SELECT source_table, source_key, lead_id FROM vici_call_logs WHERE vanished_at IS NULL ORDER BY 1, 2")
        assert {row[:2] for row in kept} - {row[:2] for row in now} == set()
        found = ask(brain, "SELECT external_lead_id, phone, created_at FROM leads ORDER BY 1, 2, 3")
        assert len(found) == len(set(found)) >= len(leads), "no lead is told twice"


def test_a_site_is_proven_only_when_nothing_is_missing_unproven_changed_or_failed() -> None:
    assert PROVEN.proven
    assert not replace(PROVEN, missing_calls=1).proven
    assert not replace(PROVEN, buckets_proven=23).proven
    assert not replace(PROVEN, changed_by_second_run=1).proven
    assert not replace(PROVEN, checks_failed=("vici/vici_call_logs: call_keys_are_unique",)).proven


def test_calls_that_came_after_the_demo_began_are_not_missed(tmp_path: Path) -> None:
    """`make dev` lets the dialer live while, or just before, the demo counts."""
    with exchange(f"sqlite:///{tmp_path}/dialer.db") as dialer:
        dialer.outbound(NOON - timedelta(seconds=1), "before.1")
        dialer.outbound(NOON, "at.1")
        dialer.outbound(NOON + timedelta(minutes=3), "after.1")
        dialer.outbound(NOON - timedelta(hours=2), "archived.1", table="vicidial_log_archive")
        dialer.outbound(NOON - timedelta(hours=2), "undated.1", call_date=None)
        dialer.outbound(NOON - timedelta(hours=2), "blank.1", call_date=None, start_epoch=None)
        dialer.inbound(NOON - timedelta(hours=2), 7, start_epoch=2025)
        dialer.inbound(NOON + timedelta(minutes=1), 8, start_epoch=2025)
        keys = {key for _, key in _source_keys(dialer.engine, dialer.zone, NOON)}
    assert keys == {"before.1", "archived.1", "undated.1", "blank.1", "7"}


@pytest.mark.parametrize("repaired", [0, 3])
def test_the_demo_tells_of_repairs_its_last_proof_made(repaired: int) -> None:
    line = proof_line(ProofResult(PROVEN.window, 24, (), repaired, MergeCounts()))
    assert ("3 of them after a repair" in line) == bool(repaired)
