"""What people see: jobs, checks, schedules and commands, and the queries that the documents print."""

import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from builders import NOON, ask, one
from crm import AS_BOOKED, BOOKED, appointment, call, count, flags, where_it_is_noon, write
from sqlalchemy import Engine, text

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "dagster"), str(TESTS / "cli")]

from call_centre import CallCentre, call_centre, evaluation, settings_for, verdicts  # noqa: E402 - siblings of another folder
from command_line import CommandLine, one_dialer  # noqa: E402 - the same

from vici_brain.brain.breakers import Breaker  # noqa: E402 - after the path
from vici_brain.brain.database import brain_now  # noqa: E402 - after the path
from vici_brain.domain.breaker import BreakerPolicy  # noqa: E402 - after the path
from vici_brain.domain.consistency_policy import ConsistencyPolicy  # noqa: E402
from vici_brain.errors import RetriableError  # noqa: E402
from vici_brain.flows.report_consistency import report_consistency  # noqa: E402 - the same
from vici_brain.flows.watch_consistency import sweep  # noqa: E402 - the same
from vici_brain.orchestration.asset_keys import CONSISTENCY_REPORT  # noqa: E402
from vici_brain.orchestration.resources import Connections  # noqa: E402
from vici_brain.settings import PROJECT  # noqa: E402

vici_brain = pytest.fixture(one_dialer)
PAGE = (PROJECT / "docs" / "consistency.md").read_text().split("## Questions people ask the database")[1]
QUERIES = re.findall(r"```sql\n(.+?);\n```", PAGE, re.DOTALL)
ASKED = ("calls", "data_consistency_alerts", "manual_review_queue", "circuit_breaker_states", "daily_consistency_reports")


@pytest.fixture
def centre(brain_url: str, tmp_path: Path) -> Iterator[CallCentre]:
    with call_centre(settings_for(tmp_path, brain_url)) as opened:
        yield opened


