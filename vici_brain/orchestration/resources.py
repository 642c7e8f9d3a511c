"""What runs and ticks work with: Brain and the dialers, opened on first use and closed at the end.

Belongs here: the life of connections. Does not: what is done with them (flows), or where they lead (settings).

A plain object behind a ResourceDefinition and not a ConfigurableResource: Dagster rebuilds those from their configuration
fields, so settings that were loaded once, and a test's clock, could not be handed in; and a URL would show up in the UI.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from sqlalchemy import Engine

from vici_brain.brain.breakers import Breaker
from vici_brain.flows.read_calls import SliceDone
from vici_brain.flows.syncing import Syncing
from vici_brain.flows.writing import Site
from vici_brain.settings import Settings
from vici_brain.vici.dialer import Dialer


def utc_now() -> datetime:
    return datetime.now(UTC)


class Connections:
    """The databases that the settings name; nothing is opened, not even the embedded PostgreSQL, before it is asked for."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self.clock = clock
        self._brain: Engine | None = None
        self._dialers: dict[str, Dialer] = {}

    @property
    def brain(self) -> Engine:
        if self._brain is None:
            self._brain = self.settings.open_brain()
        return self._brain

    def dialer(self, instance: str) -> Dialer:
        if instance not in self._dialers:
            self._dialers[instance] = self.settings.guarded_dialer(instance, lambda: self.brain, self.clock)
        return self._dialers[instance]

    def breaker(self, key: str) -> Breaker:
        """Of whatever ``key`` names; every run and tick of any process sees the same."""
        return self.settings.breaker(self.brain, key, self.clock)

    def syncing(self, instance: str, on_slice: Callable[[SliceDone], None] = lambda _: None, **policy: Any) -> Syncing:
        """Everything a sync of ``instance`` needs; ``policy`` are fields of its ReadPolicy that are otherwise this time."""
        dialer = self.dialer(instance)
        dialer.policy = replace(dialer.policy, **policy)
        return Syncing(
            dialer,
            self.brain,
            self.clock,
            self.settings.slow_sync_seconds,
            on_slice=on_slice,
            trailing=self.settings.trailing_proof,
        )

    def site(self, instance: str) -> Site:
        """Everything a write to ``instance`` needs."""
        return self.settings.site(instance, self.dialer(instance), self.brain, self.clock)

    def close(self) -> None:
        for dialer in self._dialers.values():
            dialer.engine.dispose()
        self._dialers.clear()
        if self._brain is not None:
            self._brain.dispose()
            self._brain = None


def connections_resource(settings: Settings, clock: Callable[[], datetime] = utc_now) -> dg.ResourceDefinition:
    """The resource ``connections``; one object a run or tick."""

    def opened(_context: dg.InitResourceContext) -> Iterator[Connections]:
        connections = Connections(settings, clock)
        try:
            yield connections
        finally:
            connections.close()

    return dg.ResourceDefinition(opened, description="Brain and the dialers of the settings, opened on first use")
