"""What the tests of old orphans share: a small dialer full of them, and how calls are divided afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders import NOON, Exchange, ask, exchange
from sqlalchemy import Engine

from vici_brain.brain.calls import CallStore
from vici_brain.brain.journal import SyncIdentity
from vici_brain.brain.orphan_archive import Mode
from vici_brain.domain.windows import Window
from vici_brain.flows.match_calls import rematch_orphans
from vici_brain.flows.prove_calls import ProofResult, prove_calls
from vici_brain.flows.purge_orphans import PurgeOrder, PurgeResult, purge_orphans
from vici_brain.flows.read_calls import ReadResult, read_calls

NOW = NOON + timedelta(days=9)
RANGE = Window(NOON - timedelta(hours=1), NOON + timedelta(hours=1))
MODES = pytest.mark.parametrize("mode", ["hidden", "purged"])


@contextmanager
def dialer_of_orphans(folder: Path) -> Iterator[Exchange]:
    """Forty orphans around NOON, one an inbound call, and one young call nine days later."""
    with exchange(f"sqlite:///{folder}/dialer.db") as opened:
        for number in range(39):
            phone = f"21255501{number:02d}"
            opened.outbound(NOON + timedelta(minutes=number - 20), f"{number}.1", lead_id=100 + number, phone_number=phone)
        opened.inbound(NOON, 7, lead_id=7, phone_number="2125550999")
        opened.outbound(NOW - timedelta(days=1), "young.1", lead_id=500, phone_number="2125550888")
        yield opened


def read(dialer: Exchange, brain: Engine, window: Window = RANGE) -> ReadResult:
    return read_calls(dialer.dialer(), CallStore(brain), window, clock=lambda: datetime.now(NOON.tzinfo))


def prove(dialer: Exchange, brain: Engine, *, repair: bool = True) -> ProofResult:
    return prove_calls(dialer.dialer(), brain, RANGE, clock=lambda: datetime.now(NOON.tzinfo), repair=repair)


def synced(dialer: Exchange, brain: Engine) -> None:
    read(dialer, brain)
    read(dialer, brain, Window(NOW - timedelta(days=1, hours=1), NOW - timedelta(hours=23)))
    assert prove(dialer, brain).differing == ()


def put_away(brain: Engine, mode: Mode, folder: Path, *, apply: bool = True, now: datetime = NOW) -> PurgeResult:
    return purge_orphans(brain, "vici", now, PurgeOrder(mode, folder / "exports", "test", "somebody"), apply=apply, batch=16)


def rematch(brain: Engine) -> int:
    return rematch_orphans(brain, SyncIdentity("vici", "match_orphans", "test")).counts.matched


def everything(brain: Engine) -> list[tuple[Any, ...]]:
    """All calls with all their columns, wherever they are kept."""
    return ask(brain, "SELECT * FROM vici_call_logs ORDER BY instance, source_table, source_key")


def counts(brain: Engine) -> tuple[Any, ...]:
    """Calls, orphans to be seen, and purged ones."""
    (found,) = ask(
        brain,
        "SELECT (SELECT count(*) FROM vici_call_logs), (SELECT count(*) FROM orphan_call_logs),"
        " (SELECT count(*) FROM purged_orphan_calls)",
    )
    return found
