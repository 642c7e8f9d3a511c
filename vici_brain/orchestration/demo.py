"""The demo: a simulated call centre, its whole history synced through Dagster's own jobs, and the sum checked by itself.

Belongs here: the order of the steps and the verdict. Does not: printing (cli/site), the jobs (definitions).
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from time import perf_counter
from zoneinfo import ZoneInfo

import dagster as dg
from sqlalchemy import Engine, String, and_, cast, func, not_, or_, select

from vici_brain.brain.calls import CallStore
from vici_brain.brain.journal import Journal, SyncIdentity
from vici_brain.brain.overview import Overview
from vici_brain.domain.windows import BUCKET, Window, floor_to
from vici_brain.flows.prove_calls import ProofResult, reconcile
from vici_brain.flows.simulate_site import SimulatedSite, SiteSize, days_back
from vici_brain.flows.sync_calls import BATCH
from vici_brain.flows.syncing import Syncing
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.orchestration.local import dagster_instance
from vici_brain.settings import DialerSettings, Settings, load_settings
from vici_brain.vici.call_tables import CALL_TABLES

_LATE_LEADS = timedelta(days=2)
_NO_TIME = 100_000_000  # closer rows may hold a year as start_epoch
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What the demo did for one dialer, and what it found when it counted for itself."""

    instance: str
    window: Window
    source_calls: int
    missing_calls: int
    calls_by_rule: dict[str, int]
    rematched_orphans: int
    buckets_expected: int
    buckets_proven: int
    vanished_calls: int
    changed_by_second_run: int
    checks_passed: int
    checks_warned: int
    checks_failed: tuple[str, ...]
    seconds: float

    @property
    def proven(self) -> bool:
        """Every call of the dialer in Brain, every bucket equal by count and checksum, nothing left to change or failed."""
        return (
            self.missing_calls == 0
            and self.buckets_proven >= self.buckets_expected
            and self.changed_by_second_run == 0
            and not self.checks_failed
        )


