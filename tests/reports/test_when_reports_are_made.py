"""When reports are made: each night that of the day that ended, and those of days that changed after theirs."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from builders import NEW_YORK
from pydantic import SecretStr
from reported_days import DAY, local, prove, put_calls
from sqlalchemy import Engine, text

from vici_brain.domain.report_policy import ReportPolicy
from vici_brain.flows.report_calls import report_calls
from vici_brain.orchestration.asset_keys import DAILY_CALL_REPORT
from vici_brain.orchestration.call_report import days, report_schedule
from vici_brain.orchestration.resources import connections_resource
from vici_brain.settings import DialerSettings, Settings

POLICY = ReportPolicy(time_zone=NEW_YORK)
NEXT_MORNING = local(DAY, 23, 59) + timedelta(hours=2)


@pytest.fixture
def settings(brain_url: str, tmp_path: Path) -> Settings:
    dialer = DialerSettings("vici", NEW_YORK, SecretStr(f"sqlite:///{tmp_path}/none.db"))
    return Settings(tmp_path, SecretStr(brain_url), None, (dialer,), DAY - timedelta(days=9), reports=POLICY)


@pytest.fixture
def day(brain: Engine) -> Engine:
    """DAY in New York: sales, drops and orphans; all of it proven."""
    put_calls(brain, local(DAY, 10), 3, status="SALE")
    put_calls(brain, local(DAY, 14), 2, status="DROP")
    put_calls(brain, local(DAY, 15), 2, rule=None)
    prove(brain, local(DAY, 0), local(DAY + timedelta(days=1), 0))
    return brain


def test_the_schedule_asks_for_the_day_that_ended_in_the_zone(settings: Settings) -> None:
    schedule = report_schedule(settings)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("45 1 * * *", NEW_YORK)
    # Brain is not there to say which earlier days changed: that is no reason to make no report.
    away = connections_resource(replace(settings, brain_url=SecretStr("postgresql://nobody@127.0.0.1:1/none")))
    at, held = local(DAY + timedelta(days=1), 1, 45), {"connections": away}
    late = replace(settings, sync_start=DAY + timedelta(days=5))
    with dg.build_schedule_context(scheduled_execution_time=at, resources=held) as context:
        asked: Any = schedule(context)
        assert isinstance(report_schedule(late)(context), dg.SkipReason)
    assert [request.partition_key for request in asked] == [str(DAY)]
    assert days(settings).has_partition_key(str(DAY))
    assert dg.AssetKey("daily_call_report") == DAILY_CALL_REPORT


LATE = {
    "a disposition": "UPDATE vici_call_logs SET changed_at = :at WHERE status = 'SALE'",
    "a lead": "UPDATE vici_call_logs SET lead_id = 1, matched_by = 'phone', matched_at = :at WHERE lead_id IS NULL",
    "a deletion": "UPDATE vici_call_logs SET vanished_at = :at, vanish_reason = 'deleted' WHERE status = 'DROP'",
    "a proof": "UPDATE call_log_proofs SET state = 'proven', proven_at = :at WHERE bucket_start = :bucket",
}


@pytest.mark.parametrize("late", LATE)
def test_a_day_that_changed_after_its_report_is_reported_again_the_next_night(day: Engine, settings: Settings, late: str) -> None:
    two_nights_later = local(DAY + timedelta(days=2), 1, 45)
    known = replace(settings, sync_start=DAY)

    def asked_for() -> list[str]:
        resources = {"connections": connections_resource(known, lambda: two_nights_later)}
        with dg.build_schedule_context(scheduled_execution_time=two_nights_later, resources=resources) as context:
            asked: Any = report_schedule(known)(context)
        return [request.partition_key for request in asked]

    newest = str(DAY + timedelta(days=1))
    assert asked_for() == [str(DAY), newest], "a night was missed"
    if late == "a proof":
        with day.begin() as connection:
            connection.execute(text("UPDATE call_log_proofs SET state = 'read' WHERE bucket_start = :at"), {"at": local(DAY, 9)})
    report_calls(day, ["vici"], DAY, POLICY, NEXT_MORNING)
    assert asked_for() == [newest]
    values = {"at": NEXT_MORNING + timedelta(hours=1), "bucket": local(DAY, 9)}
    with day.begin() as connection:
        connection.execute(text(LATE[late]), {name: value for name, value in values.items() if f":{name}" in LATE[late]})
    assert asked_for() == [str(DAY), newest]
    report_calls(day, ["vici"], DAY, POLICY, NEXT_MORNING + timedelta(hours=2))
    assert asked_for() == [newest]
