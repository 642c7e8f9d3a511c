"""The standing checks: green on a sound ledger, each red when the data says so, and unmoved by a dialer that is down."""

import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from builders import NEW_YORK, ask, minutes
from call_centre import VICI, CallCentre, call_centre, evaluation, sample, settings_for, verdicts
from pydantic import SecretStr
from sqlalchemy import Engine, text

from vici_brain.brain.gaps import Gap, GapStore
from vici_brain.brain.sql import load
from vici_brain.brain.standing import ledger_state
from vici_brain.domain.windows import BUCKET, Window, floor_to
from vici_brain.orchestration import reporting
from vici_brain.settings import DialerSettings

TABLES = ("vicidial_log", "vicidial_closer_log")
UNREAD, UNPROVEN, CLOCK = "no_partition_left_failed", "nothing_unproven_past_due", "clock_and_zone_agree"
END = datetime(2025, 6, 10, 16, 0, tzinfo=UTC)
DAY = timedelta(days=1)
GREEN, GREY = "#2f9e5f", "#9aa0a6"


def fill(brain: Engine, start: datetime, end: datetime, *, instance: str = "vici", state: str = "proven") -> None:
    """The ledger of ``[start, end)`` for both tables."""
    with brain.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO call_log_proofs SELECT :instance, source_table, bucket_start, :state, bucket_start, 0, 0, 0, 0, NULL"
                " FROM unnest(CAST(:tables AS text[])) AS source_table, generate_series("
                "CAST(:start AS timestamptz), CAST(:end AS timestamptz) - interval '5 minutes', interval '5 minutes'"
                ") AS bucket_start"
            ),
            {"instance": instance, "tables": list(TABLES), "start": start, "end": end, "state": state},
        )


def change(brain: Engine, statement: str, **values: object) -> None:
    with brain.begin() as connection:
        connection.execute(text(statement), values)


@pytest.fixture
def centre(tmp_path: Path, brain_url: str, brain: Engine) -> Iterator[CallCentre]:
    """Two days and what there is of today, all of it proven."""
    first = (datetime.now(UTC) - 2 * DAY).date()
    with call_centre(settings_for(tmp_path, brain_url, sync_start=first)) as opened:
        fill(brain, start_of(opened), floor_to(datetime.now(UTC), BUCKET))
        yield opened


def start_of(centre: CallCentre) -> datetime:
    return datetime.combine(centre.settings.sync_start, time(), UTC)


def picture(check: dg.AssetCheckEvaluation) -> str:
    found = re.search(r"base64,([^)]+)\)", str(check.metadata["proof_map"].value))
    assert found is not None
    return b64decode(found[1]).decode()


def test_a_sound_ledger_and_clock_pass_with_a_picture_and_without_offenders(centre: CallCentre) -> None:
    result = centre.run(VICI.audit_job)
    assert result.success
    assert verdicts(result) == {UNREAD: True, UNPROVEN: True, CLOCK: True}
    proven = evaluation(result, UNPROVEN)
    assert proven.metadata["proven_percent_of_90_days"].value == 100
    assert proven.metadata["offending_buckets"].value == 0
    assert "sample" not in proven.metadata
    assert GREEN in picture(proven)
    assert abs(float(str(evaluation(result, CLOCK).metadata["clock_skew_seconds"].value))) < 5


def test_buckets_never_read_are_counted_exactly_and_named_by_the_oldest_twenty_stretches(
    centre: CallCentre, brain: Engine
) -> None:
    start = start_of(centre)
    for number in range(0, 60, 2):
        gone = start + number * BUCKET
        change(brain, "DELETE FROM call_log_proofs WHERE bucket_start = :gone AND source_table = 'vicidial_log'", gone=gone)
    result = centre.run(VICI.audit_job)
    assert verdicts(result) == {UNREAD: False, UNPROVEN: True, CLOCK: True}
    assert result.success
    red = evaluation(result, UNREAD)
    assert red.metadata["offending_buckets"].value == 30
    shown = [row["stretch_utc"] for row in sample(red)]
    assert len(shown) == 20
    assert shown[1] == f"{start + 2 * BUCKET:%Y-%m-%dT%H:%M}..{start + 3 * BUCKET:%Y-%m-%dT%H:%M}"
    assert "the gap sensor has them read again" in str(red.metadata["what_to_do"].value)


