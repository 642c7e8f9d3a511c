"""F024 on PostgreSQL: counts from calls and ledger, one alert a silence, and what the sensor and the check show of it."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from builders import NEW_YORK, NOON, ask, one
from pydantic import SecretStr
from sqlalchemy import Engine, text

from checks.silence import silence_check
from sensors.silence import dialer_silence
from vici_assets.dialer_tables import dialer_tables
from vici_brain.brain.activity import Activity
from vici_brain.brain.alerts import DialerAlert, DialerAlerts
from vici_brain.brain.sql import load
from vici_brain.domain.silence import DIALER
from vici_brain.flows.watch_silence import SilenceWatch, watch_silence
from vici_brain.orchestration.asset_keys import InstanceNames
from vici_brain.orchestration.resources import Connections, connections_resource
from vici_brain.orchestration.silence import CHECK
from vici_brain.settings import DialerSettings, Settings

TABLES = ["vicidial_log", "vicidial_closer_log"]
ZONE = ZoneInfo(NEW_YORK)
_CALLS = text("""
    INSERT INTO vici_call_logs (instance, source_table, source_key, campaign_id, called_at, row_crc, source_copy, read_at,
        first_seen_at, changed_at)
    SELECT :instance, 'vicidial_log', :name || extract(epoch FROM at), :campaign, at, 1, 'live', at, at, at
    FROM generate_series(
        CAST(:start AS timestamptz), CAST(:end AS timestamptz) - interval '1 second', CAST(:step AS interval)
    ) AS at
    ON CONFLICT DO NOTHING
""")
_LEDGER = text("""
    INSERT INTO call_log_proofs (instance, source_table, bucket_start, state, read_at, source_count, source_crc_sum, brain_count,
        brain_crc_sum)
    SELECT :instance, source_table, at, 'read', at, CASE source_table WHEN 'vicidial_log' THEN :calls ELSE 0 END, 0, 0, 0
    FROM generate_series(
        CAST(:start AS timestamptz), CAST(:end AS timestamptz) - interval '5 minutes', interval '5 minutes'
    ) AS at,
        unnest(ARRAY['vicidial_log', 'vicidial_closer_log']) AS source_table
    ON CONFLICT DO NOTHING
""")


def calls(brain: Engine, start: datetime, end: datetime, *, campaign: str = "SOLAR", step: str = "2 minutes") -> None:
    """A call every ``step`` of ``[start, end)``."""
    values = {"instance": "vici", "name": campaign, "campaign": campaign, "start": start, "end": end, "step": step}
    with brain.begin() as connection:
        connection.execute(_CALLS, values)


def read(brain: Engine, start: datetime, end: datetime, *, calls: int = 3) -> None:
    """The ledger's word that ``[start, end)`` was read."""
    with brain.begin() as connection:
        connection.execute(_LEDGER, {"instance": "vici", "start": start, "end": end, "calls": calls})


@pytest.fixture
def busy(brain: Engine) -> Engine:
    """Eight weeks of the same seven hours around NOON, hourly 30 calls of SOLAR and 15 of WIND; today until 15:00 UTC."""
    for week in range(1, 9):
        day = (NOON.astimezone(ZONE) - timedelta(weeks=week)).astimezone(UTC)
        read(brain, day - timedelta(hours=4), day + timedelta(hours=3))
        for campaign, step in (("SOLAR", "2 minutes"), ("WIND", "4 minutes")):
            calls(brain, day - timedelta(hours=4), day + timedelta(hours=3), campaign=campaign, step=step)
    read(brain, NOON - timedelta(hours=4), NOON - timedelta(hours=1))
    for campaign, step in (("SOLAR", "2 minutes"), ("WIND", "4 minutes")):
        calls(brain, NOON - timedelta(hours=4), NOON - timedelta(hours=1), campaign=campaign, step=step)
    return brain


def look(brain: Engine, now: datetime = NOON) -> SilenceWatch:
    return watch_silence(brain, "vici", NEW_YORK, now + timedelta(seconds=100))


def alerts(brain: Engine) -> list[tuple[object, ...]]:
    return ask(
        brain,
        "SELECT alert_type, severity, metadata ->> 'campaign', detected_at, corrected_at FROM data_consistency_alerts"
        " WHERE entity_type = 'dialer_instance' AND metadata ->> 'instance' = 'vici' ORDER BY id",
    )


def test_hours_are_counted_by_campaign_and_known_to_be_read(busy: Engine) -> None:
    signals = Activity(busy, "vici", ZONE, TABLES).signals(NOON - timedelta(hours=1))
    assert signals.last.by_campaign == {"SOLAR": 30, "WIND": 15}
    assert (signals.last.is_read, signals.last.day_calls) == (True, 3 * 12 * 3)
    assert [(hour.calls, hour.is_read, hour.day_calls) for hour in signals.past] == [(45, True, 7 * 12 * 3)] * 8
    assert signals.newest_call == NOON - timedelta(hours=1, minutes=2)
    unread = Activity(busy, "vici", ZONE, TABLES).signals(NOON - timedelta(minutes=55))
    assert (unread.last.is_read, unread.last.calls) == (False, 40)
    assert not Activity(busy, "other", ZONE, TABLES).signals(NOON).last.is_read


