"""Days of calls for the tests of reports and expectations, written straight into Brain; every figure can be counted by hand."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from builders import NEW_YORK
from sqlalchemy import Engine, text

DAY = date(2025, 6, 10)
TABLES = ("vicidial_log", "vicidial_closer_log")
_CALL = text("""
    INSERT INTO vici_call_logs (instance, source_table, source_key, vici_lead_id, campaign_id, called_at, start_epoch,
        length_in_sec, status, phone_code, phone_number, row_crc, source_copy, read_at, first_seen_at, changed_at, lead_id,
        matched_by, matched_at, match_candidates, vendor_lead_code)
    VALUES (:instance, :table, :key, 1, :campaign, :at, 0, 30, :status, '1', '2125550101', 1, 'live', :at, :at, :at,
        :lead, :rule,
        CASE WHEN CAST(:rule AS text) IS NULL THEN NULL ELSE CAST(:at AS timestamptz) + :wait * interval '1 second' END,
        CASE WHEN CAST(:rule AS text) IS NULL THEN NULL ELSE 1 END,
        CASE :rule WHEN 'vendor_lead_code' THEN '1755041041000' END)
""")
_STATUS = text("""
    INSERT INTO vici_statuses VALUES (:instance, :campaign, :status, :status, :answered, :sale, :dnc, :contact, false, false,
        false, false, false, now(), NULL)
""")
_PROVEN = text("""
    INSERT INTO call_log_proofs
    SELECT :instance, source_table, at, :state, at, 0, 0, 0, 0, CASE :state WHEN 'proven' THEN at END
    FROM generate_series(
        CAST(:start AS timestamptz), CAST(:end AS timestamptz) - interval '5 minutes', interval '5 minutes'
    ) AS at,
        unnest(ARRAY['vicidial_log', 'vicidial_closer_log']) AS source_table
    ON CONFLICT DO NOTHING
""")


def local(day: date, hour: int, minute: int = 0, zone: str = NEW_YORK) -> datetime:
    """A wall time of the zone as an instant."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def put_calls(
    brain: Engine,
    at: datetime,
    count: int,
    *,
    status: str = "NA",
    campaign: str = "SOLAR",
    rule: str | None = "phone",
    instance: str = "vici",
    table: str = "vicidial_log",
    wait: float = 5,
) -> None:
    """``count`` calls a second apart from ``at`` on."""
    rows = [
        {
            "instance": instance,
            "table": table,
            "key": f"{campaign}{status}{rule}{at.timestamp():.0f}.{number}",
            "campaign": campaign,
            "at": at + timedelta(seconds=number),
            "status": status,
            "lead": None if rule is None else 1,
            "rule": rule,
            "wait": wait,
        }
        for number in range(count)
    ]
    with brain.begin() as connection:
        connection.execute(_CALL, rows)


def put_status(brain: Engine, status: str, flags: str = "", campaign: str = "", instance: str = "vici") -> None:
    """``flags`` of ``a`` (human answered), ``c`` (customer contact), ``d`` (do not call), ``s`` (sale)."""
    values = {"instance": instance, "campaign": campaign, "status": status, "dnc": "d" in flags}
    with brain.begin() as connection:
        connection.execute(_STATUS, values | {"answered": "a" in flags, "contact": "c" in flags, "sale": "s" in flags})


def prove(brain: Engine, start: datetime, end: datetime, *, state: str = "proven", instance: str = "vici") -> None:
    with brain.begin() as connection:
        connection.execute(_PROVEN, {"instance": instance, "start": start, "end": end, "state": state})


def usual_weeks(brain: Engine, weeks: Sequence[int] = (1, 2, 3, 4), calls: int = 60, hours: Sequence[int] = (10, 14)) -> None:
    """The same weekdays before DAY: ``calls`` at each of ``hours``, half of them answered."""
    for week in weeks:
        for hour in hours:
            at = local(DAY - timedelta(weeks=week), hour)
            put_calls(brain, at, calls // 2, status="NA")
            put_calls(brain, at, calls // 2, status="SALE")
