"""What a fetch holds in memory is a slice and its page, however long the history is."""

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from builders import Exchange, exchange, one, outbound_row
from sqlalchemy import Engine

from vici_brain.domain.windows import Window
from vici_brain.flows.sync_calls import fetch_history
from vici_brain.flows.syncing import Syncing

DAY = timedelta(days=1)
CALLS_A_DAY = 480
NOW = datetime.now(UTC).replace(second=0, microsecond=0)  # SQLite has the machine's clock


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Exchange]:
    """Ten days with a call every three minutes."""
    with exchange(f"sqlite:///{tmp_path}/dialer.db") as opened:
        rows = [outbound_row(NOW - timedelta(minutes=3 * n, seconds=90), f"{n}.1") for n in range(10 * CALLS_A_DAY)]
        opened.put("vicidial_log", *rows)
        yield opened


def peak_of(sync: Syncing, start: int, end: int) -> int:
    """Bytes that fetching the days from ``start`` to ``end`` before now held at most, beyond what was held before."""
    window = Window(NOW - start * DAY, NOW - end * DAY)
    tracemalloc.start()
    try:
        read = sum(read.rows_new for read, _ in fetch_history(sync, "test", window))
        assert read > 0.9 * (start - end) * CALLS_A_DAY
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_six_days_of_history_need_no_more_memory_than_three(busy: Exchange, brain: Engine) -> None:  # F030, F031
    sync = Syncing(busy.dialer(), brain, lambda: datetime.now(UTC))
    peak_of(sync, 1, 0)  # first use fills caches that stay
    # Slices grow to a day, and a few wait to be merged while the next is read: within three days there are as many, of that size.
    three_days, six_days = peak_of(sync, 4, 1), peak_of(sync, 10, 4)
    assert six_days < 1.5 * three_days, f"{six_days:,} bytes for six days, {three_days:,} for three"
    assert one(brain, "SELECT count(*) FROM vici_call_logs") == 10 * CALLS_A_DAY
