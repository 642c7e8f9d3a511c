"""The rules of leads, and that the merge in SQL is the same rule."""

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from vici_brain.brain.lead_groups import merge_groups
from vici_brain.brain.lead_mirror import LeadMirror, Stretch
from vici_brain.brain.lead_writer import stage
from vici_brain.domain.lead_import import (
    CRM_STATUS,
    DO_NOT_CALL,
    MergedLead,
    ViciLead,
    merged,
    phone_in_brain,
    status_after,
    statuses_of,
)
from vici_brain.domain.lead_text import mended

MOMENT = datetime(2025, 6, 1, 12, 0)  # noqa: DTZ001 - wall time
CODES = st.sampled_from([None, "1755041041000", "1755041042000", "123", "17550410410001"])
LEADS = st.lists(
    st.builds(
        ViciLead,
        vici_lead_id=st.integers(1, 9),
        phone_number=st.sampled_from(["2125550101", "12125550101", "+12125550101", "(212) 555 0101"]),
        list_id=st.sampled_from([None, 101, 201]),
        campaign_id=st.sampled_from([None, "AUTO2"]),
        status=st.sampled_from(["NEW", "NA", "AA", "SALE", "DNC", "ODD", ""]),
        vendor_lead_code=CODES,
        called_count=st.integers(0, 2),
        last_call=st.one_of(st.none(), st.sampled_from([MOMENT, MOMENT + timedelta(days=1)])),
        is_archived=st.booleans(),
        profile=st.dictionaries(st.sampled_from(["first_name", "city"]), st.sampled_from(["", "Ada", "Ben"])),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda lead: lead.vici_lead_id,
)


@pytest.mark.parametrize(
    ("vici", "crm"),
    {
        "NEW": "RECEIVED",
        "DROP": "ATTEMPTED",
        "NA": "NO_ANSWER",
        "SALE": "SOLD",
        "DNC": "DO_NOT_CALL",
        "CALLBK": "CALLBACK",
        "A": "ANSWERING_MACHINE",
        "AA": "ANSWERING_MACHINE",
        "B": "BUSY",
        "DC": "DISCONNECTED",
        "DEC": "DECLINED",
    }.items(),
)
def test_statuses_mean_what_the_dialer_means_by_them(vici: str, crm: str) -> None:  # F067
    assert CRM_STATUS[vici] == crm


def test_a_status_that_a_dialer_flags_as_do_not_call_is_one() -> None:
    assert (
        statuses_of(frozenset({"SALE", "NEVER"})).items()
        >= {"SALE": DO_NOT_CALL, "NEVER": DO_NOT_CALL, "NA": "NO_ANSWER"}.items()
    )


@given(LEADS, st.randoms(use_true_random=False))
def test_the_merge_does_not_depend_on_the_order(leads: list[ViciLead], random: "st.DrawFn") -> None:
    shuffled = list(leads)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merged(shuffled) == merged(leads)


@given(LEADS)
def test_the_merge_keeps_a_valid_code_and_every_do_not_call(leads: list[ViciLead]) -> None:
    one = merged(leads)
    valid = {lead.vendor_lead_code for lead in leads} & {"1755041041000", "1755041042000"}
    assert one.code in valid if valid else one.code is None
    assert (one.status == DO_NOT_CALL) == any(lead.status == "DNC" for lead in leads)
    assert one.leader in one.members
    live = [lead for lead in leads if not lead.is_archived]
    assert not live or one.leader in {lead.vici_lead_id for lead in live}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LEADS)
def test_the_merge_in_sql_is_the_same_rule(brain: Engine, leads: list[ViciLead]) -> None:
    with brain.connect() as connection:
        LeadMirror(connection, "vici", "America/New_York").land(leads, Stretch(), datetime(2025, 6, 10).astimezone())
        stage(connection)
        assert merge_groups(connection, "vici", ["12125550101"], statuses_of()) == 1
        row = connection.execute(text("SELECT * FROM arriving_leads")).one()
        connection.rollback()
    one = merged(leads)
    said = (row.meta.get("vici_status"), row.meta["vici_called_count"], row.meta.get("last_call_date"))
    place = (row.list_id, row.campaign_id, row.profile)
    assert _shown(one) == (row.leader, row.phone, row.phone_key, row.code, row.status, *place, *said)


@pytest.mark.parametrize(
    ("phone_code", "number", "kept"),
    [
        ("1", "(212) 555-0101", "(212) 555-0101"),
        ("", "12125550101", "12125550101"),
        ("44", "2071234567", "+442071234567"),
        ("44", "+442071234567", "+442071234567"),
        ("49", "030 901820", "+4930901820"),
        ("44", "12", "12"),
    ],
)
def test_a_number_means_the_same_in_brain_without_its_country_code(phone_code: str, number: str, kept: str) -> None:
    assert phone_in_brain(ViciLead(1, number, phone_code)) == kept


def _shown(one: MergedLead) -> tuple[object, ...]:
    last = f"{one.last_call:%Y-%m-%d %H:%M:%S}" if one.last_call else None
    place = (one.list_id, one.campaign_id, dict(one.profile))
    return (one.leader, one.phone_number, one.phone_key, one.code, one.status, *place, one.vici_status, one.called_count, last)


STATUS = st.sampled_from([DO_NOT_CALL, "SOLD", "NO_ANSWER", "CUSTOMER", None])


@given(STATUS, STATUS.filter(bool), STATUS)
def test_do_not_call_is_sticky_and_brains_own_word_stands(current: str | None, news: str, written: str | None) -> None:
    after = status_after(current, news, written_before=written)
    if DO_NOT_CALL in (current, news):
        assert after == DO_NOT_CALL
    elif written is not None and current == written:
        assert after == news
    else:
        assert after == current


@given(st.text(st.characters(min_codepoint=0xC0, max_codepoint=0x2FF), min_size=1))
def test_a_text_that_was_encoded_twice_is_mended(name: str) -> None:
    twice = "".join(
        chr(byte) if byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else bytes([byte]).decode("cp1252") for byte in name.encode()
    )
    assert mended(twice) == name


@given(st.text())
def test_whatever_is_mended_can_be_stored_and_is_then_left_alone(name: str) -> None:
    once = mended(name)
    assert "\x00" not in once
    once.encode()


@pytest.mark.parametrize("name", ["José", "Müller", "O'Neill", "Ünal", "Ada", "Zoë 北京"])
def test_a_name_that_was_encoded_once_is_left_alone(name: str) -> None:
    assert mended(name) == name
