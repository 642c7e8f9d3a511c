"""Pushing where Brain holds all of a dialer's leads: most of them are no lead of Brain, some are archived or gone."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from builders import NOON, add_lead, ask, land, link, one, raw_row
from sqlalchemy import Engine, text
from test_pushing_leads import Intake
from writable_dialer import Api, WritableDialer, code, serving

from vici_brain.brain.recent_calls import Subject, forbidding_calls
from vici_brain.brain.sql import load
from vici_brain.domain.lead_import import DO_NOT_CALL_STATUSES
from vici_brain.domain.statuses import FLAGS
from vici_brain.flows.import_leads import ImportOrder, import_leads
from vici_brain.flows.syncing import Syncing

DAY = timedelta(days=1)
KEY = "12125550101"


@pytest.fixture
def intake(mariadb_url: str, brain: Engine) -> Iterator[Intake]:
    dialer = WritableDialer(mariadb_url)
    api = Api(dialer)
    with serving(api) as address:
        opened = Intake(dialer, brain, api, address)
        opened.push()
        yield opened
    dialer.close()


def mirror(intake: Intake) -> None:
    """All leads of the dialer are read; those of campaign OTHER become Brain's, of which the tests have none."""
    source = intake.dialer.dialer(now=NOON)
    import_leads(Syncing(source, intake.brain, lambda: NOON), ImportOrder(("OTHER",), "test", "somebody"))
    source.engine.dispose()


def flagged(brain: Engine, status: str, campaign: str, *, dnc: bool) -> None:
    names = ", ".join(FLAGS)
    values = ", ".join(str(dnc and flag == "dnc").lower() for flag in FLAGS)
    statement = f"""
        INSERT INTO vici_statuses (instance, campaign_id, status, {names}, synced_at)
        VALUES ('vici', :campaign, :status, {values}, now())
    """
    with brain.begin() as connection:
        connection.execute(text(statement), {"campaign": campaign, "status": status})


@pytest.mark.mariadb
def test_a_number_that_the_mirror_has_in_another_form_is_linked_and_not_added(
    intake: Intake, brain: Engine
) -> None:  # F061, F062
    intake.dialer.lead(7, phone_number="+1 (212) 555-0101")
    mirror(intake)
    assert ask(brain, "SELECT vici_lead_id, lead_id FROM vici_lead_links") == [(7, None)]
    add_lead(brain, 1, code=code(1), phone="2125550101")
    assert intake.push().linked == 1
    assert len(intake.dialer.codes()) == 1
    assert ask(brain, "SELECT vici_lead_id, lead_id, origin FROM vici_lead_links") == [(7, 1, "vici")]


@pytest.mark.mariadb
@pytest.mark.parametrize("fate", ["archived", "removed", "another number since"])
def test_a_lead_that_the_dialer_could_not_call_keeps_none_out(intake: Intake, brain: Engine, fate: str) -> None:
    intake.dialer.lead(7, phone_number="2125550101")
    if fate == "archived":
        intake.dialer.run("INSERT INTO vicidial_list_archive SELECT * FROM vicidial_list")
        intake.dialer.run("DELETE FROM vicidial_list")
    mirror(intake)
    if fate == "removed":
        intake.dialer.run("DELETE FROM vicidial_list")
    elif fate != "archived":
        intake.dialer.run("UPDATE vicidial_list SET phone_number = '2125550199'")
    add_lead(brain, 1, code=code(1), phone="2125550101")
    assert intake.push().added == 1
    assert ask(brain, "SELECT lead_id FROM vici_lead_links WHERE vici_lead_id = 7") == [(None,)]


@pytest.mark.mariadb
def test_a_lead_found_by_number_did_not_come_from_brain_and_an_added_one_did(intake: Intake, brain: Engine) -> None:  # F078
    intake.dialer.lead(7, phone_number="2125550101")
    add_lead(brain, 1, code=code(1), phone="2125550101")
    add_lead(brain, 2, code=code(2), phone="2125550102")
    intake.push()
    assert ask(brain, "SELECT lead_id, origin FROM vici_lead_links ORDER BY 1") == [(1, None), (2, "brain")]
    mirror(intake)
    assert ask(brain, "SELECT lead_id, origin FROM vici_lead_links ORDER BY 1") == [(1, "vici"), (2, "brain")]


@pytest.mark.mariadb
def test_a_link_to_a_lead_that_brain_deleted_gives_way_to_the_new_one(intake: Intake, brain: Engine) -> None:
    intake.dialer.lead(7, phone_number="2125550101")
    link(brain, 7, 900)
    add_lead(brain, 1, code=code(1), phone="2125550101")
    assert intake.push().linked == 1
    assert ask(brain, "SELECT vici_lead_id, lead_id FROM vici_lead_links") == [(7, 1)]
    assert one(brain, "SELECT count(*) FROM manual_review_queue") == 0


@pytest.mark.mariadb
@pytest.mark.parametrize("archived", [False, True])
def test_a_call_to_the_second_number_of_an_unlinked_lead_of_the_number_blocks(  # F063, F068
    intake: Intake, brain: Engine, *, archived: bool
) -> None:
    intake.dialer.lead(7, phone_number="2125550101", alt_phone="3125550107")
    if archived:
        intake.dialer.run("INSERT INTO vicidial_list_archive SELECT * FROM vicidial_list")
        intake.dialer.run("DELETE FROM vicidial_list")
    mirror(intake)
    land(brain, [raw_row(NOON - 10 * DAY, "1.1", vici_lead_id=900, phone_number="3125550107")])
    land(brain, [raw_row(NOON - 10 * DAY, "1.2", vici_lead_id=8, phone_number="4155550108")])
    add_lead(brain, 1, code=code(1), phone="2125550101")
    intake.push()
    assert ask(brain, "SELECT restriction FROM lead_call_restrictions") == [("recently_called",)]


