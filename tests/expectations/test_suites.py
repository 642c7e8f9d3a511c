"""Every suite on PostgreSQL through Great Expectations itself; its import is paid once, and the runs are few."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from builders import NEW_YORK, add_lead, leads_of_a_crm
from pydantic import SecretStr
from reported_days import DAY, local, put_calls, put_status, usual_weeks
from sqlalchemy import Engine, text

from checks.expectations import expectation_check_keys, expectation_checks, expectations_job
from vici_brain.domain.report_policy import ReportPolicy
from vici_brain.errors import ConfigurationError
from vici_brain.orchestration.call_report import day_window_of_tags, stretch
from vici_brain.orchestration.expectations import ExpectationRun, check_expectations
from vici_brain.orchestration.resources import Connections, connections_resource
from vici_brain.settings import PROJECT, DialerSettings, Settings

WINDOW = ReportPolicy(time_zone=NEW_YORK).window(DAY)
NAMES = {
    *("call_logs_meet_expectations_vici", "call_log_columns_have_their_types", "call_mix_is_stable_vici"),
    *("leads_meet_expectations", "vici_statuses_meet_expectations_vici"),
}
LATER = {
    *("vici_campaigns_meet_expectations_vici", "vici_lists_meet_expectations_vici", "vici_caller_ids_meet_expectations_vici"),
    "affiliate_purchases_meet_expectations",
}
"""Of relations that Brain does not have yet."""


@pytest.fixture
def good(brain: Engine) -> Engine:
    """A day like its four weeks before, and two leads of it."""
    for status in ("DNC", "DROP", "NA", "SALE"):
        put_status(brain, status)
    usual_weeks(brain, (0, 1, 2, 3, 4))
    put_calls(brain, local(DAY, 10, 30), 20, rule="vendor_lead_code")
    # A code that is nobody's: a site's own text, and no fault of a call.
    with brain.begin() as connection:
        connection.execute(text("UPDATE vici_call_logs SET vendor_lead_code = 'web-lead' WHERE matched_by = 'phone'"))
    add_lead(brain, 1, code="1755041041000", phone="(212) 555-0101", created_at=local(DAY, 9))
    add_lead(brain, 2, code="1755041041001", phone="2125550102", created_at=local(DAY, 10))
    return brain


@pytest.fixture
def shell(brain_url: str, tmp_path: Path) -> Iterator[Connections]:
    dialer = DialerSettings("vici", NEW_YORK, SecretStr(f"sqlite:///{tmp_path}/none.db"))
    reports = ReportPolicy(time_zone=NEW_YORK)
    settings = Settings(tmp_path, SecretStr(brain_url), None, (dialer,), DAY - timedelta(days=9), reports=reports)
    settings = replace(settings, pages_url="https://pages.example")
    connections = Connections(settings, lambda: local(DAY + timedelta(days=1), 2))
    try:
        yield connections
    finally:
        connections.close()


def broken(run: ExpectationRun) -> dict[str, set[tuple[str, str]]]:
    return {each.name: {(it.expectation, it.column) for it in each.broken} for each in run.results if each.broken}


def test_a_good_day_meets_every_expectation_and_has_its_pages(good: Engine, shell: Connections) -> None:
    run = check_expectations(shell, WINDOW)
    assert broken(run) == {}
    assert {each.name for each in run.results if not each.is_absent} == NAMES
    assert {each.name for each in run.results if each.is_absent} == LATER
    assert {each.name: each.rows for each in run.results}["call_logs_meet_expectations_vici"] == 140
    assert sum(each.expectations for each in run.results) > 45
    assert run.docs.exists()
    pages = list(run.docs.parent.rglob("*.html"))
    assert "call_logs_meet_expectations_vici" in run.docs.read_text()
    fetched = re.compile(r"<script|<link|<img|src=|href=.https?:")
    assert [page.name for page in pages if fetched.search(page.read_text())] == [], "they are read without the internet"
    links = re.findall(r'href="([^"#]+)"', run.docs.read_text())
    assert len(links) == len(NAMES)
    assert [link for link in links if not (run.docs.parent / link).exists()] == []
    assert len(list(run.docs.parent.rglob("validations/**/*.html"))) == len(NAMES)


SPOILT = """
    UPDATE vici_call_logs SET length_in_sec = -5 WHERE called_at >= :day AND status = 'NA';
    UPDATE vici_call_logs SET phone_number = 'unknown', status = 'BOGUS' WHERE called_at >= :day AND status = 'SALE';
    UPDATE vici_call_logs SET vendor_lead_code = '123' WHERE called_at >= :day;
    UPDATE vici_call_logs SET row_crc = -1, match_candidates = 0, campaign_id = NULL WHERE called_at >= :day;
    ALTER TABLE vici_call_logs ALTER match_candidates TYPE bigint;
    UPDATE leads SET external_lead_id = '99', phone = 'x';
