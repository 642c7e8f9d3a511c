"""Alerts from real troubles in PostgreSQL and Dagster to a real HTTP and SMTP server, and what is remembered of them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from alert_sinks import WebhookSink, mail_sink, webhook_sink
from builders import NEW_YORK, NOON, ask, land, one, raw_row
from pydantic import SecretStr
from sqlalchemy import Engine, text

from brain_assets.outgoing_messages import outgoing_messages
from checks.alerts import alert_check
from sensors.alerts import alerts
from vici_brain.brain.alert_windows import AlertWindows
from vici_brain.brain.database import lane
from vici_brain.brain.outbox import Message, tell
from vici_brain.brain.reviews import ReviewItem, put_up_for_review
from vici_brain.brain.troubles import troubles
from vici_brain.domain.alert_policy import AlertPolicy
from vici_brain.domain.throttle import Matter
from vici_brain.errors import BusyError
from vici_brain.flows.alert_channels import AppriseChannels, without_secrets
from vici_brain.flows.send_alerts import AlertRound, send_alerts
from vici_brain.orchestration.alert_sources import failed_runs
from vici_brain.orchestration.alerting import watched
from vici_brain.orchestration.resources import Connections, connections_resource
from vici_brain.settings import DialerSettings, Settings

POLICY = AlertPolicy()
STALE = Matter("stale/vici", "stale", "warning", "vici: no call was read", "why", "/assets/vici/vici_call_logs")


@pytest.fixture
def hook() -> Iterator[WebhookSink]:
    with webhook_sink() as sink:
        yield sink


def a_round(
    brain: Engine, *matters: Matter, urls: list[str], now: datetime = NOON, policy: AlertPolicy = POLICY, **options: Any
) -> AlertRound:
    return send_alerts(brain, matters, AppriseChannels([SecretStr(url) for url in urls]), policy, now, **options)


def test_a_matter_is_told_when_it_opens_and_when_it_is_over_with_the_number_held_back(brain: Engine, hook: WebhookSink) -> None:
    for minute in range(4):
        a_round(brain, STALE, urls=[hook.url], now=NOON + timedelta(minutes=minute))
    a_round(brain, urls=[hook.url], now=NOON + timedelta(minutes=9))
    a_round(brain, urls=[hook.url], now=NOON + timedelta(minutes=10))
    assert hook.titles == ["[warning] vici: no call was read", "[info] Over: vici: no call was read"]
    assert "http://127.0.0.1:3000/assets/vici/vici_call_logs" in hook.posts[0]["message"]
    assert "seen 3 more times since last told" in hook.posts[1]["message"]
    assert ask(brain, "SELECT opened_at, resolved_at FROM alert_windows") == [(NOON, NOON + timedelta(minutes=9))]


def test_everything_of_one_round_is_one_message(brain: Engine, hook: WebhookSink) -> None:
    done = a_round(brain, STALE, replace(STALE, fingerprint="b", severity="critical", title="worse"), urls=[hook.url])
    assert (done.sent, len(hook.posts), hook.posts[0]["type"]) == (2, 1, "failure")


def test_the_window_opens_only_after_a_message_was_sent(brain: Engine, hook: WebhookSink) -> None:
    with brain.begin() as connection:
        tell(connection, Message("daily_call_report", "report", "the report", "body"), NOON)
    hook.status = 500
    failed = a_round(brain, STALE, urls=[hook.url])
    assert (failed.sent, failed.undelivered) == (0, 2)
    assert ask(brain, "SELECT told_at FROM alert_windows WHERE told_at IS NOT NULL") == []
    assert ask(brain, "SELECT attempts, sent_at FROM outgoing_messages") == [(1, None)]
    hook.status = 200
    again = a_round(brain, STALE, urls=[hook.url], now=NOON + timedelta(minutes=1))
    assert again.sent == 2
    assert ask(brain, "SELECT attempts, sent_at, last_error FROM outgoing_messages") == [(2, NOON + timedelta(minutes=1), None)]


def test_a_broken_channel_is_told_through_the_others_and_over_when_it_works_again(brain: Engine, hook: WebhookSink) -> None:
    with webhook_sink() as broken:
        broken.status = 500
        urls = [hook.url, broken.url]
        done = a_round(brain, STALE, urls=urls)
        assert (done.sent, list(done.errors)) == (1, ["json 2"])
        (channel,) = [each for each in troubles(brain, watching(), NOON) if each.kind == "channel"]
        a_round(brain, STALE, channel, urls=urls, now=NOON + timedelta(minutes=1))
        assert hook.titles[-1] == "[critical] alerts do not reach json 2"
        broken.status = 200
        a_round(brain, STALE, channel, urls=urls, now=NOON + timedelta(hours=5))
        assert [each for each in troubles(brain, watching(), NOON) if each.kind == "channel"] == []
    assert "s3cretToken" not in str(ask(brain, "SELECT * FROM alert_channels")) + str(hook.posts)


def test_a_channel_that_is_configured_no_longer_is_forgotten(brain: Engine, hook: WebhookSink) -> None:
    a_round(brain, STALE, urls=[hook.url, "json://127.0.0.1:1/x"])
    a_round(brain, STALE, urls=[hook.url], now=NOON + timedelta(hours=5))
    assert ask(brain, "SELECT channel FROM alert_channels") == [("json 1",)]


def test_an_address_that_is_none_and_a_host_that_is_away_are_said_without_their_secrets(brain: Engine) -> None:
    done = a_round(brain, STALE, urls=["nonsense://tok3nInPath/x", "json://user:hunter2@127.0.0.1:1/tok3nInPath"])
    assert done.sent == 0
    assert "its address is no Apprise URL" in done.errors["nonsense 1"]
    assert "hunter2" not in str(done)
    assert "tok3nInPath" not in str(done)
    assert without_secrets("POST https://h/tok3nInPath failed", "json://h/tok3nInPath") == "POST https://h/*** failed"


def test_what_is_too_long_for_a_service_arrives_in_parts(brain: Engine, hook: WebhookSink) -> None:
    hook.longest = 4000  # what a chat server takes; one over it is refused, and was never told
    long = [replace(STALE, fingerprint=f"{number}", title=f"trouble {number}", body="why " * 300) for number in range(9)]
    done = a_round(brain, *long, urls=[hook.chat_url])
    assert done.errors == {}
    assert len(hook.posts) > 1
    said = "".join(post["text"] for post in hook.posts)
    assert [number for number in range(9) if f"trouble {number}" not in said] == []


def test_mails_arrive(brain: Engine) -> None:
    with mail_sink() as (url, mails):
        done = a_round(brain, STALE, urls=[url])
    assert done.errors == {}
    (mail,) = mails
    assert "Subject: [warning] vici: no call was read" in mail


def test_without_an_address_nothing_is_told_and_nothing_is_lost(brain: Engine) -> None:
    with brain.begin() as connection:
        tell(connection, Message("daily_call_report", "report", "the report", "body"), NOON)
    done = a_round(brain, STALE, urls=[])
    assert (done.sent, done.undelivered, done.errors) == (0, 2, {})
    assert one(brain, "SELECT count(*) FROM outgoing_messages WHERE sent_at IS NULL") == 1


def test_events_wait_for_the_morning_and_for_their_window(brain: Engine, hook: WebhookSink) -> None:
    policy = AlertPolicy(quiet_from=time(15), quiet_until=time(17))
    for number in range(3):
        with brain.begin() as connection:
            tell(connection, Message("run_failed", "run_failed/x", f"run {number} failed", "body", "warning"), NOON)
    assert a_round(brain, urls=[hook.url], policy=policy).waiting == 3
    assert a_round(brain, urls=[hook.url], now=NOON + timedelta(hours=1), policy=policy).sent == 1
    assert "2 more of the same since" in hook.posts[0]["message"]
    assert one(brain, "SELECT count(*) FROM outgoing_messages WHERE sent_at IS NULL") == 0


def test_messages_older_than_three_days_are_not_sent_to_a_channel_that_came_late(brain: Engine, hook: WebhookSink) -> None:
    with brain.begin() as connection:
        tell(connection, Message("k", "f", "t", "b"), NOON - timedelta(days=4))
    assert a_round(brain, urls=[hook.url]).sent == 0


def test_of_two_rounds_at_once_one_waits_for_another_time(brain: Engine, hook: WebhookSink) -> None:
    with lane(brain, "alerts", "send"), pytest.raises(BusyError):
        a_round(brain, STALE, urls=[hook.url])


# What is wrong now, as Brain's tables tell it.


def watching(**changes: Any) -> Any:
    dialer = DialerSettings("vici", NEW_YORK, SecretStr("sqlite://"))
    return watched(Connections(Settings(Path(), None, None, (dialer,), NOON.date(), **changes)))


def found(brain: Engine, now: datetime = NOON) -> dict[str, Matter]:
    return {each.fingerprint: each for each in troubles(brain, watching(), now)}


LEDGER = """
    INSERT INTO call_log_proofs SELECT 'vici', source_table, CAST(:at AS timestamptz), :state, :at, 0, 0, 0, 0, NULL
    FROM unnest(ARRAY['vicidial_log', 'vicidial_closer_log']) AS source_table
