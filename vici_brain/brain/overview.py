"""How things stand in Brain: the answers that `vici-brain status`, the demo and the checks' pages show.

Belongs here: read-only summaries over indexes. Does not: rules that pass or fail (brain/audits).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, text

from vici_brain.brain.database import brain_errors

_LAST_SYNC = text("""
    SELECT kind, trigger, status, started_at, seconds, rows_read, rows_new, error
    FROM sync_logs WHERE instance = :instance ORDER BY started_at DESC LIMIT 1
""")
_LAST_SUCCESS = text("""
    SELECT max(finished_at) FROM sync_logs WHERE instance = :instance AND status = 'success' AND kind <> 'match_orphans'
""")
_DAYS = text("""
    SELECT date(called_at AT TIME ZONE :zone) AS day, count(*) AS calls,
           count(*) FILTER (WHERE lead_id IS NOT NULL) AS matched, count(*) FILTER (WHERE lead_id IS NULL) AS orphaned
    FROM held_call_logs WHERE instance = :instance AND called_at >= :since AND (vanished_at IS NULL OR vanish_reason = 'expired')
    GROUP BY 1 ORDER BY 1
""")
_CAMPAIGNS = text("""
    SELECT coalesce(campaign_id, '') AS name, count(*) AS calls
    FROM held_call_logs WHERE instance = :instance AND called_at >= :since AND (vanished_at IS NULL OR vanish_reason = 'expired')
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 50
""")
_STATUSES = text("""
    SELECT coalesce(status, '') AS name, count(*) AS calls
    FROM held_call_logs WHERE instance = :instance AND called_at >= :since AND (vanished_at IS NULL OR vanish_reason = 'expired')
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 100
""")
_TOTALS = text("""
    SELECT count(*) AS calls, coalesce(matched_by, 'orphan') AS rule
    FROM held_call_logs WHERE instance = :instance AND vanished_at IS NULL GROUP BY 2
""")
_ORPHANS = text("""
    SELECT count(*) AS calls, min(called_at) AS oldest FROM orphan_call_logs WHERE instance = :instance
""")
_LEDGER = text("""
    SELECT max(bucket_start) + interval '5 minutes' AS read_until, max(proven_at) AS proven_at, max(read_at) AS read_at
    FROM call_log_proofs WHERE instance = :instance
""")
_QUARANTINED = text("SELECT count(*) FROM quarantined_call_logs WHERE instance = :instance")


@dataclass(frozen=True, slots=True)
class DayCount:
    day: str
    calls: int
    matched: int
    orphaned: int


@dataclass(frozen=True, slots=True)
class LastSync:
    kind: str
    trigger: str
    status: str
    started_at: datetime
    seconds: float | None
    rows_read: int
    rows_new: int
    error: str | None


@dataclass(frozen=True, slots=True)
class InstanceOverview:
    """One dialer's state in Brain; days are the dialer's own."""

    instance: str
    last_sync: LastSync | None
    last_success_at: datetime | None
    read_until: datetime | None
    last_read_at: datetime | None
    last_proof_at: datetime | None
    orphan_backlog: int
    oldest_orphan_at: datetime | None
    quarantined: int
    days: tuple[DayCount, ...] = ()
    campaigns: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)


class Overview:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def of_instance(self, instance: str, zone: str, now: datetime, days: int = 7) -> InstanceOverview:
        """The last ``days`` whole days of ``instance``, today's first part included; walks vici_call_logs_called_at."""
        since = (now.astimezone(ZoneInfo(zone)) - timedelta(days=days - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
        scope = {"instance": instance, "zone": zone, "since": since}
        with brain_errors(), self.engine.connect() as connection:
            last = connection.execute(_LAST_SYNC, scope).one_or_none()
            orphans = connection.execute(_ORPHANS, scope).one()
            ledger = connection.execute(_LEDGER, scope).one()
            return InstanceOverview(
                instance=instance,
                last_sync=None if last is None else LastSync(*last),
                last_success_at=connection.scalar(_LAST_SUCCESS, scope),
                read_until=ledger.read_until,
                last_read_at=ledger.read_at,
                last_proof_at=ledger.proven_at,
                orphan_backlog=orphans.calls,
                oldest_orphan_at=orphans.oldest,
                quarantined=connection.scalar(_QUARANTINED, scope) or 0,
                days=tuple(
                    DayCount(str(row.day), row.calls, row.matched, row.orphaned) for row in connection.execute(_DAYS, scope)
                ),
                campaigns={row.name: row.calls for row in connection.execute(_CAMPAIGNS, scope)},
                statuses={row.name: row.calls for row in connection.execute(_STATUSES, scope)},
            )

    def calls_by_rule(self, instance: str) -> dict[str, int]:
        """How many calls each matching rule placed, and ``orphan`` for those without a lead; reads the whole instance."""
        with brain_errors(), self.engine.connect() as connection:
            return {row.rule: row.calls for row in connection.execute(_TOTALS, {"instance": instance})}