"""


def test_every_kind_of_fault_is_found_and_named(good: Engine, shell: Connections) -> None:
    leads_of_a_crm(good)
    with good.begin() as connection:
        connection.execute(text("DROP VIEW vici_call_metrics, orphan_call_logs"))
        for statement in filter(str.strip, SPOILT.split(";")):
            connection.execute(text(statement), {"day": WINDOW.start} if ":day" in statement else {})
    found = broken(check_expectations(shell, WINDOW))
    assert {column for _, column in found["call_logs_meet_expectations_vici"]} == {
        *("length_in_sec", "phone_number", "status", "vendor_lead_code", "row_crc", "match_candidates", "campaign_id"),
    }
    assert found["call_log_columns_have_their_types"] == {("expect_column_distinct_values_to_contain_set", "column_and_type")}
    assert found["call_mix_is_stable_vici"] == {("expect_column_values_to_be_between", "stability_index")}
    assert found["leads_meet_expectations"] == {
        ("expect_column_values_to_be_unique", "external_lead_id"),
        ("expect_column_values_to_match_regex", "external_lead_id"),
        ("expect_column_values_to_match_regex", "phone"),
    }


def test_a_catalog_that_is_not_a_dialers_is_found(good: Engine, shell: Connections) -> None:
    with good.begin() as connection:
        connection.execute(text("DELETE FROM vici_statuses WHERE status = 'DNC'"))
        connection.execute(text("UPDATE vici_statuses SET status_name = NULL, status = 'too long' WHERE status = 'SALE'"))
    found = broken(check_expectations(shell, WINDOW, ["vici_statuses_meet_expectations_vici"]))
    assert found["vici_statuses_meet_expectations_vici"] == {
        ("expect_column_distinct_values_to_contain_set", "status"),
        ("expect_column_values_to_match_regex", "status"),
        ("expect_column_values_to_not_be_null", "status_name"),
    }


COMING = """
    CREATE TABLE vici_campaigns (instance text, campaign_id text, campaign_name text, active text);
    CREATE TABLE vici_lists (instance text, list_id bigint, list_name text, campaign_id text, active text);
    CREATE TABLE affiliate_purchases (network text, status text, currency text, revenue numeric(15,2), order_date timestamptz);
    INSERT INTO vici_campaigns VALUES ('vici', 'SOLAR', 'Solar', 'Y'), ('east', 'not looked at here', NULL, '?');
    INSERT INTO vici_lists VALUES ('vici', 101, 'new', 'SOLAR', 'Y');
    INSERT INTO affiliate_purchases VALUES ('admitad', 'approved', 'USD', 9.50, :at), ('admitad', '?', 'usd', -1, :other_day)
"""
SPOILT_LATER = """
    INSERT INTO vici_campaigns VALUES ('vici', 'SOLAR', NULL, 'maybe');
    UPDATE vici_lists SET list_id = 0, campaign_id = NULL;
    ALTER TABLE affiliate_purchases RENAME network TO source;
    UPDATE affiliate_purchases SET currency = 'dollar', status = 'odd', revenue = -1