@pytest.mark.parametrize("state", ["read", "differs"])
def test_a_bucket_that_is_not_proven_in_time_is_named_with_its_remedy(centre: CallCentre, brain: Engine, state: str) -> None:
    young = floor_to(datetime.now(UTC) - minutes(80), BUCKET)
    change(brain, "UPDATE call_log_proofs SET state = :state WHERE bucket_start = :at", state=state, at=young)
    assert verdicts(centre.run(VICI.audit_job))[UNPROVEN]
    old = start_of(centre) + DAY
    change(brain, "UPDATE call_log_proofs SET state = :state WHERE bucket_start = :at", state=state, at=old)
    result = centre.run(VICI.audit_job)
    assert verdicts(result) == {UNREAD: True, UNPROVEN: False, CLOCK: True}
    red = evaluation(result, UNPROVEN)
    assert [row["stretch_utc"] for row in sample(red)] == [f"{old:%Y-%m-%dT%H:%M}..{old + BUCKET:%Y-%m-%dT%H:%M}"]
    assert "vici-brain reconcile" in str(red.metadata["what_to_do"].value)
    assert float(str(red.metadata["proven_percent_of_90_days"].value)) < 100


def test_the_last_half_hour_is_not_due(centre: CallCentre, brain: Engine) -> None:
    recent = floor_to(datetime.now(UTC) - minutes(29), BUCKET)
    change(brain, "DELETE FROM call_log_proofs WHERE bucket_start >= :recent", recent=recent)
    assert verdicts(centre.run(VICI.audit_job))[UNREAD]
    change(brain, "DELETE FROM call_log_proofs WHERE bucket_start >= :recent", recent=recent - 2 * BUCKET)
    assert not verdicts(centre.run(VICI.audit_job))[UNREAD]


def test_an_hour_of_which_one_bucket_was_never_read_is_not_shown_as_proven(brain: Engine) -> None:
    fill(brain, END - DAY, END)
    change(
        brain,
        "DELETE FROM call_log_proofs WHERE bucket_start = :at AND source_table = 'vicidial_log'",
        at=END - 3 * BUCKET - DAY / 2,
    )
    state = ledger_state(brain, "vici", TABLES, END - DAY, END + minutes(30))
    shares = {(hour.day, hour.hour): state.share(hour) for hour in state.coverage}
    assert [share for share in shares.values() if share != 1] == [23 / 24]
    assert state.proven_percent == pytest.approx(100 * 575 / 576)
    assert ledger_state(brain, "west", TABLES, END - DAY, END).proven_percent == 0


def test_the_picture_begins_at_midnight_with_ninety_days_today_included(brain: Engine) -> None:
    state = ledger_state(brain, "vici", TABLES, END - 400 * DAY, END)
    assert state.shown == Window(datetime(2025, 3, 13, tzinfo=UTC), END - minutes(30))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Chicago"])
def test_calls_written_in_another_zone_than_configured_fail_the_check_and_not_the_run(
    tmp_path: Path, brain_url: str, brain: Engine, zone: str
) -> None:
    right = settings_for(tmp_path, brain_url, sync_start=datetime.now(UTC).date())
    wrong = replace(right, dialers=(replace(right.dialers[0], time_zone=zone),))
    with call_centre(wrong) as centre:
        centre.dialer.zone = NEW_YORK
        centre.dialer.outbound(datetime.now(UTC) - minutes(3))
        result = centre.run(VICI.audit_job)
    assert result.success
    red = evaluation(result, CLOCK)
    assert not red.passed
    assert f"the configured time zone {zone}" in str(red.metadata["problem"].value)
    assert "no call is read until" in str(red.metadata["what_to_do"].value)


