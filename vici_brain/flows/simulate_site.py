"""A simulated call centre to try everything against: a dialer that takes calls, and a CRM that hears of leads, partly late.

Belongs here: keeping the simulated dialer and Brain's simulated leads in step with the clock.
Does not: what the dialer does on a day (simulation).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, create_engine, make_url

from vici_brain.brain.leads import LeadStore
from vici_brain.simulation.dialer import AdvanceReport, SimulatedDialer
from vici_brain.simulation.profile import DialerProfile
from vici_brain.vici.connect import with_driver

SOURCE = "simulation"


@dataclass(frozen=True, slots=True)
class SiteSize:
    """How large a simulated site is made; it keeps this size for ever."""

    first_day: date
    calls_per_day: int = 1500
    leads: int = 20_000
    seed: int = 1


class SimulatedSite:
    """One simulated dialer and the leads that Brain knows of it; its size is remembered beside its database."""

    def __init__(self, url: str, memory: Path, instance: str, zone: str, size: SiteSize) -> None:
        self._memory = memory
        self.is_new = not memory.exists()
        if not self.is_new:
            known = json.loads(memory.read_text())
            known.pop("first_utc_day", None)
            size = SiteSize(date.fromisoformat(known.pop("first_day")), **known)
        self.engine = create_engine(with_driver(make_url(url)))
        profile = DialerProfile(
            first_day=size.first_day,
            instance=instance,
            seed=size.seed,
            time_zone=zone,
            calls_per_day=size.calls_per_day,
            leads=size.leads,
        )
        self.size = size
        self.dialer = SimulatedDialer(self.engine, profile)

    def open_doors(self, until: datetime, *, progress: Callable[[int], None] | None = None) -> dict[str, int]:
        """Makes the dialer with all its history up to ``until``; rows by table. Brain hears nothing of it yet."""
        self.dialer.create()
        report = self.dialer.load_history(until, progress=progress)
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        # East of Greenwich the first local day begins on the UTC day before, and so must the partitions.
        days = {"first_day": str(self.size.first_day), "first_utc_day": str(self.dialer.opens_at.date())}
        size = {"calls_per_day": self.size.calls_per_day, "leads": self.size.leads, "seed": self.size.seed}
        self._memory.write_text(json.dumps(days | size))
        self.is_new = False
        return report.rows

    def tell_brain(self, brain: Engine, since: datetime | None, until: datetime) -> int:
        """Gives Brain the leads that it learns of in ``(since, until]``; how many."""
        return LeadStore(brain).insert(self.dialer.brain_leads(since, until), source=SOURCE)

    def take_calls(self, brain: Engine, until: datetime) -> AdvanceReport:
        """Lets everything happen that is due by ``until``, on the dialer and in the CRM."""
        report = self.dialer.advance(max(until, self.dialer.clock()))
        if report.until > report.since:
            self.tell_brain(brain, report.since, report.until)
        return report

    def close(self) -> None:
        self.engine.dispose()


def days_back(now: datetime, days: int) -> date:
    """The first day of a site whose history is to be ``days`` long."""
    return (now - timedelta(days=days)).date()