def test_a_run_feeds_sweeps_and_shows_each_rule_with_count_and_sample(brain: Engine, centre: CallCentre) -> None:
    wrong = call(brain, session_outcome="appointment_booked")
    done = centre.run("watch_consistency")
    assert done.success
    found = verdicts(done)
    assert [name for name, passed in found.items() if not passed] == ["booked_outcomes_have_appointment_made"]
    assert len(found) == 7
    red = evaluation(done, "booked_outcomes_have_appointment_made")
    assert red.metadata["offending"].value == 1
    assert red.severity == dg.AssetCheckSeverity.ERROR
    table = red.metadata["sample"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [dict(record.data) for record in table.records] == [{"call": wrong}]


def test_a_trigger_that_was_dropped_makes_the_check_red_and_names_it(brain: Engine, centre: CallCentre) -> None:  # F147
    write(brain, "DROP TRIGGER calls_customer_link ON calls")
    write(brain, "ALTER TABLE appointments DISABLE TRIGGER appointments_relinked")
    done = centre.run("watch_consistency")
    red = evaluation(done, "consistency_triggers_are_in_place")
    assert not red.passed
    assert red.metadata["absent"].value == "appointments.appointments_relinked; calls.calls_customer_link"


def test_the_report_is_shown_with_pictures_small_enough_for_an_event(brain: Engine, centre: CallCentre) -> None:
    call(brain, session_outcome="appointment_booked")
    config = {"ops": {"daily_consistency_report": {"config": {"day": f"{brain_now(brain):%Y-%m-%d}"}}}}
    done = centre.run("report_consistency", run_config=config)
    (made,) = [event.step_materialization_data.materialization for event in done.get_asset_materialization_events()]
    assert made.asset_key == CONSISTENCY_REPORT
    assert "| goal | measured |" in str(made.metadata["report"].value)
    assert 0 < len(str(made.metadata["pictures"].value)) < 50_000


def test_sweep_review_and_report_run_by_the_clock_of_the_settings(tmp_path: Path) -> None:  # F131, F132
    def timed(policy: ConsistencyPolicy) -> dict[str, tuple[str, str | None]]:
        names = ("watch_consistency_every_15_minutes", "process_reviews_hourly", "report_consistency_daily")
        with call_centre(settings_for(tmp_path, None, consistency=policy)) as centre:
            found = [centre.defs.resolve_schedule_def(name) for name in names]
        assert {each.default_status for each in found} == {dg.DefaultScheduleStatus.RUNNING}
        return {each.name: (str(each.cron_schedule), each.execution_timezone) for each in found}

    assert timed(ConsistencyPolicy()) == {
        "watch_consistency_every_15_minutes": ("*/15 * * * *", "UTC"),
        "process_reviews_hourly": ("7 * * * *", "UTC"),
        "report_consistency_daily": ("0 8 * * *", "America/New_York"),
    }
    given = ConsistencyPolicy(report_cron="30 6 * * *", report_time_zone="Europe/Berlin", sweep_cron="*/5 * * * *")
    assert timed(given)["report_consistency_daily"] == ("30 6 * * *", "Europe/Berlin")
    assert timed(given)["watch_consistency_every_15_minutes"] == ("*/5 * * * *", "UTC")


def test_reviews_are_processed_and_settled_by_jobs(brain: Engine, centre: CallCentre) -> None:  # F142
    for _ in range(2):
        call(brain, session_outcome="appointment_booked")
    centre.run("watch_consistency")
    assert centre.run("process_reviews").success
    first, second = (row[0] for row in ask(brain, "SELECT id FROM manual_review_queue ORDER BY id"))

    def settle(item: int, decision: str) -> bool:
        config = {"item": item, "decision": decision, "person": "ada", "note": "looked at"}
        return bool(centre.run("settle_review", run_config={"ops": {"settle": {"config": config}}}).success)

    assert settle(first, "assign")
    assert settle(first, "resolve")
    assert settle(second, "dismiss")
    assert not settle(second, "dismiss")
    assert ask(brain, "SELECT status, assigned_to, resolution_notes FROM manual_review_queue ORDER BY id") == [
        ("resolved", "ada", "looked at"),
        ("dismissed", "ada", "looked at"),
    ]
    assert ask(brain, "SELECT false_positive FROM data_consistency_alerts ORDER BY entity_id") == [(False,), (True,)]


def test_the_overview_shows_the_numbers_that_settle_the_most_urgent_items(brain: Engine, centre: CallCentre) -> None:
    for reason, priority in (("x", 5), ("appointment_validation_failed", 1), ("x2", 4)):
        insert = "INSERT INTO manual_review_queue (call_id, reason, priority) VALUES (:call, :reason, :priority)"
        write(brain, insert, call=call(brain), reason=reason, priority=priority)
    done = centre.run("process_reviews")
    (seen,) = [event.asset_observation_data.asset_observation for event in done.get_asset_observation_events()]
    assert seen.metadata["open_items"].value == 3
    urgent = seen.metadata["most_urgent"]
    assert isinstance(urgent, dg.TableMetadataValue)
    rows = [(record.data["item"], record.data["priority"], record.data["reason"]) for record in urgent.records]
    assert rows == [(2, 1, "appointment_validation_failed"), (3, 4, "x2"), (1, 5, "x")]


def test_the_hourly_pass_tries_a_dialer_behind_an_open_breaker_again(brain: Engine, centre: CallCentre) -> None:
    breaker = centre.settings.breaker(brain, "dialer:vici", centre.clock)
    for _ in range(3):
        breaker.failed(RetriableError("down"))
    later = "UPDATE circuit_breaker_states SET opened_at = :at"
    write(brain, later, at=centre.clock() + timedelta(seconds=1))
    assert centre.run("process_reviews").success
    assert (breaker.state().state, one(brain, "SELECT context ->> 'tries' FROM manual_review_queue")) == ("open", "1")
    write(brain, later, at=centre.clock() - timedelta(seconds=30))
    assert centre.run("process_reviews").success
    assert breaker.state().state == "closed"
    assert one(brain, "SELECT status FROM manual_review_queue") == "resolved"


def test_a_dialer_that_is_down_opens_its_breaker_and_the_window_is_read_when_it_is_back(
    brain: Engine, brain_url: str, tmp_path: Path
) -> None:
    with call_centre(settings_for(tmp_path, brain_url, consistency=ConsistencyPolicy(breaker_cooldown_seconds=1))) as centre:
        centre.dialer.outbound(NOON + timedelta(minutes=1))
        file, away = tmp_path / "vici.db", tmp_path / "away.db"
        file.rename(away)
        file.mkdir()
        connections = Connections(centre.settings, centre.clock)
        for _ in range(3):
            with pytest.raises(RetriableError, match="vici"), connections.dialer("vici").session(centre.clock):
                pass
        connections.close()
        assert one(brain, "SELECT state FROM circuit_breaker_states WHERE circuit_key = 'dialer:vici'") == "open"
        write(brain, "UPDATE circuit_breaker_states SET opened_at = now() + interval '1 hour'")
        assert not centre.sync().success
        assert count(brain, "call_log_proofs") == 0
        file.rmdir()
        away.rename(file)
        write(brain, "UPDATE circuit_breaker_states SET opened_at = now() - interval '1 second'")
        assert centre.sync().success
        assert count(brain, "vici_call_logs") == 1
        assert count(brain, "call_log_proofs") > 0
        assert centre.sync().success
        assert ask(brain, "SELECT state FROM circuit_breaker_states") == [("closed",)]


def test_commands_pass_the_breaker_of_their_dialer_too(brain: Engine, vici_brain: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "vici.db").mkdir()
    for _ in range(3):
        assert "is not asked" not in vici_brain("sync-incremental").err
    assert ask(brain, "SELECT circuit_key, state FROM circuit_breaker_states") == [("dialer:vici", "open")]
    done = vici_brain("sync-incremental")
    assert done.code == 1
    assert "dialer:vici is not asked: its circuit breaker is open" in done.err


def test_check_call_names_the_rules_that_a_call_breaks(brain: Engine, vici_brain: CommandLine) -> None:
    good, bad = call(brain), call(brain, session_outcome="appointment_booked")
    assert vici_brain("check-call", str(good)).code == 0
    done = vici_brain("check-call", str(bad))
    assert done.code == 1
    assert "session_outcome_mismatch" in done.out
    assert vici_brain("check-call", "999").code == 2


def test_an_appointment_is_validated_by_command_with_the_age_of_the_settings(
    brain: Engine, vici_brain: CommandLine, tmp_path: Path
) -> None:  # F139, F149
    booked, claimed = call(brain), call(brain, **BOOKED)
    made = appointment(brain, booked, external_booking_id="b")
    assert vici_brain("validate-appointment", str(booked), "--booking", "b").code == 0
    write(brain, "UPDATE appointments SET created_at = now() - interval '400 seconds'")
    late = vici_brain("validate-appointment", str(booked), "--appointment", str(made))
    assert (late.code, "appointment_too_old" in late.out) == (1, True)
    (tmp_path / "vici.toml").write_text("[consistency]\nappointment_age_seconds = 600\n")
    vici_brain.set(VICI_BRAIN_CONFIG=str(tmp_path / "vici.toml"))
    assert vici_brain("validate-appointment", str(booked)).code == 0
    back = vici_brain("validate-appointment", str(claimed), "--roll-back")
    assert (back.code, flags(brain, claimed)) == (1, (False, "creation_failed", "creation_failed"))
    kept = vici_brain("validate-appointment", str(booked), "--booking", "other", "--roll-back")
    assert (kept.code, flags(brain, booked)) == (1, AS_BOOKED)
    assert "booking exists: queued for review" in kept.out
    assert vici_brain("validate-appointment", "999").code == 2


def test_breakers_are_shown_by_command(brain: Engine, vici_brain: CommandLine) -> None:  # F130
    assert "nothing has passed" in vici_brain("breakers").out
    policy = BreakerPolicy()
    Breaker(brain, "network:a", policy, lambda: NOON).admit()
    for _ in range(3):
        Breaker(brain, "network:b", policy, lambda: NOON).failed(RetriableError("down"))
    found = {each["circuit_key"]: each for each in vici_brain("breakers", "--json").json}
    assert {key: (each["state"], each["failure_count"]) for key, each in found.items()} == {
        "network:a": ("closed", 0),
        "network:b": ("open", 3),
    }
    assert found["network:b"]["opened_at"] == str(NOON)
    assert re.search(r"network:b +open +3 +0 +2025-06-10 16:00:00 +2025-06-10 16:00:00", vici_brain("breakers").out)


def test_the_queue_is_worked_on_by_command(brain: Engine, vici_brain: CommandLine) -> None:
    insert = "INSERT INTO manual_review_queue (reason, entity_type, entity_key) VALUES ('x', 'call', :key)"
    write(brain, insert, key="1")
    write(brain, insert, key="2")
    (first, second) = (item["id"] for item in vici_brain("reviews", "list", "--json").json)
    assert vici_brain("reviews", "assign", str(first), "--by", "ada").code == 0
    assert vici_brain("reviews", "resolve", str(first), "--note", "done").code == 0
    assert vici_brain("reviews", "dismiss", str(second), "--note", "nothing").code == 0
    assert vici_brain("reviews", "dismiss", str(second), "--note", "nothing").code == 2
    assert ask(brain, "SELECT status FROM manual_review_queue ORDER BY id") == [("resolved",), ("dismissed",)]
    assert "nothing waits" in vici_brain("reviews", "list").out


def titled(page: str) -> dict[str, str]:
    """The queries of a page by the first words that stand before them."""
    return {before.strip().splitlines()[-1]: query for before, query in re.findall(r"(.+?)```sql\n(.+?);\n```", page, re.DOTALL)}


def test_every_query_of_the_documents_finds_what_it_is_for_and_nothing_else(brain: Engine) -> None:  # F151
    right, phantom, claimed, denied = call(brain), call(brain), call(brain), call(brain)
    appointment(brain, right)
    write(brain, "UPDATE calls SET session_outcome = 'appointment_booked' WHERE id = :id", id=phantom)
    write(
        brain,
        "UPDATE calls SET session_outcome = 'appointment_booked', appointment_made = true, appointment_link_status = 'linked'"
        " WHERE id = :id",
        id=claimed,
    )
    appointment(brain, denied)
    sweep(brain, brain_now(brain) + timedelta(minutes=2), ConsistencyPolicy())
    write(brain, "UPDATE manual_review_queue SET status = 'resolved' WHERE call_id = :id", id=phantom)
    states = "INSERT INTO circuit_breaker_states (circuit_key, state) VALUES ('a', 'closed'), ('b', 'open'), ('c', 'half_open')"
    write(brain, states)
    zone, day = where_it_is_noon(brain_now(brain))
    report_consistency(brain, brain_now(brain), zone, day)
    found = {title: ask(brain, query) for title, query in titled(PAGE).items()}
    assert {title: [row[0] for row in rows] for title, rows in found.items()} == {
        "Calls whose outcome and flag disagree:": [phantom],
        "Calls that count as having made an appointment that does not exist:": [claimed],
        "Breakers that are not closed:": ["b", "c"],
        "Alerts of the last day by type:": ["missing_appointment", "session_outcome_mismatch"],
        "What waits for a person:": [one(brain, "SELECT id FROM manual_review_queue WHERE call_id = :id", id=claimed)],
        "Consistency rate of the reported days:": [day],
        "The triggers:": ["appointments"] * 4 + ["calls"] * 7,
    }


def test_the_queries_of_the_documents_walk_indexes(brain: Engine) -> None:  # F160
    assert len(QUERIES) == 7
    write(brain, "INSERT INTO calls (session_outcome) SELECT 'answered' FROM generate_series(1, 20000)")
    for insert in (
        "INSERT INTO manual_review_queue (reason, entity_key, status) SELECT 'x', n, 'resolved' FROM generate_series(1, 20000) n",
        "INSERT INTO circuit_breaker_states (circuit_key) SELECT n FROM generate_series(1, 20000) n",
        """INSERT INTO daily_consistency_reports SELECT date '1990-01-01' + n, 'UTC', now(), now(), 0, 0, 0, 100, '{}', '', now(),
            now() FROM generate_series(1, 10000) n""",
    ):
        write(brain, insert)
    write(
        brain,
        "INSERT INTO data_consistency_alerts (alert_type, entity_type, description, detected_at)"
        " SELECT 'x', 'other', 'x', now() - n * interval '1 hour' FROM generate_series(1, 20000) n",
    )
    write(brain, "ANALYZE")
    with brain.connect() as connection:
        plans = ["\n".join(connection.execute(text("EXPLAIN " + query)).scalars()) for query in QUERIES]
    assert [plan for plan in plans if re.search(rf"Seq Scan on ({'|'.join(ASKED)})", plan)] == []
