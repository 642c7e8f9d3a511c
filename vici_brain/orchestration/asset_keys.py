"""Every name that Dagster knows of one dialer: asset keys, groups, jobs, schedules, lanes and pools.

Belongs here: names, and nothing that makes the things named. Does not: asset keys spelt anywhere else: a misspelt key loads
silently in Dagster as one more node of the graph, so a test compares every key in use with this file.
"""

from dataclasses import dataclass

from dagster import AssetKey

LEADS = AssetKey("leads")
DAILY_CALL_REPORT = AssetKey("daily_call_report")
OUTGOING_MESSAGES = AssetKey("outgoing_messages")
REPORT_JOB, REPORT_LANE = "report_calls", "report_calls"
EXPECTATIONS_JOB, EXPECTATIONS_LANE = "check_expectations", "check_expectations"
OWNERS = ("team:data-engineering",)
LANE_TAG = "vici_brain/lane"
SHOW_TAG = "vici_brain/only_show"
"""On runs that read nothing and only show in Dagster what the ledger has."""
LEADS_GROUP = "leads"
"""The CRM's leads, what the dialers have of them, and their codes: apart, each would feed the calls, and lines would cross."""
REPORTS_GROUP = "reports"
CALLS, APPOINTMENTS, CONSISTENCY_REPORT = AssetKey("calls"), AssetKey("appointments"), AssetKey("daily_consistency_report")
REVIEW_QUEUE = AssetKey("manual_review_queue")
CONSISTENCY_GROUP = "consistency"
CONSISTENCY_JOB, CONSISTENCY_REPORT_JOB = "watch_consistency", "report_consistency"
REVIEW_JOB, REVIEW_SETTLE_JOB = "process_reviews", "settle_review"


@dataclass(frozen=True, slots=True)
class InstanceNames:
    """The names of one dialer's pipeline; ``instance`` is in front, so that each dialer stands and fails alone."""

    instance: str

    def relation(self, name: str) -> AssetKey:
        """The key of one of this dialer's relations in Brain."""
        return AssetKey([self.instance, name])

    @property
    def call_logs(self) -> AssetKey:
        return self.relation("vici_call_logs")

    @property
    def call_metrics(self) -> AssetKey:
        return self.relation("vici_call_metrics")

    @property
    def orphan_call_logs(self) -> AssetKey:
        return self.relation("orphan_call_logs")

    @property
    def ledger(self) -> AssetKey:
        return self.relation("call_log_proofs")

    @property
    def lead_links(self) -> AssetKey:
        return self.relation("vici_lead_links")

    @property
    def lead_audit(self) -> AssetKey:
        return self.relation("lead_audits")

    @property
    def dialer_leads(self) -> AssetKey:
        """Where the leads come from; external to Dagster."""
        return self.relation("vicidial_list")

    @property
    def leads_job(self) -> str:
        return f"import_leads_{self.instance}"

    @property
    def leads_audit_job(self) -> str:
        return f"audit_leads_{self.instance}"

    @property
    def vendor_codes(self) -> AssetKey:
        return AssetKey([self.instance, "vendor_lead_codes"])

    @property
    def pushed_leads(self) -> AssetKey:
        return AssetKey([self.instance, "pushed_leads"])

    @property
    def codes_job(self) -> str:
        return f"write_vendor_codes_{self.instance}"

    @property
    def push_job(self) -> str:
        return f"push_leads_{self.instance}"

    @property
    def write_pool(self) -> str:
        """Runs that write to the dialer."""
        return f"write_{self.instance}"

    @property
    def pipeline(self) -> tuple[AssetKey, ...]:
        """What a sync makes, in order."""
        return (self.call_logs, self.call_metrics, self.orphan_call_logs)

    @property
    def dialer_tables(self) -> tuple[AssetKey, ...]:
        """Where the calls come from; external to Dagster."""
        return (AssetKey([self.instance, "vicidial_log"]), AssetKey([self.instance, "vicidial_closer_log"]))

    @property
    def calls_group(self) -> str:
        return f"{self.instance}_calls"

    @property
    def dialer_group(self) -> str:
        return f"{self.instance}_dialer"

    @property
    def write_back_group(self) -> str:
        """Apart from the dialer's sources: one group for both ends would make the graph of groups run in a ring."""
        return f"{self.instance}_write_back"

    @property
    def dialer_pool(self) -> str:
        """Runs that hold a connection to the dialer."""
        return f"vici_{self.instance}"

    @property
    def orphan_pool(self) -> str:
        return f"match_orphans_{self.instance}"

    @property
    def sync_job(self) -> str:
        return f"sync_calls_{self.instance}"

    @property
    def sync_schedule(self) -> str:
        return f"{self.sync_job}_every_5_minutes"

    @property
    def sync_lane(self) -> str:
        return f"{self.instance}/sync_calls"

    @property
    def backfill_job(self) -> str:
        return f"backfill_calls_{self.instance}"

    @property
    def backfill_lane(self) -> str:
        return f"{self.instance}/backfill_calls"

    @property
    def show_job(self) -> str:
        return f"show_calls_{self.instance}"

    @property
    def show_lane(self) -> str:
        return f"{self.instance}/show_calls"

    @property
    def unseen_sensor(self) -> str:
        return f"unseen_partitions_{self.instance}"

    @property
    def prove_job(self) -> str:
        return f"prove_calls_{self.instance}"

    @property
    def prove_op(self) -> str:
        return f"prove_{self.instance}_calls"

    @property
    def prove_lane(self) -> str:
        """Long reads of one dialer wait for each other, so that a tick always finds a free connection."""
        return self.backfill_lane

    @property
    def gap_sensor(self) -> str:
        return f"call_gaps_{self.instance}"

    @property
    def audit_job(self) -> str:
        return f"audit_ledger_{self.instance}"

    @property
    def audit_lane(self) -> str:
        return f"{self.instance}/audit_ledger"

    @property
    def orphan_job(self) -> str:
        return f"match_orphans_{self.instance}"

    @property
    def orphan_op(self) -> str:
        return f"rematch_{self.instance}_orphans"

    @property
    def orphan_schedule(self) -> str:
        return f"{self.orphan_job}_every_10_minutes"

    @property
    def orphan_lane(self) -> str:
        return f"{self.instance}/match_orphans"
