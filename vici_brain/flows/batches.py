"""One batch of an import is one transaction, and one that met another writer is tried again.

Belongs here: transaction, retry, and the undoing of a dry run's batch. Does not: what a batch does.
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from vici_brain.brain.database import brain_errors
from vici_brain.errors import RetriableError

_T = TypeVar("_T")
_TRIES = 5


def committed(connection: Connection, work: Callable[[], _T]) -> _T:
    """What ``work`` gives, committed. After a deadlock or a lost connection all of it is done again, in a new transaction."""
    retrying = Retrying(
        retry=retry_if_exception_type(RetriableError),
        stop=stop_after_attempt(_TRIES),
        # At random, or two writers that met once would meet again.
        wait=wait_random_exponential(multiplier=0.1, max=5),
        reraise=True,
    )
    for attempt in retrying:
        with attempt:
            return _once(connection, work)
    raise AssertionError("a retrying either returns or raises")


def undone(connection: Connection, work: Callable[[], _T]) -> _T:
    """What ``work`` gives, undone at once, so that a dry run keeps nothing locked for the rest of it."""
    savepoint = connection.begin_nested()
    try:
        return work()
    finally:
        savepoint.rollback()


def _once(connection: Connection, work: Callable[[], _T]) -> _T:
    try:
        with brain_errors():
            done = work()
            connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return done
