"""The indexes of calls that a first history is read without: they are made once it is in, in a quarter of the time.

Belongs here: leaving them out, making what is missing, and who may do so when. Does not: any other index (migrations), nor when a
history is read (flows).

Each new row would step into these three at three random places, which costs as much as the row and all its other indexes. No rule
needs them in order to be right: they serve the 30-day rule, audits of leads and whoever asks for a lead's calls. They are left
out of an empty table only, and what a fetch that ended early left missing is made by the next fetch or proof of any dialer.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import psycopg
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from vici_brain.brain.database import brain_errors, lane
from vici_brain.errors import BusyError

AFTERWARDS = {
    "vici_call_logs_phone": "(phone_key, called_at) WHERE phone_key IS NOT NULL",
    "vici_call_logs_vici_lead": "(instance, vici_lead_id, called_at)",
    "vici_call_logs_lead": "(lead_id, called_at) WHERE lead_id IS NOT NULL",
}
_LANE = ("calls", "filling")
_EMPTY = text("SELECT NOT EXISTS (SELECT FROM vici_call_logs)")
# An index of which the making was interrupted is there, and costs every writer, but nobody may use it.
_USABLE = text("""
    SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = CAST('vici_call_logs' AS regclass) AND indisvalid
""")


@contextmanager
def made_afterwards(brain: Engine) -> Iterator[None]:
    """Inside, a vici_call_logs that was empty has none of :data:`AFTERWARDS`; after it all, or when another fetch ends."""
    with ExitStack() as held:
        try:
            held.enter_context(lane(brain, *_LANE))
        except BusyError:
            yield
            return
        _leave_out(brain)
        yield
        _make_all(brain)


def make_missing(brain: Engine) -> None:
    """Makes what is missing, while others read and write; not while a fetch fills the table, which does so itself."""
    if _missing(brain):
        with suppress(BusyError), lane(brain, *_LANE):
            for name in _missing(brain):
                _make(brain, name, "CONCURRENTLY")


def _leave_out(brain: Engine) -> None:
    """Drops them if the table is empty and nobody is at it."""
    with brain_errors(), _if_allowed(), brain.begin() as connection:
        if not connection.scalar(_EMPTY):
            return
        connection.execute(text("SET LOCAL lock_timeout = '1s'"))
        connection.execute(text("LOCK TABLE vici_call_logs IN ACCESS EXCLUSIVE MODE"))
        if connection.scalar(_EMPTY):
            connection.execute(text(f"DROP INDEX IF EXISTS {', '.join(AFTERWARDS)}"))


def _make_all(brain: Engine) -> None:
    """All at once, in half the time; who writes waits for it, two seconds a million calls."""
    missing = _missing(brain)
    with ThreadPoolExecutor(len(AFTERWARDS), thread_name_prefix="index") as pool:
        for made in [pool.submit(_make, brain, name) for name in missing]:
            made.result()


def _make(brain: Engine, name: str, how: str = "") -> None:
    with brain_errors(), _if_allowed(), brain.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"DROP INDEX {how} IF EXISTS {name}"))
        connection.execute(text(f"CREATE INDEX {how} {name} ON vici_call_logs {AFTERWARDS[name]}"))


@contextmanager
def _if_allowed() -> Iterator[None]:
    """Passes over a table of another role, whose indexes are that role's, and one that somebody holds for long."""
    try:
        yield
    except (OperationalError, ProgrammingError) as error:
        if not isinstance(error.orig, psycopg.errors.LockNotAvailable | psycopg.errors.InsufficientPrivilege):
            raise


def _missing(brain: Engine) -> list[str]:
    with brain_errors(), brain.connect() as connection:
        usable = set(connection.scalars(_USABLE))
    return [name for name in AFTERWARDS if name not in usable]
