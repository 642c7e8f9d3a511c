"""The six rules and the sweep: boundaries, watermark, throttle, corrections, and ten thousand at once."""

from datetime import datetime, timedelta

import pytest
from builders import ask, one
from crm import AS_BOOKED, BOOKED, alerts, appointment, call, count, flags, untriggered, write
from sqlalchemy import Engine

from vici_brain.brain.consistency import broken_by_call, standing
from vici_brain.brain.consistency_rules import RULES
from vici_brain.brain.database import brain_now
from vici_brain.brain.reviews import ReviewQueue
from vici_brain.domain.consistency_policy import ConsistencyPolicy
from vici_brain.flows.book_appointment import roll_back
from vici_brain.flows.watch_consistency import Sweep, sweep

POLICY = ConsistencyPolicy()
RULE = {rule.name: rule for rule in RULES}
MINUTE = timedelta(minutes=1)


def soon(brain: Engine, minutes: float = 2) -> datetime:
    return brain_now(brain) + minutes * MINUTE


def swept(brain: Engine, minutes: float = 2) -> Sweep:
    return sweep(brain, soon(brain, minutes), POLICY)


def found(done: Sweep) -> dict[str, int]:
    return {rule: number for rule, number in done.found.items() if number}


def test_a_right_site_has_nothing(brain: Engine) -> None:
    appointment(brain, call(brain))
    call(brain, session_outcome="answered")
    done = swept(brain)
    assert (found(done), done.new_alerts, alerts(brain)) == ({}, 0, [])


def test_rule_1_a_booked_outcome_without_the_flag_is_told_queued_and_left(brain: Engine) -> None:  # F133
    wrong = call(brain, session_outcome="appointment_booked")
    done = swept(brain)
    assert found(done) == {"session_outcome_mismatch": 1}
    assert flags(brain, wrong) == (False, "appointment_booked", "unlinked")
    assert [row[0] for row in alerts(brain)] == ["session_outcome_mismatch"]
    assert ask(brain, "SELECT call_id, reason, priority FROM manual_review_queue") == [(wrong, "session_outcome_mismatch", 5)]
    assert ask(brain, "SELECT kind, severity FROM outgoing_messages") == [("consistency", "critical")]


def test_rule_1_with_an_appointment_is_put_right(brain: Engine) -> None:
    booked = call(brain)
    appointment(brain, booked)
    untriggered(brain, "UPDATE calls SET appointment_made = false, updated_at = now()")
    done = swept(brain)
    assert (done.auto_corrected, flags(brain, booked)) == (1, AS_BOOKED)
    assert count(brain, "data_consistency_alerts", "corrected_at IS NULL") == 0
    assert count(brain, "outgoing_messages") == 0


def test_rule_2_waits_a_minute_for_the_appointment_and_not_longer(brain: Engine) -> None:  # F134
    made = call(brain, **BOOKED)
    changed = one(brain, "SELECT updated_at FROM calls")
    assert found(sweep(brain, changed + MINUTE - timedelta(microseconds=1), POLICY)) == {}
    assert found(sweep(brain, changed + MINUTE, POLICY)) == {"missing_appointment": 1}
    appointment(brain, made)
    assert found(swept(brain, 5)) == {}
    assert alerts(brain) == [("missing_appointment", made, True, True)]


def test_rule_3_sets_inbound(brain: Engine) -> None:  # F135
    call(brain)
    write(brain, "UPDATE calls SET direction = NULL")
    assert swept(brain).auto_corrected == 1
    assert one(brain, "SELECT direction FROM calls") == "inbound"
    assert count(brain, "outgoing_messages") == 0


def test_rule_4_links_an_appointment_whose_call_has_come(brain: Engine) -> None:  # F136
    alone = appointment(brain, None, source="retell_webhook", retell_call_id="r1")
    appointment(brain, None, source="web", retell_call_id="r1")
    assert found(swept(brain)) == {"orphaned_appointment": 1}
    made = call(brain, retell_call_id="r1")
    assert swept(brain, 20).auto_corrected == 1
    assert ask(brain, "SELECT id, call_id FROM appointments WHERE source = 'retell_webhook'") == [(alone, made)]
    assert flags(brain, made) == AS_BOOKED
    assert alerts(brain)[0][2:] == (True, True)