"""
SYNC = """
    INSERT INTO sync_logs (instance, kind, trigger, status, started_at, seconds) VALUES ('vici', 'calls', 't', 'success', :at, :s)
"""


def do(brain: Engine, statement: str, **values: Any) -> None:
    with brain.begin() as connection:
        connection.execute(text(statement), values)


def test_a_brain_in_order_and_an_empty_one_have_no_trouble(brain: Engine) -> None:
    assert found(brain) == {}
    do(brain, LEDGER, at=NOON - timedelta(minutes=10), state="proven")
    assert found(brain) == {}


def test_a_stale_ledger_and_open_buckets_are_found(brain: Engine) -> None:
    do(brain, LEDGER, at=NOON - timedelta(minutes=100), state="read")
    assert set(found(brain)) == {"unproven/vici", "stale/vici"}
    assert found(brain)["unproven/vici"].severity == "warning"
    do(brain, "UPDATE call_log_proofs SET state = 'differs'")
    assert "2 of them differ" in found(brain)["unproven/vici"].body
    assert found(brain)["unproven/vici"].severity == "critical"
    assert set(found(brain, NOON - timedelta(minutes=85))) == set()


def test_slow_syncs_are_found_for_half_an_hour(brain: Engine) -> None:
    do(brain, SYNC, at=NOON - timedelta(minutes=20), s=61.0)
    do(brain, SYNC, at=NOON - timedelta(minutes=5), s=59.0)
    assert found(brain)["slow_sync/vici"].title == "vici: a sync took 61 seconds"
    assert found(brain, NOON + timedelta(minutes=12)) == {}


# F029
def test_a_sync_that_took_an_hour_is_found_although_it_began_long_ago(brain: Engine) -> None:
    do(brain, SYNC, at=NOON - timedelta(minutes=65), s=3600.0)
    assert found(brain)["slow_sync/vici"].title == "vici: a sync took 3600 seconds"


def test_calls_that_left_a_dialer_all_at_once_are_found_for_a_day(brain: Engine) -> None:
    do(brain, SYNC, at=NOON - timedelta(hours=2), s=1.0)
    assert found(brain) == {}
    do(brain, "UPDATE sync_logs SET details = jsonb_build_object('emptied', 1200)")
    assert found(brain)["emptied/vici"].title == "vici: 1,200 calls of the last three days left the dialer all at once"
    assert found(brain, NOON + timedelta(hours=23)) == {}


def test_a_growing_backlog_of_orphans_is_found(brain: Engine) -> None:
    def orphans(day: int, count: int) -> None:
        at = NOON - timedelta(days=day, hours=1)
        land(brain, [raw_row(at + timedelta(seconds=number), f"{day}.{number}") for number in range(count)])

    for day in range(1, 8):
        orphans(day, 60)
    orphans(0, 99)
    assert found(brain) == {}
    orphans(0, 121)
    assert found(brain)["orphans/vici"].body.startswith("60 a day are usual")


def test_a_thousand_open_alerts_of_one_type_are_one_matter_and_the_worst_counts(brain: Engine) -> None:
    alert = """
        INSERT INTO data_consistency_alerts (alert_type, severity, entity_type, entity_id, description, detected_at, corrected_at)
        SELECT 'missing_appointment', CASE n WHEN 1 THEN 'critical' ELSE 'warning' END, 'call', n, 'call ' || n, :at,
            CASE WHEN n > 1000 THEN now() END FROM generate_series(1, 1200) n
    """
    do(brain, alert, at=NOON - timedelta(hours=5))
    (matter,) = found(brain).values()
    assert (matter.severity, matter.title) == ("critical", "1,000 open alerts missing_appointment")


def test_old_reviews_are_found(brain: Engine) -> None:
    with brain.begin() as connection:
        put_up_for_review(connection, [ReviewItem("ambiguous_match", "lead", "7", 2)], NOON - timedelta(hours=25))
        put_up_for_review(connection, [ReviewItem("ambiguous_match", "lead", "8", 1)], NOON - timedelta(hours=1))
    assert found(brain)["review/ambiguous_match"].title == "1 reviews wait for more than 24 hours: ambiguous_match"


def test_open_circuit_breakers_are_found_where_there_are_any(brain: Engine) -> None:
    if one(brain, "SELECT to_regclass('circuit_breaker_states') IS NULL"):
        assert found(brain) == {}
        do(
            brain,
            "CREATE TABLE circuit_breaker_states (circuit_key text, state text, failure_count int, opened_at timestamptz)",
        )
    do(
        brain,
        "INSERT INTO circuit_breaker_states (circuit_key, state, failure_count, opened_at) VALUES ('vici', 'open', 3, :at)",
        at=NOON,
    )
    assert found(brain)["breaker/vici"].severity == "critical"
    assert found(brain)["breaker/vici"].link == "/assets/manual_review_queue"
    do(brain, "UPDATE circuit_breaker_states SET circuit_key = 'dialer:vici'")
    assert found(brain)["breaker/dialer:vici"].link == "/assets/vici/vici_call_logs"
    do(brain, "UPDATE circuit_breaker_states SET state = 'half_open'")
    assert found(brain) == {}


# The sensor, over an instance of Dagster with runs and checks of its own.


@dg.asset
def counted() -> None:
    """Something to check."""


@dg.asset_check(asset=counted, name="adds_up")
def adds_up() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.ERROR, metadata={"offending": 3})


@dg.asset_check(asset=counted, name="is_pretty")
def is_pretty() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset=counted, name="adds_up")
def adds_up_now() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@dg.job
def failing() -> None:
    @dg.op
    def fail() -> None:
        raise dg.Failure("vici refused the login mysql://u:hunter2@h/db; check the password", allow_retries=False)

    fail()


KEYS = [dg.AssetCheckKey(counted.key, name) for name in ("adds_up", "is_pretty", "never_ran")]


@pytest.fixture
def shell(brain_url: str, tmp_path: Path, hook: WebhookSink) -> Iterator[Connections]:
    dialer = DialerSettings("vici", NEW_YORK, SecretStr(f"sqlite:///{tmp_path}/none.db"))
    settings = Settings(tmp_path, SecretStr(brain_url), None, (dialer,), NOON.date(), alert_urls=(SecretStr(hook.url),))
    connections = Connections(settings)
    try:
        yield connections
    finally:
        connections.close()


def tick(shell: Connections, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"connections": shell}) as context:
        result = alerts(KEYS)(context)
    assert isinstance(result, dg.SensorResult)
    return result


def said(result: dg.SensorResult) -> str:
    assert result.skip_reason is not None
    return str(result.skip_reason.skip_message)


# F112
def test_failed_runs_and_red_checks_of_severity_error_are_told_once(brain: Engine, shell: Connections, hook: WebhookSink) -> None:
    with dg.instance_for_test() as instance:
        assert dg.materialize([counted, adds_up, is_pretty], instance=instance).success
        run = failing.execute_in_process(instance=instance, raise_on_error=False)
        first = tick(shell, instance)
        second = tick(shell, instance, first.cursor)
        third = tick(shell, instance)
        (post,) = hook.posts
        assert post["title"] == "[critical] counted: the check adds_up is red, and 1 more"
        assert f"/runs/{run.run_id}" in post["message"]
        assert "vici refused the login" in post["message"]
        assert "hunter2" not in post["message"]
        assert "is_pretty" not in post["message"]
        assert said(first) == "1 open, 2 told, 0 held back, 0 messages wait"
        assert said(second) == said(third) == "1 open, 0 told, 1 held back, 0 messages wait"
        dg.materialize([counted, adds_up_now], instance=instance)
        tick(shell, instance, second.cursor)
    assert hook.titles[-1] == "[info] Over: counted: the check adds_up is red"
    assert one(brain, "SELECT count(*) FROM outgoing_messages WHERE kind = 'run_failed'") == 1


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2025-06-01"), key=["vici", "unreadable"])
def unreadable() -> None:
    raise dg.Failure("vici cannot be reached", allow_retries=False)


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"dagster/partition": "2025-06-02"}, "Partition 2025-06-02: vici cannot be reached"),
        (
            {"dagster/asset_partition_range_start": "2025-06-02", "dagster/asset_partition_range_end": "2025-06-04"},
            "Partitions 2025-06-02 to 2025-06-04: vici cannot be reached",
        ),
    ],
)
def test_a_run_that_was_started_from_an_assets_page_goes_by_its_asset_and_partitions(tags: dict[str, str], said: str) -> None:
    started = datetime.now(UTC) - timedelta(minutes=1)
    with dg.instance_for_test() as instance:
        job = dg.Definitions(assets=[unreadable]).resolve_implicit_global_asset_job_def()
        job.execute_in_process(instance=instance, tags=tags, asset_selection=[unreadable.key], raise_on_error=False)
        ((_, matter),) = failed_runs(instance, started)
    assert (matter.fingerprint, matter.title) == ("run_failed/vici/unreadable", "the run of vici/unreadable failed")
    assert matter.body == said


def test_the_tick_marks_the_check_on_channels(brain: Engine, shell: Connections, hook: WebhookSink) -> None:
    do(brain, SYNC, at=shell.clock(), s=99.0)
    hook.status = 500
    with dg.instance_for_test() as instance:
        result = tick(shell, instance)
        assert "json 1 is broken" in said(result)
        (mark,) = result.asset_events
        assert isinstance(mark, dg.AssetCheckEvaluation)
        assert (mark.check_name, mark.passed, mark.severity) == ("alerts_reach_people", False, dg.AssetCheckSeverity.ERROR)
        job = dg.define_asset_job("look", dg.AssetSelection.all_asset_checks())
        definitions = dg.Definitions(
            assets=[outgoing_messages()],
            asset_checks=[alert_check()],
            jobs=[job],
            resources={"connections": connections_resource(shell.settings, shell.clock)},
        )
        (by_hand,) = definitions.resolve_job_def("look").execute_in_process(instance=instance).get_asset_check_evaluations()
        assert not by_hand.passed
        hook.status = 200
        (mark,) = tick(shell, instance, result.cursor).asset_events
    assert isinstance(mark, dg.AssetCheckEvaluation)
    assert mark.passed


def test_a_brain_that_is_away_is_told_once_although_nothing_can_be_remembered_there(
    shell: Connections, hook: WebhookSink
) -> None:
    settings = replace(shell.settings, brain_url=SecretStr("postgresql://nobody:hunter2@127.0.0.1:1/none"))
    away = Connections(settings, lambda: NOON)
    with dg.instance_for_test() as instance:
        first = tick(away, instance)
        assert "people were told" in said(first)
        assert "unknown, because Brain could not be asked" in said(tick(away, instance, first.cursor))
        assert hook.titles == ["[critical] Brain cannot be asked: no call is kept and no alert is known"]
        assert list(first.asset_events) == []
        later = Connections(settings, lambda: NOON + timedelta(hours=4))
        tick(later, instance, first.cursor)
        assert len(hook.posts) == 2
    assert "hunter2" not in str(hook.posts) + str(first.cursor)


def test_an_empty_setting_is_said_by_the_tick(brain: Engine, shell: Connections) -> None:
    quiet = Connections(replace(shell.settings, alert_urls=()))
    with dg.instance_for_test() as instance:
        assert said(tick(quiet, instance)).endswith("; ALERT_URLS names nobody to tell")
    quiet.close()
    assert AlertWindows(brain).channels() == []
