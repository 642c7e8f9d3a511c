"""The goals of the daily report measured in real time: nothing is told to be later than it is.

Belongs here: three minutes in which calls go wrong, the sensor's rounds tell of them, a calendar is away and comes back, and the
report that reads what that took from Brain's tables. Does not: what single writes cost (benchmarks/consistency). Run it as
`python -m benchmarks.goals`; it needs PostgreSQL and four minutes, most of them spent waiting.
"""

import argparse
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep

from pydantic import SecretStr
from rich.console import Console
from rich.markdown import Markdown
from sqlalchemy import Engine, text

from benchmarks.consistency import a_brain
from vici_brain.brain.breakers import Breaker
from vici_brain.domain.alert_policy import AlertPolicy
from vici_brain.domain.breaker import CLOSED, BreakerPolicy
from vici_brain.domain.consistency_policy import ConsistencyPolicy
from vici_brain.errors import RetriableError
from vici_brain.flows.alert_channels import AppriseChannels
from vici_brain.flows.book_appointment import validate_appointment_creation
from vici_brain.flows.guarding import guarded
from vici_brain.flows.report_consistency import report_consistency
from vici_brain.flows.send_alerts import send_alerts
from vici_brain.flows.tell_consistency import tell_untold
from vici_brain.flows.watch_consistency import sweep

CALLS, BOOKINGS, WRONG = 20_000, 500, 40
WRITING, ALL = 120.0, 240.0
ROUND_EVERY, AWAY = 60.0, 45.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", default="postgresql://postgres@127.0.0.1:5432/postgres", help="a server, as its superuser")
    with a_brain(parser.parse_args().postgres) as brain, _people() as url:
        _good_day(brain)
        _bad_minutes(brain, AppriseChannels([SecretStr(url)]))
        sweep(brain, _now(), ConsistencyPolicy())
        report = report_consistency(brain, _now(), "UTC", _now().date())
    Console().print(Markdown(report.markdown))


def _good_day(brain: Engine) -> None:
    """Calls that agree, bookings that are validated, and rows that went wrong behind the triggers but can be put right."""
    with brain.begin() as connection:
        connection.execute(
            text("INSERT INTO calls (session_outcome) SELECT 'answered' FROM generate_series(1, :n)"), {"n": CALLS}
        )
        book = "INSERT INTO appointments (call_id) SELECT id FROM calls ORDER BY id LIMIT :n RETURNING call_id"
        booked = list(connection.scalars(text(book), {"n": BOOKINGS}))
    for call in booked:
        assert validate_appointment_creation(brain, call, _now()).passed
    with brain.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE calls SET appointment_link_status = 'unlinked' WHERE appointment_made"))


def _bad_minutes(brain: Engine, channels: AppriseChannels) -> None:
    """One thread is the sensor and its clock, the other the calls that go wrong and the callers of a calendar that is away."""
    started = monotonic()
    callers = threading.Thread(target=_call_calendar, args=(brain,))
    callers.start()
    wrong = sorted(random.Random(7).uniform(0, WRITING) for _ in range(WRONG))
    next_round = ROUND_EVERY
    while monotonic() - started < ALL and (wrong or _untold(brain)):
        passed = monotonic() - started
        while wrong and wrong[0] <= passed:
            wrong.pop(0)
            with brain.begin() as connection:
                connection.execute(text("INSERT INTO calls (session_outcome) VALUES ('appointment_booked')"))
        if passed >= next_round:
            next_round += ROUND_EVERY
            tell_untold(brain, _now(), timedelta(minutes=5))
            send_alerts(brain, [], channels, AlertPolicy(), _now())
        sleep(0.5)
    callers.join()


def _call_calendar(brain: Engine) -> None:
    """Somebody books every half second; the calendar is away for a while, and the breaker lets through what it lets through."""
    breaker, started = Breaker(brain, "appointment_booking:service:1", BreakerPolicy(), _now), monotonic()
    while monotonic() - started < ALL:
        is_back = monotonic() - started >= AWAY
        with suppress(RetriableError), guarded(breaker):
            _answer(is_back=is_back)
        if is_back and breaker.state().state == CLOSED:
            return
        sleep(0.5)


def _answer(*, is_back: bool) -> None:
    if not is_back:
        raise RetriableError("the calendar is away")


def _untold(brain: Engine) -> bool:
    question = (
        "SELECT EXISTS (SELECT FROM outgoing_messages WHERE sent_at IS NULL) OR EXISTS (SELECT FROM data_consistency_alerts"
    )
    with brain.connect() as connection:
        return bool(connection.scalar(text(f"{question} WHERE told_at IS NULL AND corrected_at IS NULL)")))


@contextmanager
def _people() -> Iterator[str]:
    """Where the messages arrive."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"json://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