def test_rule_5_counts_an_hour_of_failures_to_the_second(brain: Engine) -> None:  # F137
    now = brain_now(brain)
    insert = "INSERT INTO booking_errors (error, occurred_at, kind) VALUES ('x', :at, :kind)"
    for at, kind in (
        (now - timedelta(hours=1), "booking_failed"),
        (now - timedelta(hours=1, microseconds=1), "booking_failed"),
        (now, "other"),
    ):
        write(brain, insert, at=at, kind=kind)
    assert standing(brain, RULE["recent_failures"], now).offending == 1
    assert found(sweep(brain, now, POLICY)) == {"recent_failures": 1}


def test_rule_6_is_seen_by_the_look_at_one_call_and_put_right_by_the_sweep(brain: Engine) -> None:  # F138
    booked = call(brain)
    appointment(brain, booked)
    write(brain, "UPDATE calls SET appointment_link_status = 'unlinked'")
    assert [rule.name for rule in broken_by_call(brain, booked, brain_now(brain)) or ()] == ["inconsistent_link_status"]
    assert swept(brain).auto_corrected == 1
    assert broken_by_call(brain, booked, brain_now(brain)) == ()
    assert broken_by_call(brain, booked + 1, brain_now(brain)) is None


def test_a_matter_is_told_once_in_five_minutes_and_the_next_says_how_many_were_held_back(brain: Engine) -> None:  # F148
    call(brain, session_outcome="appointment_booked")
    start = soon(brain)
    assert sweep(brain, start, POLICY).told == 1
    for minutes in (1, 3, 4.9):
        write(brain, "UPDATE calls SET status = 'touched'")
        assert sweep(brain, start + minutes * MINUTE, POLICY).told == 0
    assert one(brain, "SELECT held_back FROM data_consistency_alerts") == 3
    again = sweep(brain, start + 5 * MINUTE, POLICY)
    assert (again.told, again.held_back) == (1, 3)
    assert "Held back since the last message: 3." in one(brain, "SELECT body FROM outgoing_messages ORDER BY id DESC LIMIT 1")


def test_a_call_that_was_not_written_again_is_told_once_however_often_a_sweep_sees_it(brain: Engine) -> None:
    call(brain, session_outcome="appointment_booked")
    start = soon(brain)
    assert [sweep(brain, start + minutes * MINUTE, POLICY).told for minutes in (0, 6, 12)] == [1, 0, 0]
    assert one(brain, "SELECT held_back FROM data_consistency_alerts") == 0
    write(brain, "UPDATE calls SET status = 'touched'")
    assert sweep(brain, start + 18 * MINUTE, POLICY).told == 1


def test_a_matter_that_comes_back_within_the_throttle_is_a_new_alert_but_no_news(brain: Engine) -> None:
    wrong = call(brain, session_outcome="appointment_booked")
    start = soon(brain)
    sweep(brain, start, POLICY)
    write(brain, "UPDATE calls SET session_outcome = NULL")
    untriggered(brain, "UPDATE calls SET session_outcome = 'appointment_booked', updated_at = clock_timestamp()")
    assert sweep(brain, start + MINUTE, POLICY).told == 0
    assert [row[1] for row in alerts(brain)] == [wrong, wrong]


def test_a_pause_of_any_length_leaves_nothing_unchecked(brain: Engine) -> None:  # F131
    swept(brain)
    untriggered(
        brain,
        "INSERT INTO calls (session_outcome, direction, updated_at)"
        " VALUES ('appointment_booked', 'inbound', now() - interval '5 minutes')",
    )
    write(brain, "UPDATE consistency_watermarks SET position = now() - interval '40 days'")
    untriggered(
        brain,
        "INSERT INTO calls (session_outcome, direction, updated_at)"
        " VALUES ('appointment_booked', 'inbound', now() - interval '39 days')",
    )
    assert found(swept(brain)) == {"session_outcome_mismatch": 2}


def test_what_did_not_change_since_the_last_sweep_is_not_told_again(brain: Engine) -> None:
    call(brain, session_outcome="appointment_booked")
    swept(brain)
    write(brain, "UPDATE consistency_watermarks SET position = now() + interval '1 second'")
    done = swept(brain, 60)
    assert (found(done), done.told) == ({}, 0)
    assert standing(brain, RULE["session_outcome_mismatch"], soon(brain)).offending == 1