def test_purged_orphans_count_in_the_profile_and_vanished_twins_do_not(busy: Engine) -> None:
    with busy.begin() as connection:
        connection.execute(
            text("UPDATE vici_call_logs SET vanished_at = now(), vanish_reason = 'deleted' WHERE campaign_id = 'WIND'")
        )
        connection.execute(
            text("""
                INSERT INTO orphan_purges (instance, mode, trigger, actor, acted_at, cutoff, calls, exported_calls,
                    first_called_at, last_called_at, file, sha256)
                VALUES ('vici', 'purged', 't', 'a', now(), now(), 1, 1, now(), now(), 'f', 's')
            """)
        )
        connection.execute(
            text("""
                WITH moved AS (DELETE FROM vici_call_logs WHERE called_at < '2025-06-01' RETURNING *)
                INSERT INTO purged_orphan_calls SELECT 1, moved.* FROM moved
            """)
        )
    signals = Activity(busy, "vici", ZONE, TABLES).signals(NOON - timedelta(hours=1))
    assert [hour.calls for hour in signals.past] == [30] * 8


def test_the_counts_walk_the_index_of_calls_by_time_and_the_ledgers_key(busy: Engine) -> None:
    calls(busy, datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC), campaign="OLD", step="1 minute")
    read(busy, datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 4, 1, tzinfo=UTC))
    hours = [NOON - timedelta(weeks=week) for week in range(9)]
    values = {
        "instance": "vici",
        "source_tables": TABLES,
        "hour_starts": [at - timedelta(hours=1) for at in hours],
        "hour_ends": hours,
        "day_starts": [at - timedelta(hours=16) for at in hours],
        "day_ends": [at + timedelta(hours=8) for at in hours],
    }
    with busy.connect() as connection:
        connection.execute(text("ANALYZE vici_call_logs, call_log_proofs, purged_orphan_calls"))
        plan = "\n".join(connection.scalars(text("EXPLAIN (ANALYZE) " + load("activity_of_hours").text), values))
    assert "vici_call_logs_called_at" in plan
    assert "call_log_proofs_pkey" in plan
    assert re.findall(r"Seq Scan on (?:vici_call_logs|call_log_proofs)\b", plan) == []


def test_a_silent_dialer_raises_one_alert_that_ends_when_calls_come_again(busy: Engine) -> None:
    read(busy, NOON - timedelta(hours=1), NOON)
    first = look(busy)
    assert (first.verdict.kind, first.raised, first.opened) == ("dialer_silent", (DIALER,), (DIALER,))
    # Five minutes of calls are left in the hour before that, and four calls are no more than a tenth of 45.
    assert alerts(busy) == [("dialer_silent", "critical", None, NOON - timedelta(minutes=5), None)]
    again = look(busy)
    assert (again.raised, again.opened) == ((), (DIALER,))
    read(busy, NOON, NOON + timedelta(minutes=30))
    calls(busy, NOON + timedelta(minutes=10), NOON + timedelta(minutes=30))
    calls(busy, NOON + timedelta(minutes=10), NOON + timedelta(minutes=30), campaign="WIND", step="4 minutes")
    back = look(busy, NOON + timedelta(minutes=30))
    assert (back.verdict.kind, back.resolved, back.opened) == ("normal", (DIALER,), ())
    assert len(alerts(busy)) == 1
    (row,) = ask(busy, "SELECT corrected_at, auto_corrected, resolution_notes, entity_id FROM data_consistency_alerts")
    assert row[0] == NOON + timedelta(minutes=25)
    assert row[1:2] == (False,)
    assert str(row[2]).startswith("calls came again: 12 calls in the last hour; 45 are usual")
    assert look(busy, NOON + timedelta(minutes=30)).resolved == ()


def test_a_silent_hour_between_two_looks_is_found_by_the_second(busy: Engine) -> None:
    read(busy, NOON - timedelta(hours=1), NOON + timedelta(minutes=10))
    for campaign in ("SOLAR", "WIND"):
        calls(busy, NOON, NOON + timedelta(minutes=10), campaign=campaign, step="20 seconds")
    seen = look(busy, NOON + timedelta(minutes=10))
    assert (seen.raised, seen.resolved, seen.opened) == ((DIALER,), (DIALER,), ())
    assert len(alerts(busy)) == 1


def test_a_silent_campaign_is_a_warning_of_its_own(busy: Engine) -> None:
    read(busy, NOON - timedelta(hours=1), NOON)
    calls(busy, NOON - timedelta(hours=1), NOON)
    seen = look(busy)
    assert (seen.verdict.kind, seen.raised, seen.is_whole_dialer) == ("campaign_silent", ("WIND",), False)
    assert [row[:3] for row in alerts(busy)] == [("campaign_silent", "warning", "WIND")]


