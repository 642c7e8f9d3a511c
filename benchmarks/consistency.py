"""What keeping calls and appointments right costs: validation, a breaker, the triggers, the feed.

Belongs here: their times on a Brain of its own that is dropped afterwards. Does not: whether they are right (tests). Run it as
`python -m benchmarks.consistency`; a minute or two.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import median, quantiles
from time import perf_counter
from uuid import uuid4

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, create_engine, make_url, text

from vici_brain.brain.breakers import Breaker
from vici_brain.brain.crm_calls import CrmCalls
from vici_brain.brain.database import brain_now, migrate, open_brain
from vici_brain.domain.breaker import BreakerPolicy
from vici_brain.domain.consistency_policy import ConsistencyPolicy
from vici_brain.flows.book_appointment import validate_appointment_creation
from vici_brain.flows.guarding import guarded
from vici_brain.flows.watch_consistency import sweep

DATABASE = "bench_consistency"
ROWS, VALIDATIONS, PASSES, FED = 10_000, 500, 1_000, 100_000
_WITHOUT, _WITH = "SET LOCAL session_replication_role = replica", "SET LOCAL session_replication_role = origin"
_WRITES = {
    "insert of calls that agree": "INSERT INTO calls (session_outcome) SELECT 'answered' FROM generate_series(1, :rows)",
    "insert of mismatches": "INSERT INTO calls (session_outcome, direction) SELECT 'appointment_booked', 'inbound'"
    " FROM generate_series(1, :rows)",
    "update of outcomes": "UPDATE calls SET session_outcome = 'voicemail' WHERE session_outcome = 'answered'",
    "insert of appointments": "INSERT INTO appointments (call_id) SELECT id FROM calls"
    " WHERE session_outcome = 'appointment_booked'",
    "delete of appointments": "DELETE FROM appointments",
}
_FILL = """
    INSERT INTO vici_call_logs (instance, source_table, source_key, uniqueid, vici_lead_id, campaign_id, called_at, start_epoch,
        length_in_sec, status, phone_number, row_crc, source_copy, read_at, first_seen_at, changed_at, lead_id, matched_by,
        matched_at)
    SELECT 'vici', 'vicidial_log', 'k' || n, 'k' || n, n, 'SOLAR', now() - n * interval '20 seconds', 0, 30, 'NA', '2125550101',
        n, 'live', now(), now(), now(), n, 'phone', now()
    FROM generate_series(1, :rows) n
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", default="postgresql://postgres@127.0.0.1:5432/postgres", help="a server, as its superuser")
    table = Table("what", "measured", "goal")
    with a_brain(parser.parse_args().postgres) as brain:
        for measure in (_triggers, _validation, _breaker, _feed, _sweep):
            for row in measure(brain):
                table.add_row(*row)
    Console().print(table)


@contextmanager
def a_brain(server_url: str) -> Iterator[Engine]:
    """A Brain of its own on that server, dropped afterwards."""
    server = create_engine(make_url(server_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    name = f"{DATABASE}_{uuid4().hex[:8]}"
    drop = text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    with server.connect() as connection:
        connection.execute(drop)
        connection.execute(text(f"CREATE DATABASE {name}"))
    brain = open_brain(make_url(server_url).set(database=name).render_as_string(hide_password=False))
    try:
        migrate(brain)
        yield brain
    finally:
        brain.dispose()
        with server.connect() as connection:
            connection.execute(drop)
        server.dispose()


def _triggers(brain: Engine) -> Iterator[tuple[str, str, str]]:
    """Each write of 10,000 rows with the triggers and, rolled back, without them: the difference is theirs."""
    for name, statement in _WRITES.items():
        bare = median(_write(brain, statement, _WITHOUT, keep=False) for _ in range(3))
        full = median([_write(brain, statement, _WITH, keep=False), _write(brain, statement, _WITH, keep=True)])
        yield f"triggers, {name}", f"{(full - bare) * 1000 / ROWS:.4f} ms a row", "< 1 ms"


def _write(brain: Engine, statement: str, mode: str, *, keep: bool) -> float:
    with brain.connect() as connection:
        connection.execute(text(mode))
        started = perf_counter()
        connection.execute(text(statement), {"rows": ROWS} if ":rows" in statement else {})
        seconds = perf_counter() - started
        if keep:
            connection.commit()
    return seconds


def _validation(brain: Engine) -> Iterator[tuple[str, str, str]]:
    with brain.begin() as connection:
        made = "INSERT INTO appointments (call_id) SELECT id FROM calls ORDER BY id LIMIT :rows RETURNING call_id"
        calls = list(connection.scalars(text(made), {"rows": VALIDATIONS}))
    now = brain_now(brain)
    kept = [validate_appointment_creation(brain, call, now) for call in calls]
    assert all(each.passed for each in kept)
    yield "validation, p95 of its questions", f"{_p95([each.milliseconds for each in kept]):.2f} ms", "≤ 100 ms"
    whole = [_timed(lambda call=call: validate_appointment_creation(brain, call, now)) for call in calls]  # type: ignore[misc]
    yield "validation, p95 with keeping its verdict", f"{_p95(whole):.2f} ms", "≤ 100 ms"


def _breaker(brain: Engine) -> Iterator[tuple[str, str, str]]:
    breaker = Breaker(brain, "service/bench", BreakerPolicy(), lambda: datetime.now(UTC))

    def through() -> None:
        with guarded(breaker):
            pass

    taken = [_timed(through) for _ in range(PASSES)]
    yield "breaker, closed, median", f"{median(taken):.2f} ms", "1–5 ms"
    yield "breaker, closed, p95", f"{_p95(taken):.2f} ms", "1–5 ms"


def _feed(brain: Engine) -> Iterator[tuple[str, str, str]]:
    with brain.begin() as connection:
        connection.execute(text(_FILL), {"rows": FED})
    calls = CrmCalls(brain)
    started = perf_counter()
    assert calls.feed().added == FED
    seconds = perf_counter() - started
    yield f"feed, first, {FED:,} matched calls", f"{FED / seconds:,.0f} rows/s", ""
    with brain.begin() as connection:
        connection.execute(
            text("UPDATE vici_call_logs SET status = 'SALE', changed_at = clock_timestamp() WHERE row_crc <= 3000")
        )
        connection.execute(text("UPDATE consistency_watermarks SET position = clock_timestamp() - interval '1 second'"))
    yield "feed, 3,000 changed of them", f"{_timed(calls.feed):,.0f} ms", ""


def _sweep(brain: Engine) -> Iterator[tuple[str, str, str]]:
    """Over everything written above, as the first sweep looks at it; and one that finds nothing new."""
    policy = ConsistencyPolicy()
    with brain.begin() as connection:
        held = connection.scalar(text("SELECT count(*) FROM calls"))
    yield f"sweep, first, {held:,} calls", f"{_timed(lambda: sweep(brain, brain_now(brain), policy)):,.0f} ms", ""
    yield "sweep, the next", f"{_timed(lambda: sweep(brain, brain_now(brain), policy)):,.0f} ms", ""


def _timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    started = perf_counter()
    work()
    return (perf_counter() - started) * 1000


def _p95(milliseconds: list[float]) -> float:
    return quantiles(milliseconds, n=20)[-1]


if __name__ == "__main__":
    main()