def test_ten_thousand_mismatches_at_once_are_one_message(brain: Engine) -> None:
    untriggered(
        brain,
        "INSERT INTO calls (session_outcome, direction) SELECT 'appointment_booked', 'inbound' FROM generate_series(1, 5000)",
    )
    untriggered(
        brain,
        "INSERT INTO calls (session_outcome, direction, appointment_made, appointment_link_status)"
        " SELECT 'appointment_booked', 'inbound', true, 'linked' FROM generate_series(1, 5000)",
    )
    done = swept(brain)
    assert found(done) == {"session_outcome_mismatch": 5000, "missing_appointment": 5000}
    assert (done.new_alerts, done.told, done.put_up_for_review) == (10_000, 10_000, 10_000)
    assert count(brain, "outgoing_messages") == 2
    assert count(brain, "manual_review_queue") == 10_000


OFFENDERS = {
    "session_outcome_mismatch": "INSERT INTO calls (session_outcome) VALUES ('appointment_booked')",
    "missing_appointment": "INSERT INTO calls (session_outcome, appointment_made, appointment_link_status, updated_at)"
    " VALUES ('appointment_booked', true, 'linked', now() - interval '1 minute')",
    "missing_direction": "INSERT INTO calls (session_outcome) VALUES ('answered')",
    "inconsistent_link_status": "INSERT INTO calls (appointment_made, session_outcome, appointment_link_status, updated_at)"
    " VALUES (true, 'appointment_booked', 'creation_failed', now() - interval '1 minute')",
    "orphaned_appointment": "INSERT INTO appointments (source) VALUES ('retell_webhook')",
    "recent_failures": "INSERT INTO booking_errors (error, occurred_at) VALUES ('x', now() - interval '59 minutes')",
}


@pytest.mark.parametrize("name", OFFENDERS)
def test_a_check_counts_every_offender_and_samples_the_newest_twenty(brain: Engine, name: str) -> None:
    assert standing(brain, RULE[name], brain_now(brain)).passed
    for _ in range(23):
        untriggered(brain, OFFENDERS[name])
    seen = standing(brain, RULE[name], brain_now(brain))
    assert (seen.offending, seen.sample) == (23, tuple(range(23, 3, -1)))


@pytest.mark.parametrize("name", [rule.name for rule in RULES])
def test_every_rule_says_what_to_do(name: str) -> None:
    assert RULE[name].says
    assert RULE[name].remedy


def test_a_sweep_that_failed_has_done_nothing(brain: Engine) -> None:
    call(brain, session_outcome="appointment_booked")
    write(brain, "ALTER TABLE outgoing_messages ADD CHECK (severity <> 'critical')")
    with pytest.raises(Exception, match="violates check"):
        swept(brain)
    assert count(brain, "consistency_watermarks") == 0
    assert count(brain, "manual_review_queue") == 0


def settled(brain: Engine, minutes: float = 60) -> Sweep:
    """A sweep long after: what changed until now lies behind its watermark."""
    write(brain, "UPDATE consistency_watermarks SET position = clock_timestamp() + interval '1 second' WHERE name = 'sweep'")
    return swept(brain, minutes)


def test_an_appointment_that_went_without_its_call_being_written_is_found(brain: Engine) -> None:  # F134
    booked = call(brain)
    appointment(brain, booked)
    swept(brain)
    untriggered(brain, "DELETE FROM appointments")
    assert found(settled(brain)) == {"missing_appointment": 1}
    assert alerts(brain) == [("missing_appointment", booked, False, False)]
    assert found(settled(brain, 75)) == {}


def test_a_flag_of_a_trigger_that_no_sweep_saw_in_time_is_put_up_for_review_all_the_same(brain: Engine) -> None:
    swept(brain)
    call(brain, session_outcome="appointment_booked")
    assert settled(brain).put_up_for_review == 1
    assert settled(brain, 75).put_up_for_review == 0


@pytest.mark.parametrize("decision", ["dismiss", "resolve"])
def test_what_a_person_decided_stands_until_the_call_is_written_again(brain: Engine, decision: str) -> None:
    call(brain, session_outcome="appointment_booked")
    swept(brain)
    queue = ReviewQueue(brain)
    getattr(queue, decision)(queue.listed()[0].id, "ada", "a test call", brain_now(brain))
    for minutes in (15, 30):
        assert found(swept(brain, minutes)) == {}
    assert (queue.listed(), count(brain, "outgoing_messages")) == ([], 1)
    write(brain, "UPDATE calls SET status = 'written again'")
    assert found(swept(brain, 45)) == {"session_outcome_mismatch": 1}
    assert len(queue.listed()) == 1


