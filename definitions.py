"""The one Definitions object: gathers what the folders define for each configured dialer, and decides nothing.

Loading it opens no connection and starts nothing; an empty environment gives one simulated dialer.
"""

import warnings
from collections.abc import Callable
from datetime import datetime

import dagster as dg

from brain_assets.call_matches import call_matches
from brain_assets.calls import appointments, calls
from brain_assets.consistency_report import daily_consistency_report
from brain_assets.leads import leads
from brain_assets.ledger import ledger
from brain_assets.orphan_matching import match_orphans_job
from brain_assets.review_queue import process_reviews_job, review_queue, settle_review_job
from checks.call_logs import call_checks, window_check_keys
from checks.consistency import consistency_check_keys, consistency_checks
from checks.ledger import ledger_check_keys, ledger_checks
from checks.silence import silence_check
from sensors.call_gaps import call_gaps
from sensors.new_leads import leads_that_arrived
from sensors.silence import dialer_silence
from vici_assets.call_logs import call_logs
from vici_assets.dialer_tables import dialer_tables
from vici_brain.orchestration.automation import (
    audit_job,
    audit_schedule,
    backfill_job,
    orphan_schedule,
    sync_job,
    sync_schedule,
)
from vici_brain.orchestration.consistency import consistency_job, consistency_schedules, report_job
from vici_brain.orchestration.resources import connections_resource, utc_now
from vici_brain.orchestration.tiers import prove_job, tier_schedules
from vici_brain.settings import Settings, load_settings


def definitions_for(settings: Settings, clock: Callable[[], datetime] = utc_now) -> dg.Definitions:
    """Every dialer's pipeline beside the others'."""
    instances = [dialer.name for dialer in settings.dialers]
    orphan_jobs = [match_orphans_job(name) for name in instances]
    backfill_jobs = {name: backfill_job(name) for name in instances}
    return dg.Definitions(
        assets=[
            leads(),
            calls(settings),
            appointments(),
            review_queue(),
            daily_consistency_report(),
            *(spec for name in instances for spec in dialer_tables(name)),
            *(ledger(name) for name in instances),
            *(call_logs(name, settings) for name in instances),
            *(call_matches(name, settings) for name in instances),
        ],
        asset_checks=[
            *(call_checks(name, settings) for name in instances),
            *(ledger_checks(name, settings) for name in instances),
            consistency_checks(),
            *(silence_check(dialer) for dialer in settings.dialers),
        ],
        jobs=[
            *(sync_job(name, window_check_keys(name)) for name in instances),
            *backfill_jobs.values(),
            *(prove_job(name) for name in instances),
            *(audit_job(name, ledger_check_keys(name)) for name in instances),
            *orphan_jobs,
            consistency_job(consistency_check_keys()),
            report_job(),
            process_reviews_job(),
            settle_review_job(),
        ],
        schedules=[
            *(sync_schedule(name, settings) for name in instances),
            *(orphan_schedule(name) for name in instances),
            *(audit_schedule(name) for name in instances),
            *(schedule for name in instances for schedule in tier_schedules(name, settings)),
            *consistency_schedules(settings),
        ],
        sensors=[
            leads_that_arrived(orphan_jobs, instances),
            *(call_gaps(name, settings, backfill_jobs[name]) for name in instances),
            dialer_silence(settings.dialers),
        ],
        resources={"connections": connections_resource(settings, clock)},
        executor=dg.in_process_executor,
    )


# Backfill policies are beta and partitioned checks preview; both are used on purpose, and every process would say so.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
defs = definitions_for(load_settings())
