"""What a day of calls and appointments looks like in numbers, and the reports made of them.

Belongs here: counting a period, keeping a report. Does not: judging the numbers or putting them into words
(flows/report_consistency).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, Engine, text

from vici_brain.brain.database import brain_errors, by_index

# A call of the day is inconsistent by an alert of any later moment too: one made just before midnight is found after it.
_TOTALS = text("""
    SELECT (SELECT count(*) FROM calls WHERE created_at >= :start AND created_at < :end) AS calls,
        (SELECT count(*) FROM appointments WHERE created_at >= :start AND created_at < :end) AS appointments,
        (SELECT count(*) FROM booking_errors WHERE occurred_at >= :start AND occurred_at < :end) AS booking_errors,
        (SELECT count(DISTINCT alert.entity_id) FROM data_consistency_alerts AS alert JOIN calls ON calls.id = alert.entity_id
            WHERE alert.detected_at >= :start AND alert.entity_type = 'call'
              AND NOT alert.false_positive AND alert.alert_type <> 'appointment_removed'
              AND calls.created_at >= :start AND calls.created_at < :end) AS inconsistent_calls
""")
_ALERTS = text("""
    SELECT alert_type, severity, count(*) AS found, count(*) FILTER (WHERE auto_corrected) AS corrected,
        count(*) FILTER (WHERE corrected_at IS NOT NULL AND NOT auto_corrected) AS by_hand,
        count(*) FILTER (WHERE corrected_at IS NULL) AS open, count(*) FILTER (WHERE false_positive) AS false_positives
    FROM data_consistency_alerts
    WHERE detected_at >= :start AND detected_at < :end AND entity_id IS NOT NULL AND alert_type <> 'appointment_removed'
    GROUP BY alert_type, severity ORDER BY found DESC, alert_type
""")
_TOP = text("""
    SELECT alert_type, description, count(*) AS times, sum(held_back) AS held_back FROM data_consistency_alerts
    WHERE detected_at >= :start AND detected_at < :end AND entity_id IS NOT NULL AND alert_type <> 'appointment_removed'
    GROUP BY alert_type, description ORDER BY count(*) + sum(held_back) DESC, alert_type, description LIMIT 5
""")
_HOURS = text("""
    SELECT date_trunc('hour', detected_at) AS hour, count(*) AS found FROM data_consistency_alerts
    WHERE detected_at >= :start AND detected_at < :end AND entity_id IS NOT NULL AND alert_type <> 'appointment_removed'
    GROUP BY 1 ORDER BY 1
""")
_BREAKERS = text("""
    SELECT circuit_key, coalesce(seen.opened, 0) AS opened, coalesce(seen.closed, 0) AS closed,
        coalesce(standing.state, 'closed') AS state
    FROM (
        SELECT circuit_key, count(*) FILTER (WHERE new_state = 'open') AS opened,
            count(*) FILTER (WHERE new_state = 'closed') AS closed
        FROM circuit_breaker_events WHERE happened_at >= :start AND happened_at < :end GROUP BY circuit_key
    ) AS seen
    FULL JOIN (SELECT circuit_key, state FROM circuit_breaker_states WHERE state IN ('open', 'half_open')) AS standing
        USING (circuit_key)
    ORDER BY 2 DESC, 1
""")
# Recovery: from the last opening to the close, so that it measures the breaker and not the outage. Alerts: until the first
# message that told of them was delivered; those that nobody heard of count with their age, unless they settled before.
_SPEEDS = text("""
    SELECT
        (SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY milliseconds) FROM appointment_validations
            WHERE validated_at >= :start AND validated_at < :end) AS validation_ms,
        (SELECT max(extract(epoch FROM shut.happened_at - (
            SELECT max(opening.happened_at) FROM circuit_breaker_events AS opening
            WHERE opening.circuit_key = shut.circuit_key AND opening.new_state = 'open' AND opening.happened_at <=
            shut.happened_at)))
            FROM circuit_breaker_events AS shut
            WHERE shut.new_state = 'closed' AND shut.happened_at >= :start AND shut.happened_at < :end) AS recovery_s,
        (SELECT percentile_cont(0.95) WITHIN GROUP (
                ORDER BY extract(epoch FROM coalesce(message.sent_at, :now) - alert.detected_at))
            FROM data_consistency_alerts AS alert LEFT JOIN outgoing_messages AS message ON message.id = alert.message_id
            WHERE alert.detected_at >= :start AND alert.detected_at < :end AND alert.severity = 'critical'
              AND alert.entity_id IS NOT NULL
              AND (message.sent_at IS NOT NULL OR alert.message_id IS NOT NULL OR alert.corrected_at IS NULL)) AS alert_s
