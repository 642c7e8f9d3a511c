"""What is wrong now, as Brain's tables tell it: one cheap question a trouble, each a matter that people may be told of.

Belongs here: read-only questions over indexes. Does not: whether to tell anybody (domain/throttle), or Dagster's own troubles
(orchestration/alert_sources).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, text

from vici_brain.brain.database import brain_errors
from vici_brain.domain.alert_policy import AlertPolicy
from vici_brain.domain.throttle import Matter
from vici_brain.errors import scrub

_PROOF_DUE = timedelta(minutes=90)
_SLOW_SEEN, _LONGEST_SYNC = timedelta(minutes=30), timedelta(days=1)
_EMPTIED_SEEN = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_DIALER_BREAKER, _REVIEWS = "dialer:", "/assets/manual_review_queue"
_UNPROVEN = text("""
    SELECT count(*) AS buckets, min(bucket_start) AS oldest, count(*) FILTER (WHERE state = 'differs') AS differing
    FROM call_log_proofs WHERE instance = :instance AND state <> 'proven' AND bucket_start < :due
""")
# One step down the ledger's key for each table, however long the history.
_READ_UNTIL = text("""
    SELECT min(newest) + interval '5 minutes' FROM (
        SELECT (SELECT max(bucket_start) FROM call_log_proofs WHERE instance = :instance AND source_table = name) AS newest
        FROM unnest(CAST(:tables AS text[])) AS tables (name)
    ) AS newest_of_each
""")
# Eight days by vici_call_logs_called_at; an index of orphans alone would be one more to keep for every call that lands.
_ORPHANS = text("""
    SELECT count(*) FILTER (WHERE called_at >= :day) AS today, count(*) FILTER (WHERE called_at < :day) AS week
    FROM vici_call_logs
    WHERE instance = :instance AND lead_id IS NULL AND called_at >= :start AND called_at < :now AND vanished_at IS NULL
""")
# By when it ended: one that took an hour began long before anybody could know that it was slow.
_SLOW = text("""
    SELECT kind, seconds, rows_read, started_at FROM sync_logs
    WHERE instance = :instance AND started_at >= :oldest AND started_at + seconds * interval '1 second' >= :since
      AND kind = 'calls' AND seconds > :slow
    ORDER BY seconds DESC LIMIT 1
""")
_EMPTIED = text("""
    SELECT sum(CAST(details ->> 'emptied' AS bigint)) AS calls, max(started_at) AS seen_at FROM sync_logs
    WHERE instance = :instance AND started_at >= :since AND details ? 'emptied'
""")
# Critical alerts of one call or appointment are told by messages of their own (flows/tell_consistency); here they are a reminder.
_OPEN_ALERTS = text("""
    SELECT alert_type, coalesce(metadata ->> 'instance', '') AS instance, coalesce(metadata ->> 'campaign', '') AS campaign,
           CASE WHEN bool_or(severity = 'critical') THEN 'critical' WHEN bool_or(severity = 'warning') THEN 'warning' ELSE 'info'
               END AS severity,
           count(*) AS alerts, min(detected_at) AS oldest, (array_agg(description ORDER BY detected_at DESC))[1] AS description
    FROM data_consistency_alerts
    WHERE corrected_at IS NULL
      AND NOT (severity = 'critical' AND entity_id IS NOT NULL AND coalesce(told_at, detected_at) > :reminded)
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""")
_AGING = text("""
    SELECT reason, count(*) AS items, min(created_at) AS oldest, min(priority) AS priority FROM manual_review_queue
    WHERE status IN ('pending', 'in_progress') AND created_at < :since GROUP BY 1 ORDER BY 1