@pytest.mark.parametrize(
    "end", ["DELETE FROM calls", "UPDATE calls SET vanished_at = now()"], ids=["deleted", "vanished at its dialer"]
)
def test_alerts_of_a_call_that_is_no_more_are_closed(brain: Engine, end: str) -> None:
    call(brain, session_outcome="appointment_booked")
    call(brain, session_outcome="no_answer", appointment_made=True)
    swept(brain)
    assert count(brain, "data_consistency_alerts", "corrected_at IS NULL") == 4
    write(brain, end)
    assert settled(brain).closed == 4
    assert count(brain, "data_consistency_alerts", "corrected_at IS NULL") == 0


def test_a_failed_validation_of_a_call_that_was_deleted_is_closed_with_it(brain: Engine) -> None:
    gone, stays = call(brain), call(brain)
    for each in (gone, stays):
        roll_back(brain, each, "appointment_not_found", brain_now(brain))
    write(brain, "DELETE FROM calls WHERE id = :id", id=gone)
    swept(brain)
    assert [row[1] for row in alerts(brain) if not row[3]] == [stays]


def test_an_alert_stays_open_while_its_call_is_being_written(brain: Engine) -> None:
    call(brain, **BOOKED)
    swept(brain)
    write(brain, "UPDATE calls SET status = 'touched'")
    sweep(brain, brain_now(brain), POLICY)
    assert [row[3] for row in alerts(brain)] == [False]


def test_an_old_orphan_is_linked_when_its_call_comes_by_the_booking_before_the_conversation(brain: Engine) -> None:  # F136
    orphan = appointment(brain, None, source="retell_webhook", retell_call_id="r1", external_booking_id="b1")
    swept(brain)
    by_conversation, by_booking = call(brain, retell_call_id="r1"), call(brain, external_booking_id="b1")
    done = settled(brain)
    assert (done.auto_corrected, flags(brain, by_booking), flags(brain, by_conversation)[0]) == (1, AS_BOOKED, False)
    assert alerts(brain) == [("orphaned_appointment", orphan, True, True)]


def test_a_booking_that_two_calls_claim_is_left_to_a_person(brain: Engine) -> None:
    appointment(brain, None, source="retell_webhook", external_booking_id="b1")
    call(brain, external_booking_id="b1")
    call(brain, external_booking_id="b1")
    assert swept(brain).auto_corrected == 0
    assert count(brain, "appointments", "call_id IS NULL") == 1


def test_failures_of_a_long_pause_are_counted_and_over(brain: Engine) -> None:  # F137
    now = soon(brain, 0)
    sweep(brain, now, POLICY)
    write(brain, "UPDATE consistency_watermarks SET position = :at", at=now - timedelta(hours=7))
    for hours in (6, 0.5):
        insert = "INSERT INTO booking_errors (error, occurred_at) VALUES ('x', :at)"
        write(brain, insert, at=now - timedelta(hours=hours))
    assert found(sweep(brain, now, POLICY)) == {"recent_failures": 2}
    assert [row[3] for row in alerts(brain)] == [True, False]


def test_ten_thousand_that_stay_wrong_cost_the_next_sweep_no_news(brain: Engine) -> None:
    insert = "INSERT INTO calls (session_outcome) SELECT 'appointment_booked' FROM generate_series(1, 10000)"
    write(brain, insert)
    assert swept(brain).put_up_for_review == 10_000
    done = settled(brain)
    assert (found(done), done.told, done.closed) == ({}, 0, 0)
    assert done.seconds < 2


def test_a_flood_is_worked_off_by_the_next_sweeps_and_nothing_of_it_is_lost(brain: Engine) -> None:
    write(brain, "INSERT INTO calls (session_outcome) SELECT 'appointment_booked' FROM generate_series(1, 25)")
    done = [sweep(brain, soon(brain), POLICY, most=10)]
    for minutes in (15, 30, 45):
        write(brain, "UPDATE consistency_watermarks SET position = clock_timestamp() + interval '1 second'")
        done.append(sweep(brain, soon(brain, minutes), POLICY, most=10))
    assert [each.put_up_for_review for each in done] == [10, 10, 5, 0]
    assert count(brain, "manual_review_queue") == count(brain, "data_consistency_alerts", "corrected_at IS NULL") == 25
