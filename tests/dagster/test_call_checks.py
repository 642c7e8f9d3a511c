"""Every check of the calls passes on sound data, and turns red, with the offending keys, when the data is broken by SQL."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from builders import NOON, add_lead, minutes
from call_centre import VICI, CallCentre, call_centre, evaluation, sample, settings_for, verdicts
from sqlalchemy import Engine, text

from checks.call_logs import window_check_keys
from vici_brain.brain.audits import AUDITS

KEY = "1749571200.1"
ORPHAN = "1749571260.1"


@pytest.fixture
def centre(tmp_path: Path, brain_url: str, brain: Engine) -> Iterator[CallCentre]:
    """A call matched by its code, and an orphan; read, and then left for the test to break."""
    with call_centre(settings_for(tmp_path, brain_url)) as opened:
        opened.dialer.put("vicidial_statuses", {"status": "NA", "status_name": "No answer"})
        person = {"lead_id": 1, "vendor_lead_code": "1755041041000", "phone_number": "2125550101"}
        opened.dialer.put("vicidial_list", person)
        opened.dialer.outbound(NOON, KEY)
        opened.dialer.outbound(NOON + minutes(1), ORPHAN, lead_id=2, phone_number="2125550199")
        add_lead(brain, 7, code="1755041041000", phone="2125550142")
        assert opened.sync().success
        opened.now = NOON + minutes(7)
        yield opened


def check(centre: CallCentre, brain: Engine, *breaking: str) -> dg.ExecuteInProcessResult:
    """The verdicts on the partition as it stands, without reading it again."""
    with brain.begin() as connection:
        for statement in breaking:
            connection.execute(text(statement))
    checks = dg.Definitions(
        asset_checks=centre.defs.asset_checks,
        jobs=[dg.define_asset_job("only_checks", selection=dg.AssetSelection.checks(*window_check_keys("vici")))],
        resources=centre.defs.resources,
    )
    return checks.resolve_job_def("only_checks").execute_in_process(
        instance=centre.instance,
        tags={
            "dagster/asset_partition_range_start": "2025-06-10-16:00",
            "dagster/asset_partition_range_end": "2025-06-10-16:00",
        },
    )


def test_all_checks_pass_on_sound_data(centre: CallCentre, brain: Engine) -> None:
    assert verdicts(check(centre, brain)) == {audit.name: True for audit in AUDITS}


BREAKING = {
    "no_call_in_both_halves": (
        "CREATE OR REPLACE VIEW orphan_call_logs AS SELECT * FROM vici_call_logs WHERE lead_id IS NULL AND status <> 'NA'"
    ),
    "call_keys_are_unique": f"UPDATE vici_call_logs SET uniqueid = '{ORPHAN}' WHERE source_key = '{KEY}'",
    "required_fields_are_present": f"UPDATE vici_call_logs SET campaign_id = ' ', vici_lead_id = 0 WHERE source_key = '{KEY}'",
    "statuses_are_known": f"UPDATE vici_call_logs SET status = 'WAT' WHERE source_key = '{KEY}'",
    "every_source_call_is_landed": f"DELETE FROM vici_call_logs WHERE source_key = '{KEY}'",
    "matched_codes_have_13_digits": f"UPDATE vici_call_logs SET vendor_lead_code = '12345' WHERE source_key = '{KEY}'",
    "matches_are_unambiguous": f"UPDATE vici_call_logs SET match_candidates = 3 WHERE source_key = '{KEY}'",
    "no_orphan_has_a_lead_waiting": (
        "INSERT INTO leads (id, external_lead_id, phone) VALUES (8, '1755041041999', '+1 (212) 555-0199')"
    ),
}

OF_THE_ORPHAN = ("no_call_in_both_halves", "no_orphan_has_a_lead_waiting")


@pytest.mark.parametrize("name", BREAKING)
def test_a_check_fails_alone_and_names_the_offender(centre: CallCentre, brain: Engine, name: str) -> None:
    result = check(centre, brain, BREAKING[name])
    assert [failed for failed, passed in verdicts(result).items() if not passed] == [name]
    red = evaluation(result, name)
    audit = next(audit for audit in AUDITS if audit.name == name)
    assert red.severity == (dg.AssetCheckSeverity.ERROR if audit.is_error else dg.AssetCheckSeverity.WARN)
    assert red.metadata["offending"].value == 1
    assert red.metadata["what_to_do"].value == audit.remedy
    (offender,) = sample(red)
    assert offender["source_table"] == "vicidial_log"
    if "source_key" in offender:
        assert offender["source_key"] == (ORPHAN if name in OF_THE_ORPHAN else KEY)


@pytest.mark.parametrize(
    "breaking",
    [
        "UPDATE leads SET external_lead_id = '1755041041777'",
        "DELETE FROM leads",
    ],
    ids=["changed", "deleted"],
)
def test_a_matched_code_must_still_be_its_leads(centre: CallCentre, brain: Engine, breaking: str) -> None:
    assert not verdicts(check(centre, brain, breaking))["matched_codes_have_13_digits"]


@pytest.mark.parametrize(
    ("breaking", "what"),
    [
        ("DELETE FROM call_log_proofs WHERE source_table = 'vicidial_log'", "never read"),
        ("UPDATE call_log_proofs SET source_count = 9 WHERE source_table = 'vicidial_log'", "counts differ"),
        ("UPDATE call_log_proofs SET source_crc_sum = 9 WHERE source_table = 'vicidial_log'", "contents differ"),
        ("UPDATE call_log_proofs SET state = 'differs' WHERE source_table = 'vicidial_log'", "proof failed"),
    ],
)
def test_a_bucket_says_how_it_disagrees(centre: CallCentre, brain: Engine, breaking: str, what: str) -> None:
    red = evaluation(check(centre, brain, breaking), "every_source_call_is_landed")
    assert [bucket["what"] for bucket in sample(red)] == [what]


def test_a_status_is_known_whatever_its_case_and_by_the_dialers_own_programs(centre: CallCentre, brain: Engine) -> None:
    for spelling in ("na ", "HUC17", "pu", "cpdatb", ""):
        result = check(centre, brain, f"UPDATE vici_call_logs SET status = '{spelling}' WHERE source_key = '{KEY}'")
        assert verdicts(result)["statuses_are_known"], spelling


def test_calls_are_stale_when_the_ledger_falls_behind_although_a_backfill_runs(centre: CallCentre, brain: Engine) -> None:
    centre.now = NOON + minutes(5) + centre.settings.stale_after
    assert verdicts(check(centre, brain))["calls_are_fresh"]
    centre.now += timedelta(seconds=1)
    assert not verdicts(check(centre, brain))["calls_are_fresh"]


def test_staleness_found_while_recent_calls_are_read_is_an_error_and_in_old_windows_a_warning(
    centre: CallCentre, brain: Engine
) -> None:
    emptied = "DELETE FROM call_log_proofs"
    assert evaluation(check(centre, brain, emptied), "calls_are_fresh").severity == dg.AssetCheckSeverity.ERROR
    centre.now = NOON + timedelta(days=3)
    assert evaluation(check(centre, brain, emptied), "calls_are_fresh").severity == dg.AssetCheckSeverity.WARN


def test_a_sample_is_capped_while_the_count_is_exact(centre: CallCentre, brain: Engine) -> None:
    for number in range(30):
        centre.dialer.outbound(NOON + minutes(2), f"1749571320.{number:02d}", status="WAT")
    centre.now = None
    red = evaluation(centre.sync(), "statuses_are_known")
    assert red.metadata["offending"].value == 30
    assert len(sample(red)) == 20


def test_a_failing_check_leaves_the_run_a_success_and_its_evaluation_in_the_instance(centre: CallCentre, brain: Engine) -> None:
    centre.dialer.outbound(NOON + minutes(2), "1749571320.9", status="WAT")
    centre.now = None
    result = centre.sync()
    assert result.success
    key = dg.AssetCheckKey(VICI.call_logs, "statuses_are_known")
    record = centre.instance.get_latest_asset_check_evaluation_record(key)
    assert record is not None
    assert record.event is not None
    assert record.event.dagster_event is not None
    found = record.event.dagster_event.asset_check_evaluation_data
    assert not found.passed
    assert found.metadata["window"].value == "[2025-06-10 16:00:00, 2025-06-10 16:05:00) UTC"
    assert [offender["source_key"] for offender in sample(found)] == ["1749571320.9"]


def test_checks_started_without_a_partition_look_at_the_last_day_that_was_read(centre: CallCentre) -> None:
    checks = dg.define_asset_job("only_checks", selection=dg.AssetSelection.checks(*window_check_keys("vici")))
    alone = dg.Definitions(asset_checks=centre.defs.asset_checks, jobs=[checks], resources=centre.defs.resources)
    result = alone.resolve_job_def("only_checks").execute_in_process(instance=centre.instance)
    window = evaluation(result, "statuses_are_known").metadata["window"].value
    assert window == "[2025-06-09 16:05:00, 2025-06-10 16:05:00) UTC"


def test_a_hole_in_the_past_does_not_make_calls_stale(centre: CallCentre, brain: Engine) -> None:
    hole = "DELETE FROM call_log_proofs WHERE bucket_start = '2025-06-10 15:50+00'"
    centre.now = None
    assert centre.sync_range(NOON - minutes(30), NOON).success
    centre.now = NOON + minutes(7)
    assert verdicts(check(centre, brain, hole))["calls_are_fresh"]


def test_a_table_that_is_never_read_makes_calls_stale(centre: CallCentre, brain: Engine) -> None:
    unread = "DELETE FROM call_log_proofs WHERE source_table = 'vicidial_closer_log'"
    assert not verdicts(check(centre, brain, unread))["calls_are_fresh"]
