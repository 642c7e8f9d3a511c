"""The one Definitions object: gathers what the folders define for each configured dialer, and decides nothing.

Loading it opens no connection and starts nothing; an empty environment gives one simulated dialer.
"""

import warnings
from collections.abc import Callable
from datetime import datetime

import dagster as dg

from brain_assets.call_matches import call_matches
from brain_assets.call_report import daily_call_report
from brain_assets.calls import appointments, calls
from brain_assets.consistency_report import daily_consistency_report
from brain_assets.lead_links import dialer_leads, lead_audit, lead_links
from brain_assets.leads import leads
from brain_assets.ledger import ledger
from brain_assets.orphan_matching import match_orphans_job
from brain_assets.outgoing_messages import outgoing_messages
from brain_assets.review_queue import process_reviews_job, review_queue, settle_review_job
from checks.alerts import alert_check
from checks.call_logs import call_checks, window_check_keys
from checks.consistency import consistency_check_keys, consistency_checks
from checks.expectations import expectation_check_keys, expectation_checks, expectations_job
from checks.lead_metrics import lead_metrics
from checks.ledger import ledger_check_keys, ledger_checks
from checks.silence import silence_check
from sensors.alerts import alerts
from sensors.call_gaps import call_gaps
from sensors.new_leads import leads_that_arrived
from sensors.silence import dialer_silence
from sensors.unseen_partitions import unseen_partitions
from vici_assets.call_logs import call_logs
from vici_assets.dialer_tables import dialer_tables
from vici_assets.write_back import pushed_leads, vendor_lead_codes
from vici_brain.orchestration.automation import (
    audit_job,
    audit_schedule,
    backfill_job,
    orphan_schedule,
    show_job,
    sync_job,
    sync_schedule,
)
from vici_brain.orchestration.call_report import report_job, report_schedule
from vici_brain.orchestration.consistency import consistency_job, consistency_schedules
from vici_brain.orchestration.consistency import report_job as consistency_report_job
from vici_brain.orchestration.leads import audit_job as lead_audit_job
from vici_brain.orchestration.leads import import_job as lead_import_job
from vici_brain.orchestration.leads import lead_schedules
from vici_brain.orchestration.resources import connections_resource, utc_now
from vici_brain.orchestration.tiers import prove_job, tier_schedules
from vici_brain.orchestration.write_back import write_back_jobs, write_back_schedules
from vici_brain.settings import Settings, load_settings
from vici_brain.startup import spare_imports


def definitions_for(settings: Settings, clock: Callable[[], datetime] = utc_now) -> dg.Definitions:
    """Every dialer's pipeline beside the others'."""
    instances = [dialer.name for dialer in settings.dialers]
    orphan_jobs = [match_orphans_job(name) for name in instances]
    backfill_jobs = {name: backfill_job(name) for name in instances}
    show_jobs = {name: show_job(name) for name in instances}
    asset_checks = [
        *(call_checks(name, settings) for name in instances),
        *(ledger_checks(name, settings) for name in instances),
        *(lead_metrics(name) for name in instances),
        consistency_checks(),
        *(silence_check(dialer) for dialer in settings.dialers),
        expectation_checks(settings),
        alert_check(),
    ]
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
            *(asset(name) for name in instances for asset in (dialer_leads, lead_links, lead_audit)),
            daily_call_report(settings),
            outgoing_messages(),
            *(vendor_lead_codes(name) for name in instances),
            *(pushed_leads(name) for name in instances),
        ],
        asset_checks=asset_checks,
        jobs=[
            *(sync_job(name, window_check_keys(name)) for name in instances),
            *backfill_jobs.values(),
            *show_jobs.values(),
            *(prove_job(name) for name in instances),
            *(audit_job(name, ledger_check_keys(name)) for name in instances),
            *(job(name) for name in instances for job in (lead_import_job, lead_audit_job)),
            *orphan_jobs,
            report_job(expectation_check_keys(settings)),
            expectations_job(settings),
            *(job for name in instances for job in write_back_jobs(name)),
            consistency_job(consistency_check_keys()),
            consistency_report_job(),
            process_reviews_job(),
            settle_review_job(),
        ],
        schedules=[
            *(sync_schedule(name, settings) for name in instances),
            *(orphan_schedule(name) for name in instances),
            *(audit_schedule(name) for name in instances),
            *(schedule for dialer in settings.dialers for schedule in write_back_schedules(dialer)),
            *(schedule for name in instances for schedule in tier_schedules(name, settings)),
            report_schedule(settings),
            *(schedule for name in instances for schedule in lead_schedules(name)),
            *consistency_schedules(settings),
        ],
        sensors=[
            leads_that_arrived(orphan_jobs, instances),
            *(call_gaps(name, settings, backfill_jobs[name]) for name in instances),
            *(unseen_partitions(name, settings, show_jobs[name]) for name in instances),
            dialer_silence(settings.dialers),
            alerts([key for checks in asset_checks for key in checks.check_keys]),
        ],
        resources={"connections": connections_resource(settings, clock)},
        executor=dg.in_process_executor,
    )


# Backfill policies are beta and partitioned checks preview; both are used on purpose, and every process would say so.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
defs = definitions_for(load_settings())
spare_imports()
