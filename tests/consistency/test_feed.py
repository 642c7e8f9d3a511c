"""What the dialers' calls become in calls, and what the feed leaves alone."""

from datetime import timedelta

import pytest
from builders import NOON, add_lead, ask, land, one, raw_row
from crm import appointment, call, count, flags, write
from sqlalchemy import Engine, text

from vici_brain.brain.crm_calls import CrmCalls, Fed
from vici_brain.brain.matches import MatchStore
from vici_brain.domain.windows import Window

DAY = Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12))


def matched(brain: Engine, *rows: object, table: str = "vicidial_log") -> None:
    land(brain, rows, table=table)  # type: ignore[arg-type]
    MatchStore(brain).match_window("vici", DAY)


@pytest.fixture
def site(brain: Engine) -> Engine:
    """A lead, and statuses of which one campaign shadows one."""
    add_lead(brain, 7, phone="2125550101")
    columns = "human_answered, sale, dnc, customer_contact, not_interested, unworkable, scheduled_callback, completed"
    for campaign, status, flag in (
        ("", "SALE", "sale"),
        ("", "NI", "not_interested"),
        ("", "DNC", "dnc"),
        ("", "CB", "scheduled_callback"),
        ("", "AM", "answering_machine"),
        ("", "UW", "unworkable"),
        ("", "XX", "human_answered"),
        ("", "NA", "completed"),
        ("SOLAR", "XX", "sale"),
    ):
        values = ", ".join(str(flag == name).lower() for name in (*columns.split(", "), "answering_machine"))
        write(
            brain,
            f"INSERT INTO vici_statuses (instance, campaign_id, status, {columns}, answering_machine, synced_at)"
            f" VALUES ('vici', '{campaign}', '{status}', {values}, now())",
        )
    return brain


OUTCOMES = {
    "SALE": "sale",
    "NI": "not_interested",
    "DNC": "do_not_call",
    "CB": "callback_requested",
    "AM": "voicemail",
    "UW": "unworkable",
    "XX": "sale",
    "NA": "no_answer",
    "INCALL": None,
    "NOSUCH": None,
}


def test_the_outcome_is_that_of_the_status_flags_and_a_campaigns_own_row_shadows_the_systems(site: Engine) -> None:
    matched(site, *(raw_row(NOON, f"k.{status}", status=status) for status in OUTCOMES))
    matched(site, raw_row(NOON, "other", status="XX", campaign_id="WIND"))
    assert CrmCalls(site).feed() == Fed(11, 11, 0)
    found = dict(ask(site, "SELECT source_key, session_outcome FROM calls"))
    assert {status: found[f"k.{status}"] for status in OUTCOMES} == OUTCOMES
    assert found["other"] == "answered"


def test_a_status_that_is_explained_later_gives_its_calls_their_outcome(site: Engine) -> None:
    for number, campaign in enumerate(("SOLAR", "SOLAR", "WIND")):
        matched(site, raw_row(NOON, f"k.{number}", status="ODD", campaign_id=campaign))
    matched(site, raw_row(NOON, "k.live", status="INCALL"))
    assert CrmCalls(site).feed() == Fed(4, 4, 0)
    write(site, "UPDATE consistency_watermarks SET position = clock_timestamp()")
    assert CrmCalls(site).feed() == Fed(0, 0, 0)
    write(site, "UPDATE calls SET booking_failed = true WHERE source_key = 'k.0'")
    for status, flag in (("ODD", "sale"), ("INCALL", "human_answered")):
        write(
            site,
            "INSERT INTO vici_statuses SELECT instance, 'SOLAR', :status, status_name, human_answered, sale, dnc,"
            " customer_contact, not_interested, unworkable, scheduled_callback, completed, answering_machine, now()"
            " FROM vici_statuses WHERE campaign_id = '' AND status = 'NA'",
            status=status,
        )
        write(site, f"UPDATE vici_statuses SET completed = false, {flag} = true WHERE status = :status", status=status)
    write(site, "UPDATE consistency_watermarks SET position = clock_timestamp()")
    assert CrmCalls(site).feed().updated == 1
    assert dict(ask(site, "SELECT source_key, session_outcome FROM calls")) == {
        "k.0": None,
        "k.1": "sale",
        "k.2": None,
        "k.live": None,
    }
    write(site, "UPDATE consistency_watermarks SET position = clock_timestamp()")
    assert CrmCalls(site).feed() == Fed(0, 0, 0)


def test_direction_comes_from_the_source_table_and_the_customer_from_the_lead(site: Engine) -> None:
    matched(site, raw_row(NOON, "1.1"))
    matched(site, raw_row(NOON, "5"), table="vicidial_closer_log")
    CrmCalls(site).feed()
    columns = "source_table, direction, customer_id, customer_link_status, customer_link_method, customer_link_confidence, source"
    assert [(*row[:5], float(row[5]), row[6]) for row in ask(site, f"SELECT {columns} FROM calls ORDER BY 1")] == [
        ("vicidial_closer_log", "inbound", 7, "linked", "phone", 100.0, "vici"),
        ("vicidial_log", "outbound", 7, "linked", "phone", 100.0, "vici"),
    ]


