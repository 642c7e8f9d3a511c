"""Work under a circuit breaker: let through, refused at once, and what its end says about the thing that is guarded.

Belongs here: which errors count as an outage. Does not: states (domain/breaker) or where they are kept (brain/breakers).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime

from vici_brain.brain.breakers import Breaker
from vici_brain.brain.consistency_log import breaker_slow
from vici_brain.errors import BusyError, ConfigurationError, RetriableError
from vici_brain.vici.dialer import Dialer, DialerSession


@contextmanager
def guarded(breaker: Breaker, *outages: type[Exception]) -> Iterator[None]:
    """Runs the block under ``breaker``; ``outages`` (default: RetriableError) count against it.

    A wrong setting is answered by a host that works, and a lane that is taken is ours: neither opens a breaker, nor closes one.
    Raises CircuitOpenError without running the block.
    """
    probing = breaker.admit()
    began = breaker.clock()
    try:
        yield
    except BaseException as error:
        _note_length(breaker, began)
        if isinstance(error, outages or (RetriableError,)) and not isinstance(error, (ConfigurationError, BusyError)):
            breaker.failed(error, probing=probing)
        else:
            breaker.released(probing=probing)
        raise
    _note_length(breaker, began)
    breaker.succeeded(probing=probing)


def _note_length(breaker: Breaker, began: datetime) -> None:
    """Work that is too slow is not cut off, for it may have done what it was to do; it is only written down."""
    taken = breaker.clock() - began
    if taken > breaker.policy.timeout:
        breaker_slow(breaker.key, taken.total_seconds(), breaker.policy.timeout.total_seconds())


class GuardedDialer(Dialer):
    """A dialer whose connections go through a breaker: one that is down is refused at once instead of after a time-out.

    Only opening and verifying a session is guarded. What happens in it afterwards may fail because of Brain, and a dialer that
    drops connections does not open new ones either.
    """

    def __init__(self, dialer: Dialer, breaker: Callable[[], Breaker]) -> None:
        self.instance, self.zone, self.policy, self.engine = dialer.instance, dialer.zone, dialer.policy, dialer.engine
        self._breaker = breaker

    @contextmanager
    def session(self, our_utc: Callable[[], datetime]) -> Iterator[DialerSession]:
        with ExitStack() as opened:
            with guarded(self._breaker()):
                session = opened.enter_context(super().session(our_utc))
            yield session
