"""F070, F071, F075 to F078: the audit's figures, and the four success metrics."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from builders import NOON, add_lead, land, leads_of_a_crm, one, raw_row
from lead_sites import AUTODIAL, CODE, OTHER, OTHER_CODE, LeadSite, lead_site
from sqlalchemy import Engine, text

from vici_brain.brain.lead_audit import LeadAudit, audit_leads
from vici_brain.brain.lead_intake import brain_first, turn
from vici_brain.flows.audit_leads import take_audit

pytestmark = pytest.mark.mariadb


@pytest.fixture
def site(mariadb_url: str, brain: Engine) -> Iterator[LeadSite]:
    with lead_site(mariadb_url, brain) as opened:
        yield opened


def audit_of(brain: Engine) -> LeadAudit:
    with brain.connect() as connection:
        return audit_leads(connection, "vici", NOON)


def test_leads_phones_and_codes_are_counted_for_each_campaign(site: LeadSite) -> None:  # F070, F071
    site.lead(1, "2125550101", vendor_lead_code=CODE)
    site.lead(2, "+1 212 555 0101", vendor_lead_code="12345")
    site.lead(3, "2125550103")
    site.lead(4, "2125550104", list_id=OTHER, vendor_lead_code=OTHER_CODE)
    site.lead(5, "2125550105", list_id=999)
    site.lead(6, "2125550106", table="vicidial_list_archive")
    site.take_in()
    found = {each.campaign: each for each in audit_of(site.brain).campaigns}
    auto2 = found["AUTO2"]
    assert (auto2.leads, auto2.phones, auto2.with_code, auto2.invalid_code, auto2.without_code) == (4, 3, 1, 1, 2)
    assert (auto2.linked, auto2.own_code, auto2.archived) == (4, 1, 1)
    assert (found["RETENT"].leads, found["RETENT"].linked, found[""].leads) == (1, 0, 1)


def test_doubled_and_invalid_codes_and_missing_links_are_counted(site: LeadSite) -> None:
    leads_of_a_crm(site.brain)
    for lead_id, code in ((1001, CODE), (1002, CODE), (1003, "17550410"), (1004, None)):
        add_lead(site.brain, lead_id, code=code, phone=f"212555{lead_id}")
    site.lead(1, "2125550101", vendor_lead_code=OTHER_CODE)
    site.lead(2, "2125550102", vendor_lead_code=OTHER_CODE)
    site.lead(3, "2125550102", vendor_lead_code=OTHER_CODE, list_id=AUTODIAL)
    site.take_in("Auto2")
    audit = audit_of(site.brain)
    assert (audit.codes_on_several_numbers, audit.ids_on_several_leads) == (1, 1)
    assert (audit.brain_leads, audit.brain_leads_without_id, audit.brain_leads_without_link) == (6, 2, 4)


def test_calls_within_thirty_times_24_hours_count_to_the_second(site: LeadSite) -> None:  # F075
    exactly = NOON - timedelta(days=30)
    calls = {
        "a.1": (NOON - timedelta(days=29), 1, "2125550101"),
        "a.2": (NOON - timedelta(days=2), 2, "12125550101"),
        "b.1": (exactly, 3, "2125550103"),
        "b.2": (NOON, 4, "2125550103"),
        "c.1": (exactly + timedelta(seconds=1), 5, "2125550105"),
        "c.2": (NOON, 6, "2125550105"),
        "d.1": (NOON - timedelta(days=1), 7, "2125550107"),
        "d.2": (NOON - timedelta(days=2), 7, "2125550107"),
        "e.1": (NOON - timedelta(days=1), 8, "anonymous"),
        "e.2": (NOON - timedelta(days=1), 9, "anonymous"),
    }
    land(site.brain, [raw_row(at, key, vici_lead_id=lead, phone_number=phone) for key, (at, lead, phone) in calls.items()])
    inbound = [raw_row(NOON - timedelta(days=1), str(n), vici_lead_id=n, phone_number="2125550109") for n in (8, 9)]
    land(site.brain, inbound, table="vicidial_closer_log")
    audit = audit_of(site.brain)
    assert (audit.numbers_called, audit.calls, audit.numbers_called_again, audit.numbers_called_for_two_leads) == (4, 7, 3, 2)
    assert audit.phones_called_for_two_leads == ["12125550101", "12125550105"]


def test_a_number_that_two_dialers_called_is_called_for_two_leads(site: LeadSite) -> None:  # F075
    site.take_in()
    site.take_in(instance="east")
    call: dict[str, Any] = {"vici_lead_id": 1, "phone_number": "2125550101"}
    land(site.brain, [raw_row(NOON - timedelta(days=3), "a.1", **call), raw_row(NOON - timedelta(days=4), "a.2", **call)])
    assert audit_of(site.brain).numbers_called_for_two_leads == 0
    land(site.brain, [raw_row(NOON - timedelta(days=2), "b.1", **call)], instance="east")
    land(site.brain, [raw_row(NOON - timedelta(days=2), "b.2", phone_number="2125550199")], instance="east")
    audit = audit_of(site.brain)
    assert (audit.numbers_called, audit.calls, audit.numbers_called_for_two_leads) == (1, 3, 1)


def test_what_no_command_could_put_right_turns_no_metric_red(site: LeadSite) -> None:  # F076, F077
    site.lead(1, "2125550101", table="vicidial_list_archive")
    site.lead(2, "2125550102")
    site.take_in()
    for lead_id in (1001, 1002, 1003, 1004):
        add_lead(site.brain, lead_id, phone=f"212555{lead_id}")
    held = "INSERT INTO lead_call_restrictions (lead_id, restriction, reason, callable_after, first_seen_at, last_seen_at)"
    rows = ("1001, 'DO_NOT_CALL'", None), ("1002, 'recently_called'", NOON + timedelta(1)), ("1003, 'recently_called'", NOON)
    with site.brain.begin() as connection:
        for row, after in rows:
            connection.execute(text(f"{held} VALUES ({row}, '', :after, now(), now())"), {"after": after})
    audit = audit_of(site.brain)
    # Of an archived lead no code can be written; who must not be called is not pushed.
    assert (audit.imported_without_own_code, audit.leads_lacking_own_code) == (1, [2])
    assert (audit.brain_leads_without_link, audit.brain_leads_kept_out, audit.brain_leads_to_link) == (4, 2, 2)
    assert audit.brain_leads_lacking_link == [1004, 1003]


def test_a_lead_that_went_past_brain_is_seen_from_the_switch_on(site: LeadSite) -> None:  # F078
    add_lead(site.brain, 7, phone="2125550101", code=CODE)
    site.lead(1, "2125550101", vendor_lead_code=CODE, entry_date="2025-06-10 10:00:00")
    site.lead(2, "2125550102", vendor_lead_code=OTHER_CODE, entry_date="2025-06-10 10:00:00")
    site.lead(3, "2125550103", entry_date="2025-06-10 09:59:59")
    site.take_in("Autodial")
    assert audit_of(site.brain).entered_outside_brain == 0
    with site.brain.begin() as connection:
        connection.execute(text("UPDATE lead_intake SET brain_first_since = '2025-06-10 10:00:00-04'"))
    audit = audit_of(site.brain)
    assert (audit.entered_outside_brain, audit.leads_outside_brain) == (1, [2])


def test_a_lead_that_was_put_into_the_dialers_table_with_an_old_date_or_none_is_seen_too(site: LeadSite) -> None:  # F078
    site.lead(1, "2125550101", entry_date="2025-06-01 10:00:00")
    site.take_in()
    with site.brain.begin() as connection:
        brain_first(connection, NOON, "somebody")
    assert audit_of(site.brain).entered_outside_brain == 0
    site.lead(2, "2125550102", entry_date="2024-01-01 10:00:00")
    site.lead(3, "2125550103", entry_date=None)
    site.take_in(changes=True)
    assert audit_of(site.brain).leads_outside_brain == [3, 2]
    # Said again, the first time stands; dialers that were on their own begin anew.
    for mode, outside in (("open", 2), ("vici_only", 0), ("open", 0)):
        with site.brain.begin() as connection:
            turn(connection, mode, "", "somebody")  # type: ignore[arg-type]
            if mode == "open" and outside:
                brain_first(connection, NOON + timedelta(days=1), "somebody")
        assert audit_of(site.brain).entered_outside_brain == outside
    with site.brain.begin() as connection:
        brain_first(connection, NOON, "somebody")
    assert audit_of(site.brain).entered_outside_brain == 0


def test_before_and_after_the_last_import_can_be_compared(site: LeadSite) -> None:
    assert take_audit(site.brain, "vici", NOON).comparison is None
    site.lead(1, "2125550101")
    site.take_in()
    site.lead(2, "2125550102")
    site.lead(3, "2125550103")
    done = site.take_in()
    site.take_in()
    compared = take_audit(site.brain, "vici", NOON).comparison
    assert compared is not None
    assert compared.import_id == done.import_id
    assert [(part["vici_linked"], part["brain_leads"]) for part in (compared.before, compared.after)] == [(1, 1), (3, 3)]
    assert one(site.brain, "SELECT count(*) FROM lead_audits WHERE occasion = 'audit'") == 2