""")
_REVIEWS = text("SELECT count(*) FROM manual_review_queue WHERE status IN ('pending', 'in_progress')")
_KEEP = text("""
    INSERT INTO daily_consistency_reports AS held (report_date, time_zone, period_start, period_end, total_calls,
    total_appointments,
        total_inconsistencies, consistency_rate, figures, markdown, created_at, updated_at)
    VALUES (:day, :zone, :start, :end, :calls, :appointments, :inconsistencies, :rate, CAST(:figures AS jsonb), :markdown, :at,
    :at)
    ON CONFLICT (report_date) DO UPDATE SET time_zone = excluded.time_zone, period_start = excluded.period_start,
        period_end = excluded.period_end, total_calls = excluded.total_calls, total_appointments = excluded.total_appointments,
        total_inconsistencies = excluded.total_inconsistencies, consistency_rate = excluded.consistency_rate,
        figures = excluded.figures, markdown = excluded.markdown, updated_at = excluded.updated_at
""")
_FIRST = text("SELECT min(report_date) FROM daily_consistency_reports")
_COMPLETE = text("SELECT report_date FROM daily_consistency_reports WHERE report_date >= :since AND updated_at >= period_end")


@dataclass(frozen=True, slots=True)
class AlertCount:
    """Alerts of one type and severity, by what became of them."""

    alert_type: str
    severity: str
    found: int
    corrected: int
    by_hand: int
    open: int
    false_positives: int


@dataclass(frozen=True, slots=True)
class BreakerCount:
    """How often a breaker opened and closed, and how it stands now."""

    circuit_key: str
    opened: int
    closed: int
    state: str


@dataclass(frozen=True, slots=True)
class Figures:
    """A period in numbers; speeds are ``None`` where nothing was measured."""

    calls: int
    appointments: int
    booking_errors: int
    inconsistent_calls: int
    alerts: tuple[AlertCount, ...]
    top: tuple[tuple[str, str, int], ...]
    hours: Mapping[datetime, int]
    breakers: tuple[BreakerCount, ...]
    open_reviews: int
    validation_ms: float | None
    recovery_s: float | None
    alert_s: float | None

    @property
    def inconsistencies(self) -> int:
        return sum(count.found for count in self.alerts)

    @property
    def rate(self) -> float:
        """Percent of the period's calls without an alert: calls are counted, not alerts, so it lies within 0 and 100."""
        return 100.0 if self.calls == 0 else 100.0 * (self.calls - self.inconsistent_calls) / self.calls


class ConsistencyFigures:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, start: datetime, end: datetime, now: datetime) -> Figures:
        """The period ``[start, end)``, as it looks at ``now``."""
        span = {"start": start, "end": end}
        with brain_errors(), self._engine.connect() as connection:
            by_index(connection)
            totals, speeds = connection.execute(_TOTALS, span).one(), connection.execute(_SPEEDS, span | {"now": now}).one()
            return Figures(
                calls=totals.calls,
                appointments=totals.appointments,
                booking_errors=totals.booking_errors,
                inconsistent_calls=totals.inconsistent_calls,
                alerts=tuple(AlertCount(**row._asdict()) for row in connection.execute(_ALERTS, span)),
                top=tuple((row.alert_type, row.description, row.times + row.held_back) for row in connection.execute(_TOP, span)),
                hours={row.hour: row.found for row in connection.execute(_HOURS, span)},
                breakers=tuple(BreakerCount(**row._asdict()) for row in connection.execute(_BREAKERS, span)),
                open_reviews=connection.execute(_REVIEWS).scalar_one(),
                validation_ms=speeds.validation_ms,
                recovery_s=None if speeds.recovery_s is None else float(speeds.recovery_s),
                alert_s=None if speeds.alert_s is None else float(speeds.alert_s),
            )


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A report as it is kept; ``shown`` are its figures as JSON, ``markdown`` its text."""

    day: date
    zone: str
    start: datetime
    end: datetime
    figures: Figures
    shown: Mapping[str, object]
    markdown: str


def keep_report(connection: Connection, report: KeptReport, at: datetime) -> None:
    """A second report of a day replaces the first."""
    values = {
        "day": report.day,
        "zone": report.zone,
        "start": report.start,
        "end": report.end,
        "calls": report.figures.calls,
        "appointments": report.figures.appointments,
        "inconsistencies": report.figures.inconsistencies,
        "rate": math.floor(report.figures.rate * 1000) / 1000,
        "figures": json.dumps(dict(report.shown), default=str),
        "markdown": report.markdown,
        "at": at,
    }
    connection.execute(_KEEP, values)


def days_reported(engine: Engine, since: date) -> tuple[date | None, set[date]]:
    """The first day that ever had a report, and the days from ``since`` with one that was made when they were over."""
    with brain_errors(), engine.connect() as connection:
        by_index(connection)
        return connection.scalar(_FIRST), set(connection.scalars(_COMPLETE, {"since": since}))
