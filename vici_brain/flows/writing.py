"""One write-back of one dialer from its settings: what the asset and the command both start.

Belongs here: opening writers around the two flows. Does not: the flows themselves (write_codes, push_leads).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from vici_brain.domain.write_back_policy import WriteAccess
from vici_brain.errors import ConfigurationError
from vici_brain.flows.code_orders import CodeOrder, CodeResult, CodeWriting
from vici_brain.flows.push_leads import Pushing, PushOrder, PushResult, push_leads
from vici_brain.flows.write_codes import write_codes
from vici_brain.flows.writers import code_writer, lead_adder
from vici_brain.vici.dialer import Dialer


@dataclass(frozen=True, slots=True)
class Site:
    """A dialer, what may be written to it, and whose calls count for the 30-day rule."""

    dialer: Dialer
    brain: Engine
    access: WriteAccess | None
    instances: Sequence[str]
    clock: Callable[[], datetime]
    fresh: timedelta = timedelta(minutes=15)


def write_codes_to(
    site: Site, order: CodeOrder, *, batch: int | None = None, on_batch: Callable[[CodeResult], None] = lambda _: None
) -> CodeResult:
    """Raises ConfigurationError where no right to write is configured; a dry run needs none."""
    policy = site.access.policy if site.access else None
    size = batch or (policy.batch if policy else 200)
    if order.dry_run:
        return write_codes(CodeWriting(site.dialer, site.brain, None, policy, site.clock, size, on_batch), order)
    with code_writer(site.dialer.instance, site.access, site.brain, site.clock) as writer:
        return write_codes(CodeWriting(site.dialer, site.brain, writer, policy, site.clock, size, on_batch), order)


def push_leads_to(site: Site, order: PushOrder) -> PushResult:
    """Raises ConfigurationError where no push is configured."""
    instance = site.dialer.instance
    with lead_adder(instance, site.access, site.brain, site.clock) as adder:
        push = site.access.policy.push if site.access else None
        if push is None:
            raise ConfigurationError(
                f"{instance}: say where new leads go: [dialers.write_back.push] with list_id and campaign_id"
            )
        return push_leads(Pushing(site.dialer, site.brain, adder, push, site.instances, site.clock, site.fresh), order)
