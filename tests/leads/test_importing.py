"""F053 to F080 as far as the import goes: a dialer's leads become Brain's, one for each number, and nothing is done twice."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from builders import NOON, add_lead, ask, land, leads_of_a_crm, link, one, raw_row
from lead_sites import AUTO2, AUTODIAL, CODE, OTHER, OTHER_CODE, LeadSite, lead_site
from sqlalchemy import Engine, text

from vici_brain.brain.reviews import ReviewQueue
from vici_brain.domain.identifiers import is_external_lead_id
from vici_brain.errors import ConfigurationError
from vici_brain.flows.import_leads import ImportOrder, import_leads

pytestmark = pytest.mark.mariadb


@pytest.fixture
def site(mariadb_url: str, brain: Engine) -> Iterator[LeadSite]:
    with lead_site(mariadb_url, brain) as opened:
        yield opened


def test_leads_of_the_chosen_campaigns_become_leads_of_brain(site: LeadSite) -> None:  # F053, F054, F055, F058, F065, F069
    called: dict[str, Any] = {"status": "NA", "called_count": 3, "last_local_call_time": "2025-06-05 11:00:00"}
    site.lead(1, "2125550101", vendor_lead_code=CODE, first_name="Ada", last_name="Abbott", state="NY", **called)
    site.lead(2, "2125550102", list_id=AUTODIAL)
    site.lead(3, "2125550103", list_id=OTHER)
    done = site.take_in()
    assert (done.read, done.added, done.numbers, done.created, done.linked) == (3, 3, 2, 2, 2)
    lead = site.brain_lead(1)
    assert (lead["external_lead_id"], lead["phone"], lead["status"]) == (CODE, "2125550101", "NO_ANSWER")
    assert (lead["first_name"], lead["last_name"], lead["state"]) == ("Ada", "Abbott", "NY")
    meta = lead["meta"]
    assert (
        meta.items()
        >= {
            "vici_lead_id": 1,
            "vici_list_id": AUTO2,
            "vici_status": "NA",
            "vici_called_count": 3,
            "vici_campaign": "AUTO2",
            "last_call_date": "2025-06-05 11:00:00",
            "vendor_lead_code": CODE,
            "origin": "vici_import",
        }.items()
    )
    assert {"synced_at", "imported_at"} <= meta.keys()
    assert is_external_lead_id(site.brain_lead(2)["external_lead_id"])
    assert ask(site.brain, "SELECT vici_lead_id, campaign_id, lead_id IS NULL FROM vici_lead_links ORDER BY 1") == [
        (1, "AUTO2", False),
        (2, "AUTODIAL", False),
        (3, "RETENT", True),
    ]
    assert ask(site.site.engine, "SELECT list_id FROM vicidial_list ORDER BY lead_id") == [(AUTO2,), (AUTODIAL,), (OTHER,)]


@pytest.mark.parametrize("changes", [False, True], ids=["whole", "changes"])
def test_a_second_import_changes_nothing(site: LeadSite, changes: bool) -> None:
    for lead_id in range(1, 30):
        site.lead(lead_id, f"21255501{lead_id // 2:02}", first_name=f"Ada {lead_id}", status=("NA", "DNC", "SALE")[lead_id % 3])
    site.take_in(page_rows=7)
    before = ask(site.brain, "SELECT to_jsonb(leads) FROM leads ORDER BY id")
    links = ask(site.brain, "SELECT to_jsonb(vici_lead_links) FROM vici_lead_links ORDER BY vici_lead_id")
    done = site.take_in(page_rows=7, changes=changes)
    assert (done.rows_changed, done.import_id) == (0, None)
    assert ask(site.brain, "SELECT to_jsonb(leads) FROM leads ORDER BY id") == before
    assert ask(site.brain, "SELECT to_jsonb(vici_lead_links) FROM vici_lead_links ORDER BY vici_lead_id") == links


def test_a_dry_run_counts_the_same_and_writes_nothing(site: LeadSite) -> None:  # F080
    site.lead(1, "2125550101")
    site.lead(2, "2125550101", status="NA", called_count=1, last_local_call_time="2025-06-05 11:00:00")
    add_lead(site.brain, 7, phone="2125550109", code=CODE)
    site.lead(3, "2125550109")
    tried = site.take_in(dry_run=True)
    assert (tried.created, tried.updated, tried.linked, tried.import_id) == (1, 1, 3, None)
    assert [site.count(table) for table in ("leads", "vici_lead_links", "lead_imports", "lead_import_items")] == [1, 0, 0, 0]
    assert site.count("sync_logs") == 0
    done = site.take_in()
    assert (done.created, done.updated, done.linked) == (1, 1, 3)


def test_vici_leads_of_one_number_become_one_lead_that_keeps_the_valid_code(site: LeadSite) -> None:  # F064
    site.lead(1, "2125550101", vendor_lead_code="12345", first_name="Ada")
    site.lead(2, "+12125550101", vendor_lead_code=CODE, last_name="Abbott")
    site.lead(3, "12125550101", status="SALE", called_count=1, last_local_call_time="2025-06-05 11:00:00")
    assert site.take_in().created == 1
    lead = site.brain_lead(1)
    assert [site.brain_lead(number)["id"] for number in (2, 3)] == [lead["id"]] * 2
    assert (lead["external_lead_id"], lead["status"], lead["meta"]["vici_lead_id"]) == (CODE, "SOLD", 3)
    assert (lead["first_name"], lead["last_name"]) == ("Ada", "Abbott")


def test_a_lead_that_brain_has_is_found_by_number_and_keeps_what_it_is(site: LeadSite) -> None:  # F061, F079
    add_lead(site.brain, 7, phone="(212) 555-0101", code=CODE)
    site.lead(1, "2125550101", vendor_lead_code=OTHER_CODE, first_name="Somebody", status="SALE", called_count=1)
    done = site.take_in()
    assert (done.created, done.updated, done.linked) == (0, 1, 1)
    lead = site.brain_lead(1)
    assert (lead["id"], lead["external_lead_id"], lead["phone"], lead["first_name"]) == (7, CODE, "(212) 555-0101", None)
    assert lead["status"] == "new"
    assert lead["meta"]["vici_lead_id"] == 1
    assert "origin" not in lead["meta"]


def test_a_lead_of_brain_without_a_valid_id_gets_one(site: LeadSite) -> None:  # F066
    leads_of_a_crm(site.brain)
    add_lead(site.brain, 7, phone="2125550101", code="17550410")
    add_lead(site.brain, 8, phone="2125550102")
    site.lead(1, "2125550101", vendor_lead_code=CODE)
    site.lead(2, "2125550102")
    site.take_in()
    assert site.brain_lead(1)["external_lead_id"] == CODE
    assert is_external_lead_id(site.brain_lead(2)["external_lead_id"])


def test_a_code_on_the_wrong_row_never_brings_two_people_together(site: LeadSite) -> None:
    add_lead(site.brain, 7, phone="2125550101", code=CODE)
    site.lead(1, "2125550199", vendor_lead_code=CODE)
    site.lead(2, "2125550102", vendor_lead_code=OTHER_CODE)
    site.lead(3, "2125550103", vendor_lead_code=OTHER_CODE)
    done = site.take_in()
    assert (done.created, done.conflicts) == (3, 2)
    assert site.brain_lead(1)["id"] != 7
    assert site.brain_lead(2)["external_lead_id"] == OTHER_CODE
    assert len({site.brain_lead(number)["external_lead_id"] for number in (1, 2, 3)}) == 3
    reviews = ask(site.brain, "SELECT reason, context ->> 'vendor_lead_code' FROM manual_review_queue ORDER BY 2")
    assert reviews == [("vendor_code_of_another_lead", CODE), ("vendor_code_of_another_lead", OTHER_CODE)]
    assert site.take_in().rows_changed == 0
    # What a person has answered is not asked again when the dialer has news of the lead.
    queue = ReviewQueue(site.brain)
    assert all(queue.dismiss(item.id, "somebody", "the loader's mistake", NOON) for item in queue.listed())
    site.site.run("UPDATE vicidial_list SET status = 'NA'")
    assert site.take_in().updated == 3
    assert [row.status for row in queue.listed()] == []


def test_a_link_that_brain_has_holds_when_the_number_changes_at_the_dialer(site: LeadSite) -> None:
    add_lead(site.brain, 7, phone="2125550101", code=CODE)
    link(site.brain, 1, 7)
    site.lead(1, "2125550177")
    site.take_in()
    lead = site.brain_lead(1)
    assert (lead["id"], lead["phone"]) == (7, "2125550101")


def test_do_not_call_enters_from_any_lead_of_the_number_and_is_never_taken_back(site: LeadSite) -> None:  # F067
    site.lead(1, "2125550101", status="DNC")
    site.lead(2, "2125550101", status="SALE", called_count=1, last_local_call_time="2025-06-05 11:00:00")
    add_lead(site.brain, 7, phone="2125550102")
    site.lead(3, "2125550102", status="DNCL")
    site.take_in()
    assert [site.brain_lead(number)["status"] for number in (1, 3)] == ["DO_NOT_CALL"] * 2
    site.site.run("UPDATE vicidial_list SET status = 'SALE'")
    assert site.take_in().updated == 2
    assert [site.brain_lead(number)["status"] for number in (1, 3)] == ["DO_NOT_CALL"] * 2


def test_a_status_that_the_site_itself_flags_as_do_not_call_counts(site: LeadSite) -> None:
    flags = "human_answered, sale, dnc, customer_contact, not_interested, unworkable, scheduled_callback, completed"
    with site.brain.begin() as connection:
        connection.execute(
            text(
                f"INSERT INTO vici_statuses (instance, campaign_id, status, {flags}, answering_machine, synced_at)"
                " VALUES ('vici', 'AUTO2', 'NEVER', false, false, true, false, false, false, false, false, false, now())"
            )
        )
    site.lead(1, "2125550101", status="NEVER")
    site.take_in()
    assert site.brain_lead(1)["status"] == "DO_NOT_CALL"


def test_an_imported_status_follows_the_dialer_until_brain_says_otherwise(site: LeadSite) -> None:
    site.lead(1, "2125550101")
    site.lead(2, "2125550102")
    site.take_in()
    with site.brain.begin() as connection:
        connection.execute(text("UPDATE leads SET status = 'CUSTOMER' WHERE phone = '2125550102'"))
    site.site.run("UPDATE vicidial_list SET status = 'AA'")
    site.take_in()
    assert [site.brain_lead(number)["status"] for number in (1, 2)] == ["ANSWERING_MACHINE", "CUSTOMER"]
    with site.brain.begin() as connection:
        connection.execute(text("UPDATE leads SET status = 'recently_called' WHERE phone = '2125550101'"))
    site.site.run("UPDATE vicidial_list SET status = 'NA'")
    site.take_in()
    assert site.brain_lead(1)["status"] == "recently_called"


def test_a_trial_takes_in_so_many_leads_and_all_of_their_numbers(site: LeadSite) -> None:  # F072
    for lead_id in range(1, 21):
        site.lead(lead_id, f"21255501{lead_id % 10:02}", list_id=OTHER if lead_id == 1 else AUTO2)
    done = site.take_in(limit=3, page_rows=5)
    assert (done.numbers, done.created) == (3, 3)
    assert ask(site.brain, "SELECT vici_lead_id FROM vici_lead_links WHERE lead_id IS NOT NULL ORDER BY 1") == [
        *((number,) for number in (2, 3, 4, 12, 13, 14)),
    ]
    assert site.take_in().created == 7


def test_one_number_is_found_however_it_is_written(site: LeadSite) -> None:  # F080
    site.lead(1, "2125550101")
    site.lead(2, "12125550101")
    site.lead(3, "2125550102")
    done = site.take_in(phone="+1 (212) 555-0101")
    assert (done.read, done.created, done.linked) == (2, 1, 2)


def test_a_number_without_meaning_is_still_a_lead_of_its_own(site: LeadSite) -> None:
    site.lead(1, "anonymous")
    site.lead(2, "")
    assert site.take_in().created == 2
    assert site.brain_lead(1)["id"] != site.brain_lead(2)["id"]
    assert site.take_in().rows_changed == 0


@pytest.mark.parametrize("phone", ["0000000000", "9999999999", "1234567890", "11111111111"])
def test_a_number_that_was_put_in_because_a_form_wanted_one_makes_no_two_people_one(site: LeadSite, phone: str) -> None:
    site.lead(1, phone, first_name="Ada")
    site.lead(2, phone, first_name="Ben")
    assert site.take_in().created == 2
    assert [site.brain_lead(number)["first_name"] for number in (1, 2)] == ["Ada", "Ben"]
    assert site.take_in().rows_changed == 0


def test_a_number_of_another_country_keeps_its_country(site: LeadSite) -> None:
    site.lead(1, "2071234567", phone_code="44")
    site.lead(2, "2071234567")
    site.lead(3, "02071234567", phone_code="44")
    assert site.take_in().created == 2
    # Without its country code the first would be called, and matched, as somebody in Maine.
    assert [site.brain_lead(number)["phone"] for number in (1, 2, 3)] == ["+442071234567", "2071234567", "+442071234567"]
    assert one(site.brain, "SELECT count(DISTINCT normalised_phone('1', phone)) FROM leads") == 2
    assert site.take_in().rows_changed == 0


def test_a_name_that_was_encoded_twice_arrives_readable(site: LeadSite) -> None:
    site.lead(1, "2125550101", first_name="José".encode().decode("cp1252"), last_name="Müller")
    site.take_in()
    lead = site.brain_lead(1)
    assert (lead["first_name"], lead["last_name"]) == ("José", "Müller")


def test_calls_that_waited_find_the_imported_lead(site: LeadSite) -> None:  # F050
    land(
        site.brain, [raw_row(key="by phone", phone_number="2125550101"), raw_row(key="by link", vici_lead_id=2, phone_number="")]
    )
    site.lead(1, "2125550101")
    site.lead(2, "2125550102")
    assert site.take_in().matched_calls == 2
    assert one(site.brain, "SELECT count(*) FROM orphan_call_logs") == 0


def test_new_called_moved_archived_and_deleted_leads_are_seen(site: LeadSite) -> None:
    for lead_id in range(1, 7):
        site.lead(lead_id, f"212555010{lead_id}")
    site.take_in()
    land(site.brain, [raw_row(NOON - timedelta(minutes=30), "c.1", vici_lead_id=5)])
    site.lead(7, "2125550107")
    site.site.run("UPDATE vicidial_list SET status = 'NA', called_count = 1 WHERE lead_id = 5")
    site.site.run(f"UPDATE vicidial_list SET list_id = {AUTODIAL} WHERE lead_id = 2")
    site.site.run("INSERT INTO vicidial_list_archive SELECT * FROM vicidial_list WHERE lead_id = 3")
    site.site.run("DELETE FROM vicidial_list WHERE lead_id IN (3, 4)")
    with site.brain.begin() as connection:
        connection.execute(text("UPDATE vici_lead_cursors SET calls_to = :at"), {"at": NOON - timedelta(hours=1)})
    done = site.take_in(changes=True, sweep_rows=4)
    assert (done.added, done.moved, done.archived, done.removed, done.created) == (1, 1, 1, 1, 1)
    assert site.brain_lead(5)["status"] == "NO_ANSWER"
    assert site.brain_lead(2)["meta"]["vici_campaign"] == "AUTODIAL"
    ((archived, removed),) = ask(
        site.brain,
        "SELECT array_agg(vici_lead_id) FILTER (WHERE archived_at IS NOT NULL),"
        " array_agg(vici_lead_id) FILTER (WHERE removed_at IS NOT NULL) FROM vici_lead_links",
    )
    assert (archived, removed) == ([3], [4])
    assert site.count("leads") == 7


def test_the_sweep_goes_round_and_remembers_where_it_was(site: LeadSite) -> None:
    for lead_id in range(1, 10):
        site.lead(lead_id, f"212555010{lead_id}")
    site.take_in()
    site.site.run("UPDATE vicidial_list SET status = 'NA'")
    positions = []
    for _ in range(3):
        site.take_in(changes=True, sweep_rows=4)
        positions.append(one(site.brain, "SELECT swept_to FROM vici_lead_cursors"))
    assert positions == [4, 8, 0]
    assert one(site.brain, "SELECT count(*) FROM leads WHERE status = 'NO_ANSWER'") == 9


def test_an_import_that_was_interrupted_goes_on_where_it_stood(site: LeadSite, monkeypatch: pytest.MonkeyPatch) -> None:
    from vici_brain.flows import import_leads as flow  # noqa: PLC0415

    for lead_id in range(1, 10):
        site.lead(lead_id, f"212555010{lead_id}")
    monkeypatch.setattr(flow, "BATCH", 4)
    steps = []

    def stop(step: flow.LeadStep) -> None:
        steps.append(step)
        if step.phase == "merging numbers" and step.done == 8:
            raise KeyboardInterrupt

    sync = site.syncing()
    with pytest.raises(KeyboardInterrupt):
        flow.import_leads(sync, flow.ImportOrder(("auto2",), "test", "somebody"), stop)
    sync.dialer.engine.dispose()
    assert site.count("leads") == 8
    assert site.take_in().created == 1
    assert one(site.brain, "SELECT count(DISTINCT lead_id) FROM vici_lead_links") == 9


def test_a_campaign_without_a_list_and_a_stopped_intake_are_refused(site: LeadSite) -> None:
    site.lead(1, "2125550101")
    with pytest.raises(ConfigurationError, match="no list of campaign Auto3; it has lists of AUTO2, AUTODIAL, RETENT"):
        site.take_in("Auto3")
    with site.brain.begin() as connection:
        connection.execute(text("UPDATE lead_intake SET mode = 'vici_only', reason = 'rolled back'"))
    with pytest.raises(ConfigurationError, match=r"the intake of leads is stopped .*rolled back.*lead-intake open"):
        site.take_in()
    assert site.count("leads") == 0


def test_of_the_campaigns_of_several_dialers_one_need_not_have_all(site: LeadSite) -> None:
    site.lead(1, "2125550101")
    sync = site.syncing()
    done = import_leads(sync, ImportOrder(("Auto2", "Auto3"), "test", "somebody", shared=True))
    sync.dialer.engine.dispose()
    assert (done.created, done.absent_campaigns) == (1, ("Auto3",))


def test_two_dialers_share_the_lead_of_one_number(site: LeadSite) -> None:
    site.lead(1, "2125550101")
    assert site.take_in().created == 1
    done = site.take_in(instance="east")
    assert (done.created, done.linked) == (0, 1)
    assert one(site.brain, "SELECT count(DISTINCT lead_id) FROM vici_lead_links") == 1


def test_a_dialer_without_an_archive_of_leads_is_read_too(mariadb_url: str, brain: Engine) -> None:
    with lead_site(mariadb_url, brain, without=("vicidial_list_archive",)) as site:
        site.lead(1, "2125550101")
        assert site.take_in().created == 1


def test_each_import_is_one_row_of_the_journal_and_one_that_changed_something_is_recorded(site: LeadSite) -> None:
    site.lead(1, "2125550101")
    site.take_in()
    site.take_in()
    assert ask(site.brain, "SELECT kind, status, rows_read, rows_new FROM sync_logs ORDER BY id") == [
        ("leads", "success", 1, 1),
        ("leads", "success", 1, 0),
    ]
    assert ask(site.brain, "SELECT leads_created, leads_linked, actor FROM lead_imports") == [(1, 1, "somebody")]
    assert ask(site.brain, "SELECT occasion FROM lead_audits ORDER BY id") == [("before",), ("after",)]