"""


def test_relations_that_come_later_are_looked_at_as_soon_as_they_are_there(good: Engine, shell: Connections) -> None:
    instants = {"at": local(DAY, 9), "other_day": local(DAY - timedelta(days=3), 9)}
    names = sorted(LATER - {"vici_caller_ids_meet_expectations_vici"})

    def do(statements: str) -> None:
        with good.begin() as connection:
            for statement in statements.split(";"):
                connection.execute(text(statement), instants if ":at" in statement else {})

    do(COMING)
    run = check_expectations(shell, WINDOW, names)
    assert broken(run) == {}
    assert {each.name: each.rows for each in run.results} == dict.fromkeys(names, 1)
    do(SPOILT_LATER)
    found = broken(check_expectations(shell, WINDOW, names))
    assert {name: {column for _, column in each} for name, each in found.items()} == {
        "vici_campaigns_meet_expectations_vici": {"campaign_name", "active", "instance, campaign_id"},
        "vici_lists_meet_expectations_vici": {"list_id", "campaign_id"},
        "affiliate_purchases_meet_expectations": {"network", "currency", "status", "revenue"},
    }


def test_the_checks_and_the_job_say_what_is_not_met_and_lead_to_the_pages(good: Engine, shell: Connections) -> None:
    put_calls(good, local(DAY, 20), 90, status="BOGUS")
    settings = shell.settings
    definitions = dg.Definitions(
        assets=[dg.AssetSpec("daily_call_report")],
        asset_checks=[expectation_checks(settings)],
        jobs=[dg.define_asset_job("look", dg.AssetSelection.all_asset_checks()), expectations_job(settings)],
        resources={"connections": connections_resource(settings, shell.clock)},
    )
    with dg.DagsterInstance.ephemeral() as instance:
        done = definitions.resolve_job_def("look").execute_in_process(instance=instance)
        marks = {mark.check_name: mark for mark in done.get_asset_check_evaluations()}
        config: dict[str, Any] = {"ops": {"check_stretch": {"config": {"since": "2025-06-12", "until": "2025-06-13T00:00"}}}}
        job = definitions.resolve_job_def("check_expectations")
        later = job.execute_in_process(instance=instance, run_config=config)
        failed = job.execute_in_process(instance=instance, raise_on_error=False)
    assert set(marks) == NAMES | LATER == {key.name for key in expectation_check_keys(settings)}
    mark = marks["call_logs_meet_expectations_vici"]
    assert (mark.passed, mark.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert mark.metadata["rows"].value == 230
    assert Path(str(mark.metadata["data_docs"].value)).exists()
    page = str(mark.metadata["data_docs_page"].value)
    assert page == f"https://pages.example/expectations/{Path(str(mark.metadata['data_docs'].value)).parent.name}/index.html"
    assert (marks["call_mix_is_stable_vici"].passed, marks["call_mix_is_stable_vici"].severity) == (
        False,
        dg.AssetCheckSeverity.WARN,
    )
    assert marks["leads_meet_expectations"].passed
    absent = marks["vici_lists_meet_expectations_vici"]
    assert (absent.passed, absent.metadata["absent"].value) == (True, "Brain has no such relation yet: nothing was looked at")
    assert later.success
    assert not failed.success
    (step,) = [event for event in failed.all_node_events if event.is_step_failure]
    assert "not met: call_logs_meet_expectations_vici, call_mix_is_stable_vici" in str(step.step_failure_data.user_failure_data)


def test_the_window_is_that_of_the_run_or_of_the_person() -> None:
    policy, now = ReportPolicy(time_zone=NEW_YORK), local(DAY + timedelta(days=1), 2)
    assert day_window_of_tags({}, policy, now) == WINDOW
    assert day_window_of_tags({"dagster/partition": "2025-06-10"}, policy, now) == WINDOW
    tags = {"dagster/asset_partition_range_start": "2025-06-09", "dagster/asset_partition_range_end": "2025-06-10"}
    assert day_window_of_tags(tags, policy, now).length == timedelta(days=2)
    assert stretch(None, None, policy, now) == WINDOW
    assert stretch("2025-06-10", None, policy, now).length == timedelta(days=1)
    assert stretch("2025-06-10T02:00+02:00", "2025-06-10T01:00", policy, now).length == timedelta(hours=1)
    for since, until in (("yesterday", None), ("2025-06-10", "2025-06-10"), ("2025-06-10", "2025-06-09")):
        with pytest.raises(ConfigurationError):
            stretch(since, until, policy, now)


def test_pages_of_old_looks_are_removed(good: Engine, shell: Connections) -> None:
    import os  # noqa: PLC0415 - to age a folder

    old = shell.settings.home / "expectations" / "2020-01-01T0000--2020-01-02T0000"
    old.mkdir(parents=True)
    long_ago = datetime(2020, 1, 2).timestamp()  # noqa: DTZ001 - any instant of that year
    os.utime(old, (long_ago, long_ago))
    check_expectations(shell, WINDOW, ["call_log_columns_have_their_types"])
    assert not old.exists()


def test_nothing_of_it_is_imported_with_the_definitions() -> None:
    code = "import sys, definitions; print({'great_expectations', 'pandas', 'matplotlib', 'apprise'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env={}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