def run_demo(settings: Settings, *, days: int, calls_per_day: int, now: datetime, say: Say) -> list[DemoSummary]:
    """Runs the demo for every simulated dialer; the data stays for `make dev`."""
    brain = settings.open_brain()
    until = floor_to(now, BUCKET)
    size = SiteSize(days_back(now, days), calls_per_day, leads=max(2_000, calls_per_day * days // 4))
    try:
        sites = [_site(settings, dialer, size) for dialer in settings.dialers if dialer.simulated]
        new = {site.dialer.profile.instance for site in sites if site.is_new}
        for site in sites:
            _prepare(site, brain, until, say)
        # The partitions begin where the dialers opened, so the definitions are loaded only now; by name, as Dagster does it.
        settings = load_settings()
        with dagster_instance(settings) as (_, instance):
            runner = _Runner(instance, importlib.import_module("definitions").defs, brain, say)
            return [_demo_of(settings, site, runner, until, late_leads=site.dialer.profile.instance in new) for site in sites]
    finally:
        brain.dispose()


def _site(settings: Settings, dialer: DialerSettings, size: SiteSize) -> SimulatedSite:
    url, memory = settings.simulated_dialer_url(dialer.name), settings.simulated_dialer_memory(dialer.name)
    return SimulatedSite(url, memory, dialer.name, dialer.time_zone, size)


def _demo_of(settings: Settings, site: SimulatedSite, runner: "_Runner", until: datetime, *, late_leads: bool) -> DemoSummary:
    started = perf_counter()
    dialer, brain = settings.dialer_settings(site.dialer.profile.instance), runner.brain
    name, names = dialer.name, InstanceNames(dialer.name)
    window = Window(datetime.combine(settings.sync_start, time.min, UTC), until)
    passed, warned, failed = runner.passed, runner.warned, len(runner.failed)
    for batch in window.slices(BATCH):
        runner.read(names.backfill_job, batch)
    known = Overview(brain).calls_by_rule(name)
    if late_leads:
        site.tell_brain(brain, until - _LATE_LEADS, until)
    runner.run(names.orphan_job, {}, "orphans looked at again" + (", now that late leads have arrived" if late_leads else ""))
    rules = Overview(brain).calls_by_rule(name)
    again = Window(max(window.start, until - BATCH), until)
    changed = runner.read(names.sync_job, again, note=", the last week again with all checks; nothing may change")
    runner.run(names.audit_job, {}, "the ledger and the dialer's clock audited")
    proof = _prove(settings, dialer, brain, window, runner.say)
    source, held = _source_keys(site.engine, dialer.time_zone, until), CallStore(brain).keys(name)
    site.close()
    return DemoSummary(
        instance=name,
        window=window,
        source_calls=len(source),
        missing_calls=len(source - held),
        calls_by_rule=rules,
        rematched_orphans=known.get("orphan", 0) - rules.get("orphan", 0),
        buckets_expected=int(window.length / BUCKET) * len(CALL_TABLES),
        buckets_proven=proof.proven,
        vanished_calls=sum(proof.vanished.values()),
        changed_by_second_run=changed,
        checks_passed=runner.passed - passed,
        checks_warned=runner.warned - warned,
        checks_failed=tuple(runner.failed[failed:]),
        seconds=perf_counter() - started,
    )


def _prepare(site: SimulatedSite, brain: Engine, until: datetime, say: Say) -> None:
    """A dialer with history up to ``until``, and the leads that Brain knew two days before; the late ones come later."""
    if not site.is_new:
        site.take_calls(brain, until)
        say(f"the simulated dialer has gone on to {until:%Y-%m-%d %H:%M} UTC")
        return
    started = perf_counter()
    rows = site.open_doors(until)
    leads = site.tell_brain(brain, None, until - _LATE_LEADS)
    calls = sum(rows.get(table.name, 0) for table in CALL_TABLES)
    say(f"a simulated dialer with {calls:,} calls and a CRM with {leads:,} leads ({perf_counter() - started:.1f} s)")


def _prove(settings: Settings, dialer: DialerSettings, brain: Engine, window: Window, say: Say) -> ProofResult:
    sync = Syncing(settings.open_dialer(dialer.name), brain, lambda: datetime.now(UTC))
    proof = reconcile(sync, SyncIdentity(dialer.name, "reconcile", "demo", window), repair=True)
    say(proof_line(proof))
    return proof


def proof_line(proof: ProofResult) -> str:
    repaired = f", {proof.repaired:,} of them after a repair" if proof.repaired else ""
    told = f"{proof.proven:,} of {proof.buckets:,} five-minute buckets proven by count and checksum{repaired}"
    return f"{told} ({proof.seconds:.1f} s)"


def _source_keys(engine: Engine, zone: str, until: datetime) -> set[tuple[str, str]]:
    """Every key of every call on the dialer, live or archived, counted without any of the reader's own code.

    Without the calls since ``until``, which `make dev` may have let happen; a start_epoch that is no time leaves the wall clock.
    """
    epoch, wall = int(until.timestamp()), until.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")
    found: set[tuple[str, str]] = set()
    with engine.connect() as connection:
        for table in CALL_TABLES:
            for copy in (table.live, table.archive):
                start = func.coalesce(copy.c.start_epoch, 0)
                later = or_(start >= epoch, and_(start < _NO_TIME, func.coalesce(cast(copy.c.call_date, String), "") >= wall))
                found.update((table.name, str(key)) for key in connection.scalars(select(copy.c[table.key]).where(not_(later))))
    return found


class _Runner:
    """Runs jobs of the code location in this process, over the instance that the UI will show, and keeps the checks' verdicts."""

    def __init__(self, instance: dg.DagsterInstance, definitions: dg.Definitions, brain: Engine, say: Say) -> None:
        self._instance, self._definitions = instance, definitions
        self.brain, self.say = brain, say
        self.passed = self.warned = 0
        self.failed: list[str] = []

    def read(self, job: str, window: Window, note: str = "") -> int:
        """One run of ``job`` over every partition of ``window``; how many calls it added or changed."""
        form = "%Y-%m-%d-%H:%M"
        tags = {
            "dagster/asset_partition_range_start": window.start.strftime(form),
            "dagster/asset_partition_range_end": (window.end - BUCKET).strftime(form),
        }
        run_id, seconds = self.run(job, tags, None)
        counts = Journal(self.brain).counts_of_run(run_id)
        self.say(
            f"{window.start:%Y-%m-%d} to {window.end:%Y-%m-%d %H:%M}: {counts['rows_read']:,} calls read, "
            f"{counts['rows_new']:,} new, {counts['rows_matched']:,} matched ({seconds:.1f} s){note}"
        )
        return counts["rows_new"] + counts["rows_updated"]

    def run(self, job: str, tags: dict[str, str], what: str | None) -> tuple[str, float]:
        started = perf_counter()
        quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
        result = self._definitions.resolve_job_def(job).execute_in_process(
            instance=self._instance, tags=tags, run_config=quiet, raise_on_error=False
        )
        evaluations = result.get_asset_check_evaluations()
        bad = [each for each in evaluations if not each.passed and each.severity == dg.AssetCheckSeverity.ERROR]
        self.failed += [f"{each.asset_key.to_user_string()}: {each.check_name}" for each in bad]
        self.passed += sum(each.passed for each in evaluations)
        self.warned += sum(not each.passed and each.severity == dg.AssetCheckSeverity.WARN for each in evaluations)
        if not result.success:
            self.failed.append(f"run {result.run_id} of {job} failed: see it in the UI")
        seconds = perf_counter() - started
        if what is not None:
            self.say(f"{what} ({seconds:.1f} s)")
        return result.run_id, seconds