""")
_HAS_BREAKERS = text("SELECT to_regclass('circuit_breaker_states') IS NOT NULL")
_BREAKERS = text(
    "SELECT circuit_key, failure_count, opened_at FROM circuit_breaker_states WHERE state = 'open' ORDER BY circuit_key"
)
_SWEPT = text("SELECT updated_at FROM consistency_watermarks WHERE name = 'sweep'")
_CHANNELS = text("SELECT channel, broken_since, last_error FROM alert_channels WHERE broken_since IS NOT NULL ORDER BY channel")


@dataclass(frozen=True, slots=True)
class Watched:
    """Which dialers, and when each trouble is one."""

    instances: Sequence[str]
    source_tables: Sequence[str]
    stale_after: timedelta
    slow_seconds: float
    policy: AlertPolicy
    sweep_overdue: timedelta = timedelta(hours=1)


def troubles(engine: Engine, watched: Watched, now: datetime) -> list[Matter]:
    """Everything that is wrong now."""
    with brain_errors(), engine.connect() as connection:
        found = [matter for ask in _SHARED for matter in ask(connection, watched, now)]
        for instance in watched.instances:
            found += [matter for ask in _OF_INSTANCE for matter in ask(connection, instance, watched, now)]
    return found


def _unproven(connection: Connection, instance: str, _watched: Watched, now: datetime) -> Iterator[Matter]:
    row = connection.execute(_UNPROVEN, {"instance": instance, "due": now - _PROOF_DUE}).one()
    if row.buckets:
        yield Matter(
            f"unproven/{instance}",
            "unproven",
            "critical" if row.differing else "warning",
            f"{instance}: {row.buckets:,} five-minute buckets are not proven",
            f"{row.differing:,} of them differ from the dialer; the oldest starts {row.oldest:%Y-%m-%d %H:%M} UTC. "
            "`vici-brain reconcile --from … --to … --repair` names the keys and mends them.",
            f"/assets/{instance}/call_log_proofs",
        )


def _stale(connection: Connection, instance: str, watched: Watched, now: datetime) -> Iterator[Matter]:
    until = connection.scalar(_READ_UNTIL, {"instance": instance, "tables": list(watched.source_tables)})
    if until is not None and now - until > watched.stale_after:
        yield Matter(
            f"stale/{instance}",
            "stale",
            "critical",
            f"{instance}: no call was read since {until:%Y-%m-%d %H:%M} UTC",
            f"That is {(now - until) // _MINUTE:,} minutes ago; {watched.stale_after // _MINUTE:,} are allowed. "
            "See what the runs of its sync failed of.",
            f"/assets/{instance}/vici_call_logs",
        )


def _orphans(connection: Connection, instance: str, watched: Watched, now: datetime) -> Iterator[Matter]:
    day, policy = now - timedelta(days=1), watched.policy
    values = {"instance": instance, "now": now, "day": day, "start": day - timedelta(days=7)}
    row = connection.execute(_ORPHANS, values).one()
    usual = row.week / 7
    if row.today >= policy.least_orphans and row.today > usual * policy.orphan_growth:
        yield Matter(
            f"orphans/{instance}",
            "orphans",
            "warning",
            f"{instance}: {row.today:,} calls of the last day have no lead",
            f"{usual:,.0f} a day are usual. Does the import of leads still run?",
            f"/assets/{instance}/orphan_call_logs",
        )


def _slow(connection: Connection, instance: str, watched: Watched, now: datetime) -> Iterator[Matter]:
    since = now - _SLOW_SEEN
    values = {"instance": instance, "since": since, "oldest": since - _LONGEST_SYNC, "slow": watched.slow_seconds}
    for row in connection.execute(_SLOW, values):
        yield Matter(
            f"slow_sync/{instance}",
            "slow_sync",
            "warning",
            f"{instance}: a sync took {row.seconds:.0f} seconds",
            f"The one of {row.started_at:%Y-%m-%d %H:%M} UTC, {row.rows_read:,} rows; {watched.slow_seconds:g} are allowed.",
            f"/assets/{instance}/vici_call_logs",
        )


def _emptied(connection: Connection, instance: str, _watched: Watched, now: datetime) -> Iterator[Matter]:
    row = connection.execute(_EMPTIED, {"instance": instance, "since": now - _EMPTIED_SEEN}).one()
    if row.calls:
        yield Matter(
            f"emptied/{instance}",
            "emptied",
            "critical",
            f"{instance}: {row.calls:,} calls of the last three days left the dialer all at once",
            f"Last seen {row.seen_at:%Y-%m-%d %H:%M} UTC. They stay calls in Brain. If a table is emptied into its archive, let "
            "the login read that archive (GRANTs in the README); if it was truncated, the dialer's own reports lack these calls.",
            f"/assets/{instance}/call_log_proofs",
        )


def _open_alerts(connection: Connection, watched: Watched, now: datetime) -> Iterator[Matter]:
    """Ten thousand alerts of one type are one matter."""
    for row in connection.execute(_OPEN_ALERTS, {"reminded": now - watched.policy.reminder}):
        about = "/".join(part for part in (row.instance, row.campaign) if part)
        many = f"{row.alerts:,} open alerts {row.alert_type}" if row.alerts > 1 else row.alert_type
        yield Matter(
            f"consistency/{row.alert_type}/{about}",
            "consistency",
            row.severity,
            f"{about}: {many}" if about else many,
            scrub(f"{row.description} (open since {row.oldest:%Y-%m-%d %H:%M} UTC)"),
            f"/assets/{row.instance}/vicidial_log" if row.instance else "/assets/calls?view=checks",
        )


def _aging(connection: Connection, watched: Watched, now: datetime) -> Iterator[Matter]:
    hours = watched.policy.review_age_hours
    for row in connection.execute(_AGING, {"since": now - timedelta(hours=hours)}):
        yield Matter(
            f"review/{row.reason}",
            "review",
            "warning" if row.priority > 1 else "critical",
            f"{row.items:,} reviews wait for more than {hours:g} hours: {row.reason}",
            f"The oldest since {row.oldest:%Y-%m-%d %H:%M} UTC, the most urgent of priority {row.priority}. "
            "`vici-brain reviews list` shows them.",
            _REVIEWS,
        )


def _breakers(connection: Connection, _watched: Watched, _now: datetime) -> Iterator[Matter]:
    """Databases that were never given circuit breakers have none open."""
    if not connection.scalar(_HAS_BREAKERS):
        return
    for row in connection.execute(_BREAKERS):
        since = f" since {row.opened_at:%Y-%m-%d %H:%M} UTC" if row.opened_at else ""
        is_dialer, instance = row.circuit_key.startswith(_DIALER_BREAKER), row.circuit_key.removeprefix(_DIALER_BREAKER)
        yield Matter(
            f"breaker/{row.circuit_key}",
            "breaker",
            "critical",
            f"the circuit breaker {row.circuit_key} is open{since}",
            f"After {row.failure_count} failures in a row calls to it fail at once, until a probe succeeds.",
            f"/assets/{instance}/vici_call_logs" if is_dialer else _REVIEWS,
        )


def _unswept(connection: Connection, watched: Watched, now: datetime) -> Iterator[Matter]:
    """Where the sweep never ran, nobody relies on it."""
    swept = connection.scalar(_SWEPT) if connection.scalar(_HAS_BREAKERS) else None
    if swept is not None and now - swept > watched.sweep_overdue:
        yield Matter(
            "unswept",
            "unswept",
            "warning",
            f"calls and appointments are unchecked since {swept:%Y-%m-%d %H:%M} UTC",
            "Is the schedule watch_consistency_every_15_minutes on, and do its runs succeed? The next sweep leaves nothing out.",
            "/jobs/watch_consistency",
        )


def _channels(connection: Connection, _watched: Watched, _now: datetime) -> Iterator[Matter]:
    for row in connection.execute(_CHANNELS):
        yield Matter(
            f"channel/{row.channel}",
            "channel",
            "critical",
            f"alerts do not reach {row.channel}",
            f"Since {row.broken_since:%Y-%m-%d %H:%M} UTC: {row.last_error}. `vici-brain alerts test` tries it again.",
            "/assets/outgoing_messages",
        )


_SHARED: tuple[Callable[[Connection, Watched, datetime], Iterator[Matter]], ...] = (
    _open_alerts,
    _aging,
    _breakers,
    _unswept,
    _channels,
)
_OF_INSTANCE: tuple[Callable[[Connection, str, Watched, datetime], Iterator[Matter]], ...] = (
    _unproven,
    _stale,
    _orphans,
    _slow,
    _emptied,
)