@pytest.mark.parametrize(("off", "passed"), [(minutes(-1), False), (minutes(1), False), (timedelta(seconds=20), True)])
def test_a_clock_more_than_half_a_minute_off_fails_the_check(centre: CallCentre, off: timedelta, passed: bool) -> None:
    centre.now = datetime.now(UTC) + off
    assert evaluation(centre.run(VICI.audit_job), CLOCK).passed == passed


def test_a_dialer_that_is_down_fails_the_step_but_the_ledgers_verdicts_are_given_and_the_clocks_is_not(
    tmp_path: Path, brain_url: str, brain: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "RETRY", dg.RetryPolicy(max_retries=1, delay=0.01))
    down = DialerSettings("vici", NEW_YORK, SecretStr("mysql+pymysql://agent@127.0.0.1:1/asterisk"))
    first = (datetime.now(UTC) - DAY).date()
    with call_centre(settings_for(tmp_path, brain_url, dialers=(down,), sync_start=first)) as centre:
        result: Any = centre.run(VICI.audit_job)
        assert not result.success
        assert verdicts(result) == {UNREAD: False, UNPROVEN: True}
        failure = result.get_step_failure_events()[0].event_specific_data
        assert failure.user_failure_data.description.startswith("vici: the dialer's database at 127.0.0.1:1 cannot be reached")


@pytest.fixture
def a_year(brain: Engine) -> Engine:
    """210,240 proven buckets of one dialer, as many of another, and four that lack something."""
    for instance in ("vici", "west"):
        fill(brain, END - 365 * DAY, END, instance=instance)
    change(brain, "DELETE FROM call_log_proofs WHERE bucket_start = :at", at=END - 300 * DAY)
    unread = "DELETE FROM call_log_proofs WHERE bucket_start = :at AND source_table = 'vicidial_closer_log'"
    change(brain, unread, at=END - 200 * DAY)
    for at in (END - 200 * DAY, END - 100 * DAY, END - 2 * BUCKET):
        change(
            brain, "UPDATE call_log_proofs SET state = 'read' WHERE bucket_start = :at AND source_table = 'vicidial_log'", at=at
        )
    with brain.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE call_log_proofs"))
    return brain


def test_of_a_year_only_what_lacks_something_is_found_in_its_order_by_the_key_and_fast(a_year: Engine) -> None:
    window, due = Window(END - 365 * DAY, END), END - minutes(60)
    began = datetime.now(UTC)
    gaps = GapStore(a_year).gaps("vici", TABLES, window, due)
    assert datetime.now(UTC) - began < timedelta(seconds=5)
    assert gaps == [Gap(END - 300 * DAY, True), Gap(END - 200 * DAY, True), Gap(END - 100 * DAY, False)]
    assert GapStore(a_year).gaps("vici", TABLES, window, due, most=1) == gaps[:1]
    scope = {
        "instance": "vici",
        "source_tables": list(TABLES),
        "start": window.start,
        "end": window.end,
        "proof_due": due,
        "limit": 9,
    }
    plan = "\n".join(line for (line,) in ask(a_year, "EXPLAIN " + load("gaps").text, **scope))
    assert "call_log_proofs_pkey" in plan
    assert "Seq Scan" not in plan


def test_a_standing_count_is_exact_however_many_there_are(brain: Engine) -> None:
    state = ledger_state(brain, "vici", TABLES, END - 365 * DAY, END)
    assert state.unread.offending == state.unread.due == 365 * 288 - 6
    fill(brain, END - 2 * DAY, END, state="differs")
    assert ledger_state(brain, "vici", TABLES, END - 365 * DAY, END).unproven.offending == 2 * 288 - 18