def test_a_call_without_a_lead_waits_and_comes_when_it_is_matched_however_late(site: Engine) -> None:
    matched(site, raw_row(NOON, "1.1", phone_number="2125550199"))
    assert CrmCalls(site).feed().added == 0
    write(site, "UPDATE vici_call_logs SET changed_at = changed_at - interval '3 days'")
    add_lead(site, 9, phone="2125550199")
    MatchStore(site).match_window("vici", DAY)
    assert CrmCalls(site).feed().added == 1
    assert one(site, "SELECT customer_id FROM calls") == 9


def test_a_second_feed_changes_nothing_and_a_status_that_changed_changes_its_row_alone(site: Engine) -> None:
    matched(site, raw_row(NOON, "1.1"), raw_row(NOON, "2.2"))
    CrmCalls(site).feed()
    before = ask(site, "SELECT id, updated_at FROM calls ORDER BY id")
    assert CrmCalls(site).feed() == Fed(2, 0, 0)
    assert ask(site, "SELECT id, updated_at FROM calls ORDER BY id") == before
    matched(site, raw_row(NOON, "2.2", status="SALE"))
    assert CrmCalls(site).feed().updated == 1
    assert ask(site, "SELECT source_key, session_outcome FROM calls ORDER BY 1") == [("1.1", "no_answer"), ("2.2", "sale")]


def test_rows_of_other_systems_and_what_an_appointment_says_stay(site: Engine) -> None:
    matched(site, raw_row(NOON, "1.1"), raw_row(NOON, "2.2"))
    CrmCalls(site).feed()
    (booked,) = ask(site, "SELECT id FROM calls WHERE source_key = '1.1'")[0]
    appointment(site, booked)
    write(site, "UPDATE calls SET source = 'web' WHERE source_key = '2.2'")
    foreign = call(site, retell_call_id="r1", session_outcome="answered")
    matched(site, raw_row(NOON, "1.1", status="NI"), raw_row(NOON, "2.2", status="NI"))
    CrmCalls(site).feed()
    assert flags(site, booked)[:2] == (True, "appointment_booked")
    assert one(site, "SELECT status FROM calls WHERE source_key = '1.1'") == "NI"
    assert one(site, "SELECT status FROM calls WHERE source_key = '2.2'") == "NA"
    assert flags(site, foreign)[1] == "answered"


def test_a_call_that_lost_its_lead_or_its_row_says_so(site: Engine) -> None:
    matched(site, raw_row(NOON, "1.1"), raw_row(NOON, "2.2"))
    CrmCalls(site).feed()
    land(site, [raw_row(NOON, "1.1", phone_number="2125550999")])
    write(
        site,
        "UPDATE vici_call_logs SET vanished_at = now(), vanish_reason = 'deleted', changed_at = now() WHERE source_key = '2.2'",
    )
    CrmCalls(site).feed()
    question = "SELECT source_key, customer_id, customer_link_status, vanished_at IS NOT NULL FROM calls ORDER BY 1"
    assert ask(site, question) == [("1.1", None, "unlinked", False), ("2.2", 7, "linked", True)]


def test_a_change_that_commits_long_after_the_feed_looked_is_found(site: Engine) -> None:
    matched(site, raw_row(NOON, "1.1"))
    with site.connect() as slow:
        slow.execute(text("UPDATE vici_call_logs SET status = 'SALE', changed_at = clock_timestamp()"))
        slow.execute(text("UPDATE vici_call_logs SET changed_at = now()"))
        CrmCalls(site).feed()
        kept = one(site, "SELECT position <= (SELECT changed_at FROM vici_call_logs) FROM consistency_watermarks")
        slow.commit()
    assert kept
    CrmCalls(site).feed()
    assert one(site, "SELECT session_outcome FROM calls") == "sale"


def test_the_watermark_waits_for_the_oldest_writer(site: Engine) -> None:
    with site.connect() as slow:
        slow.execute(text("INSERT INTO consistency_watermarks VALUES ('other', now(), now())"))
        started = slow.execute(text("SELECT now()")).scalar_one()
        CrmCalls(site).feed()
        CrmCalls(site).feed()
        assert one(site, "SELECT position FROM consistency_watermarks WHERE name = 'feed_calls'") <= started - timedelta(
            minutes=10
        )


def test_batches_of_any_size_feed_the_same(site: Engine) -> None:
    matched(site, *(raw_row(NOON, f"k.{number}") for number in range(25)))
    assert CrmCalls(site).feed(batch=10) == Fed(25, 25, 0)
    write(site, "UPDATE vici_call_logs SET status = 'NI', changed_at = clock_timestamp()")
    assert CrmCalls(site).feed(batch=10) == Fed(25, 0, 25)
    assert count(site, "calls", "session_outcome = 'not_interested'") == 25