@pytest.mark.mariadb
def test_a_call_of_an_unlinked_lead_of_the_number_counts_whatever_was_dialled(intake: Intake, brain: Engine) -> None:
    intake.dialer.lead(7, phone_number="2125550101")
    mirror(intake)
    land(brain, [raw_row(NOON - 10 * DAY, "1.1", vici_lead_id=7, phone_number="4155550108")])
    add_lead(brain, 1, code=code(1), phone="2125550101")
    intake.push()
    assert ask(brain, "SELECT restriction FROM lead_call_restrictions") == [("recently_called",)]


@pytest.mark.mariadb
def test_a_call_that_ended_in_do_not_call_me_forbids_for_good(intake: Intake, brain: Engine) -> None:  # F063
    flagged(brain, "NEVER", "", dnc=True)
    land(brain, [raw_row(NOON - 400 * DAY, "1.1", vici_lead_id=900, status="NEVER")])
    phone = one(brain, "SELECT right(phone_key, 10) FROM vici_call_logs")
    add_lead(brain, 1, code=code(1), phone=phone)
    assert intake.push().do_not_call == 1
    assert one(brain, "SELECT reason FROM lead_call_restrictions") == "call 1.1 on vici has the status NEVER"
    assert intake.dialer.codes() == {}
    with brain.begin() as connection:
        connection.execute(text("DELETE FROM vici_call_logs"))
        connection.execute(text("DELETE FROM leads"))
    # The lead is gone and so is the call: the number is remembered.
    add_lead(brain, 2, code=code(2), phone=phone)
    assert intake.push().do_not_call == 1


@pytest.mark.mariadb
def test_a_number_that_another_lead_of_the_crm_forbids_is_not_pushed(intake: Intake, brain: Engine) -> None:
    add_lead(brain, 1, phone="(212) 555-0101")
    with brain.begin() as connection:
        connection.execute(text("UPDATE leads SET status = 'DO_NOT_CALL'"))
    add_lead(brain, 2, code=code(2), phone="2125550101")
    assert intake.push().do_not_call >= 1
    assert ask(brain, "SELECT state FROM lead_pushes WHERE lead_id = 2") == [("blocked",)]


def said(brain: Engine, *subjects: Subject) -> dict[int, str]:
    with brain.connect() as connection:
        return forbidding_calls(connection, subjects)


def test_a_campaigns_own_row_says_what_a_status_means_there(brain: Engine) -> None:
    flagged(brain, "STOP", "", dnc=True)
    flagged(brain, "STOP", "SOLAR", dnc=False)
    flagged(brain, "OUT", "SOLAR", dnc=True)
    calls = [("1.1", "STOP", "SOLAR"), ("1.2", "OUT", "OTHER")]
    land(brain, [raw_row(NOON, key, status=status, campaign_id=campaign) for key, status, campaign in calls])
    phone = one(brain, "SELECT max(phone_key) FROM vici_call_logs")
    assert said(brain, Subject(1, [phone])) == {}
    land(brain, [raw_row(NOON, "1.3", status="STOP", campaign_id="OTHER")])
    assert said(brain, Subject(1, [phone])) == {1: "call 1.3 on vici has the status STOP"}


@pytest.mark.parametrize("status", DO_NOT_CALL_STATUSES)
def test_a_status_without_a_row_means_what_it_means_everywhere_unless_the_dialer_says_otherwise(
    brain: Engine, status: str
) -> None:
    land(brain, [raw_row(NOON, "1.1", status=status)])
    phone = one(brain, "SELECT phone_key FROM vici_call_logs")
    assert set(said(brain, Subject(1, [phone]))) == {1}
    flagged(brain, status, "", dnc=False)
    assert said(brain, Subject(1, [phone])) == {}


def test_a_lead_of_the_dialer_that_stands_in_such_a_status_forbids_too(brain: Engine) -> None:
    statement = """
        INSERT INTO vici_lead_links (instance, vici_lead_id, phone_key, status, seen_at) VALUES ('vici', 7, :key, 'DNC', now())
    """
    with brain.begin() as connection:
        connection.execute(text(statement), {"key": KEY})
    assert said(brain, Subject(1, [KEY]), Subject(2, [])) == {1: "lead 7 on vici has the status DNC"}


def test_looking_for_such_calls_walks_indexes_alone(brain: Engine) -> None:
    with brain.connect() as connection:
        for table in ("vici_call_logs", "vici_lead_links"):
            connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
        connection.execute(
            text("""
                INSERT INTO vici_call_logs (instance, source_table, source_key, vici_lead_id, called_at, phone_key, status,
                    row_crc, source_copy, read_at, first_seen_at, changed_at)
                SELECT 'vici', 'vicidial_log', n, n, now(), '1212' || lpad((n % 10000)::text, 7, '0'), 'NA', n, 'live',
                    now(), now(), now() FROM generate_series(1, 20000) n
            """)
        )
        connection.execute(
            text("""
                INSERT INTO vici_lead_links (instance, vici_lead_id, phone_key, status)
                SELECT 'vici', n, '1212' || lpad((n % 10000)::text, 7, '0'), 'NA' FROM generate_series(1, 20000) n
            """)
        )
        keys: dict[str, Any] = {"leads": list(range(1, 501)), "phones": [f"1212{n:07}" for n in range(1, 501)]}
        plan = "\n".join(connection.scalars(text("EXPLAIN " + load("forbidding_calls").text), keys | {"well_known": ["DNC"]}))
        connection.rollback()
    for table in ("vici_call_logs", "vici_lead_links", "purged_orphan_calls"):
        assert f"Seq Scan on {table}" not in plan, plan
