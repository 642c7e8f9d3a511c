"""`vici-brain alerts test` and `alerts list`, `vici-brain report` and `vici-brain expectations`, as a shell starts them."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alert_sinks import webhook_sink
from reported_days import prove, put_calls
from sqlalchemy import Engine

from vici_brain.domain.alert_policy import AlertPolicy
from vici_brain.domain.throttle import Matter
from vici_brain.flows.alert_channels import AppriseChannels
from vici_brain.flows.send_alerts import send_alerts
from vici_brain.settings import PROJECT

sys.path.append(str(PROJECT / "tests" / "cli"))
from command_line import CommandLine, one_dialer

cli = pytest.fixture(one_dialer)


def test_a_test_message_is_delivered_and_a_channel_that_fails_is_named(cli: CommandLine) -> None:
    with webhook_sink() as good, webhook_sink() as bad:
        bad.status = 500
        cli.set(ALERT_URLS=good.url)
        done = cli("alerts", "test")
        assert (done.code, done.out.strip()) == (0, "json 1: delivered")
        assert good.titles == ["[info] a test of alerts"]
        cli.set(ALERT_URLS=f"{good.url},{bad.url}")
        failed = cli("alerts", "test")
    assert failed.code == 1
    assert "alerts do not reach json 2" in failed.err
    assert "s3cretToken" not in failed.out + failed.err
    listed = cli("alerts", "list")
    assert "nothing is open" in listed.out
    assert "json 1: took the last message" in listed.out


def test_without_an_address_the_test_says_what_to_set(cli: CommandLine) -> None:
    failed = cli("alerts", "test")
    assert failed.code == 2
    assert "ALERT_URLS is not set" in failed.err


def test_open_matters_are_listed(cli: CommandLine, brain: Engine) -> None:
    matter = Matter("a", "a", "critical", "vici: no call was read")
    send_alerts(brain, [matter], AppriseChannels([]), AlertPolicy(), datetime.now(UTC))
    with webhook_sink() as sink:
        from pydantic import SecretStr  # noqa: PLC0415 - only here

        send_alerts(brain, [matter], AppriseChannels([SecretStr(sink.url)]), AlertPolicy(), datetime.now(UTC))
    listed = cli("alerts", "list")
    assert "vici: no call was read" in listed.out


def test_the_report_is_printed_and_written(cli: CommandLine, brain: Engine, tmp_path: Path) -> None:
    day = datetime.now(UTC).date() - timedelta(days=2)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    put_calls(brain, start + timedelta(hours=12), 7)
    prove(brain, start, start + timedelta(days=1))
    done = cli("report", "--day", str(day), "--plain")
    assert done.code == 0, done.err
    assert f"## vici, {day:%A} {day}: 7 calls" in done.out
    assert (tmp_path / "reports" / str(day) / "call-report.html").exists()
    assert cli("report").code == 0
    assert cli("report", "--day", "yesterday").code == 2
    future = cli("report", "--day", str(day + timedelta(days=9)))
    assert future.code == 2
    assert "is not over in UTC" in future.err


def test_expectations_are_checked_over_any_stretch(cli: CommandLine, brain: Engine) -> None:
    day = datetime.now(UTC).date() - timedelta(days=2)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    put_calls(brain, start + timedelta(hours=12), 7, status="BOGUS")
    failed = cli("expectations", "--from", str(day))
    assert failed.code == 1
    assert "call_logs_meet_expectations_vici: expect_column_values_to_be_in_set status: 7 rows (100.0 %) BOGUS" in failed.out
    fine = cli("expectations", "--from", str(day - timedelta(days=3)), "--to", str(day))
    assert fine.code == 0, fine.out
    assert "pages: file:///" in fine.out
    assert cli("expectations", "--from", "yesterday").code == 2