def test_what_the_ledger_has_not_read_is_unknown_and_changes_no_alert(busy: Engine) -> None:
    seen = look(busy)
    assert (seen.verdict.kind, seen.raised, seen.until) == ("unknown_not_read", (), NOON)
    read(busy, NOON - timedelta(hours=1), NOON - timedelta(minutes=5))
    assert look(busy).verdict.kind == "dialer_silent"
    assert look(busy, NOON + timedelta(minutes=30)).opened == (DIALER,)


def test_of_two_watchers_at_once_one_raises(busy: Engine) -> None:
    alert = DialerAlert("dialer_silent", "critical", DIALER, "silent", {})
    assert DialerAlerts(busy, "vici").raise_once(alert, NOON)
    assert not DialerAlerts(busy, "vici").raise_once(alert, NOON)
    assert DialerAlerts(busy, "other").raise_once(alert, NOON)
    assert DialerAlerts(busy, "vici").resolve("dialer_silent", DIALER, "over", NOON)
    assert DialerAlerts(busy, "vici").raise_once(alert, NOON)


def test_two_open_alerts_about_one_silence_are_impossible(busy: Engine) -> None:
    read(busy, NOON - timedelta(hours=1), NOON)
    look(busy)
    copy = """
        INSERT INTO data_consistency_alerts (alert_type, entity_type, description, metadata, detected_at)
        SELECT alert_type, entity_type, description, metadata, now() FROM data_consistency_alerts ON CONFLICT DO NOTHING
    """
    with busy.begin() as connection:
        assert connection.execute(text(copy)).rowcount == 0


@pytest.fixture
def shell(busy: Engine, brain_url: str, tmp_path: Path) -> Iterator[Connections]:
    dialer = DialerSettings("vici", NEW_YORK, SecretStr(f"sqlite:///{tmp_path}/none.db"))
    settings = Settings(tmp_path, SecretStr(brain_url), None, (dialer,), NOON.date())
    connections = Connections(settings, lambda: NOON + timedelta(seconds=100))
    try:
        yield connections
    finally:
        connections.close()


def tick(shell: Connections) -> dg.SensorResult:
    with dg.build_sensor_context(resources={"connections": shell}) as context:
        result = dialer_silence(shell.settings.dialers)(context)
    assert isinstance(result, dg.SensorResult)
    return result


def test_the_sensor_marks_the_dialer_and_says_what_it_saw(busy: Engine, shell: Connections) -> None:
    read(busy, NOON - timedelta(hours=1), NOON)
    result = tick(shell)
    (mark,) = result.asset_events
    assert isinstance(mark, dg.AssetCheckEvaluation)
    assert (mark.asset_key, mark.check_name) == (InstanceNames("vici").dialer_tables[0], CHECK)
    assert (mark.passed, mark.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert result.skip_reason is not None
    assert "vici: dialer_silent, 0 calls in the last hour; 45 are usual" in str(result.skip_reason.skip_message)
    calls(busy, NOON - timedelta(hours=1), NOON, step="1 minute")
    with busy.begin() as connection:
        connection.execute(text("UPDATE data_consistency_alerts SET corrected_at = now()"))
    (mark,) = tick(shell).asset_events
    assert (mark.passed, mark.severity) == (False, dg.AssetCheckSeverity.WARN)  # type: ignore[union-attr]


def test_the_sensor_marks_nothing_where_nothing_is_known(busy: Engine, shell: Connections) -> None:
    result = tick(shell)
    assert list(result.asset_events) == []
    assert "unknown_not_read" in str(result.skip_reason)


def test_a_brain_that_does_not_answer_is_said_and_no_silence(shell: Connections, tmp_path: Path) -> None:
    down = SecretStr("postgresql://nobody@127.0.0.1:1/none")
    settings = Settings(tmp_path, down, None, shell.settings.dialers, NOON.date())
    unreachable = Connections(settings, shell.clock)
    result = tick(unreachable)
    assert list(result.asset_events) == []
    assert "vici: unknown, because Brain could not be asked" in str(result.skip_reason)


@pytest.mark.parametrize("working", [True, False])
def test_the_check_can_be_run_by_hand_on_the_dialers_own_table(busy: Engine, shell: Connections, working: bool) -> None:
    read(busy, NOON - timedelta(hours=1), NOON)
    if working:
        calls(busy, NOON - timedelta(hours=1), NOON)
        calls(busy, NOON - timedelta(hours=1), NOON, campaign="WIND", step="4 minutes")
    (dialer,) = shell.settings.dialers
    definitions = dg.Definitions(
        assets=dialer_tables("vici"),
        asset_checks=[silence_check(dialer)],
        jobs=[dg.define_asset_job("look", dg.AssetSelection.all_asset_checks())],
        sensors=[dialer_silence([dialer])],
        resources={"connections": connections_resource(shell.settings, shell.clock)},
    )
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def("look").execute_in_process(instance=instance)
        (mark,) = result.get_asset_check_evaluations()
    assert (mark.check_name, mark.passed) == (CHECK, working)
    assert mark.asset_key == InstanceNames("vici").dialer_tables[0]
    assert one(busy, "SELECT count(*) FROM data_consistency_alerts") == int(not working)
