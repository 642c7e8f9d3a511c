"""Giving calls their lead: by code, by stored link, by phone; the same way every time; whenever the lead arrives."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from builders import NOON, add_lead, ask, land, leads_of_a_crm, link, minutes, one, raw_row
from sqlalchemy import Engine, text

from vici_brain.brain.matches import MatchCounts, MatchStore
from vici_brain.domain.windows import Window
from vici_brain.flows.match_calls import match_orphans

HOUR = Window(NOON, NOON + minutes(60))
CODE, OTHER_CODE = "1755041041000", "1755041041999"


def matched(brain: Engine, key: str = "a") -> tuple[Any, ...]:
    ((lead, rule, candidates),) = ask(
        brain, "SELECT lead_id, matched_by, match_candidates FROM vici_call_logs WHERE source_key = :key", key=key
    )
    return lead, rule, candidates


def match(brain: Engine, **row: Any) -> tuple[Any, ...]:
    land(brain, [raw_row(key="a", **row)])
    MatchStore(brain).match_window("vici", HOUR)
    return matched(brain)


def wipe(brain: Engine) -> None:
    with brain.begin() as connection:
        connection.execute(text("DELETE FROM leads"))
        connection.execute(text("DELETE FROM vici_call_logs"))


def test_the_code_wins_over_the_link_and_the_link_over_the_phone(brain: Engine) -> None:  # F033, F034
    add_lead(brain, 1, phone="2125550101")
    add_lead(brain, 2, phone="9999999999")
    add_lead(brain, 3, code=CODE)
    link(brain, 1, 2)
    land(brain, [raw_row(key="code", vendor_lead_code=CODE), raw_row(key="link"), raw_row(key="phone", vici_lead_id=5)])
    counts = MatchStore(brain).match_window("vici", HOUR)
    assert counts == MatchCounts(3, {"vendor_lead_code": 1, "vici_lead_link": 1, "phone": 1}, 0)
    assert [matched(brain, key) for key in ("code", "link", "phone")] == [
        (3, "vendor_lead_code", 1),
        (2, "vici_lead_link", 1),
        (1, "phone", 1),
    ]


def test_a_code_that_is_not_thirteen_digits_matches_nobody(brain: Engine) -> None:  # F036
    leads_of_a_crm(brain)
    for code in ("175504104100", "17550410410001", "ABC", " 1755041041000", "1755041041000 "):
        wipe(brain)
        add_lead(brain, 1, code=code)
        assert match(brain, vendor_lead_code=code, phone_number="anonymous") == (None, None, None), code


def test_a_code_that_nobody_has_leaves_the_other_rules_their_turn(brain: Engine) -> None:
    add_lead(brain, 1, phone="212-555-0101")
    assert match(brain, vendor_lead_code=OTHER_CODE) == (1, "phone", 1)


@pytest.mark.parametrize("rule", ["code", "phone"])
def test_of_several_leads_the_oldest_wins_and_their_number_is_noted(brain: Engine, rule: str) -> None:
    leads_of_a_crm(brain)
    for lead_id in (9, 4, 6):
        add_lead(brain, lead_id, code=CODE if rule == "code" else None, phone="2125550101")
    lead, _, candidates = match(brain, vendor_lead_code=CODE if rule == "code" else None)
    assert (lead, candidates) == (4, 3)
    with brain.begin() as connection:
        connection.execute(text("UPDATE vici_call_logs SET lead_id = NULL, matched_by = NULL"))
    assert MatchStore(brain).match_window("vici", HOUR).ambiguous == 1


def test_a_link_counts_only_for_its_own_dialer(brain: Engine) -> None:
    add_lead(brain, 1)
    link(brain, 1, 1, instance="west")
    land(brain, [raw_row(key="a")], instance="east")
    land(brain, [raw_row(key="a")], instance="west")
    for instance in ("east", "west"):
        MatchStore(brain).match_window(instance, HOUR)
    assert ask(brain, "SELECT instance, lead_id FROM vici_call_logs ORDER BY 1") == [("east", None), ("west", 1)]


def test_a_link_to_a_lead_that_is_gone_is_no_match(brain: Engine) -> None:
    link(brain, 1, 404)
    assert match(brain) == (None, None, None)


def test_a_phone_is_the_same_however_either_side_wrote_it(brain: Engine) -> None:  # F034
    calls = [("1", "2125550101"), ("1", "12125550101"), ("", "2125550101"), (None, "+12125550101")]
    leads = ("2125550101", "12125550101", "+1 (212) 555-0101", "212.555.0101", "+12125550101")
    for phone, (code, number) in product(leads, calls):
        wipe(brain)
        add_lead(brain, 1, phone=phone)
        assert match(brain, phone_code=code, phone_number=number) == (1, "phone", 1), (phone, code, number)


def test_a_phone_abroad_matches_by_its_country(brain: Engine) -> None:
    for lead, code, number in (("+442079460101", "44", "2079460101"), ("+49 30 901820", "49", "030901820")):
        wipe(brain)
        add_lead(brain, 1, phone=lead)
        add_lead(brain, 2, phone=f"1{number[:10]}")
        assert match(brain, phone_code=code, phone_number=number) == (1, "phone", 1), lead


def test_two_unusable_phones_are_not_the_same_person(brain: Engine) -> None:
    for phone in ("anonymous", "", None, "411"):
        wipe(brain)
        add_lead(brain, 1, phone=phone)
        assert match(brain, phone_number=phone) == (None, None, None), phone


def test_a_call_that_has_its_lead_is_not_matched_again(brain: Engine) -> None:
    add_lead(brain, 5, phone="2125550101")
    assert match(brain)[0] == 5
    add_lead(brain, 2, phone="2125550101")
    assert MatchStore(brain).match_window("vici", HOUR) == MatchCounts()
    assert matched(brain)[0] == 5


def test_only_the_calls_of_the_window_are_matched(brain: Engine) -> None:
    add_lead(brain, 1, phone="2125550101")
    land(brain, [raw_row(HOUR.start, "first"), raw_row(HOUR.end, "beyond"), raw_row(HOUR.start - timedelta(seconds=1), "before")])
    assert MatchStore(brain).match_window("vici", HOUR).examined == 1
    assert matched(brain, "first")[0] == 1
    assert matched(brain, "beyond")[0] is matched(brain, "before")[0] is None
    held, orphaned = MatchStore(brain).totals("vici", HOUR)
    assert (held.matched, orphaned) == (1, 0)


def orphans(brain: Engine) -> None:
    """Three calls that waited for their leads: by code, by link, by phone; months older than they."""
    old = NOON - timedelta(days=200)
    land(
        brain,
        [
            raw_row(old, "code", vendor_lead_code=CODE, phone_number="anonymous", vici_lead_id=11),
            raw_row(old, "link", vici_lead_id=12, phone_number="anonymous"),
            raw_row(old, "phone", vici_lead_id=13),
            raw_row(old, "nobody", vici_lead_id=14, phone_number="7185550199"),
        ],
    )


def test_an_orphan_gets_its_lead_when_that_arrives_however_old_the_call_is(brain: Engine) -> None:  # F017, F018, F019, F050
    orphans(brain)
    assert MatchStore(brain).match_orphans_of_leads("vici", NOON) == MatchCounts()
    add_lead(brain, 1, code=CODE, created_at=NOON)
    add_lead(brain, 2, created_at=NOON)
    link(brain, 12, 2)
    add_lead(brain, 3, phone="+12125550101", created_at=NOON)
    counts = MatchStore(brain).match_orphans_of_leads("vici", NOON)
    assert counts == MatchCounts(3, {"vendor_lead_code": 1, "vici_lead_link": 1, "phone": 1}, 0)
    assert ask(brain, "SELECT source_key FROM orphan_call_logs") == [("nobody",)]
    assert one(brain, "SELECT count(*) FROM vici_call_metrics") == 3


def test_leads_that_were_there_before_are_not_asked_again(brain: Engine) -> None:
    add_lead(brain, 1, code=CODE, created_at=NOON - timedelta(seconds=1))
    orphans(brain)
    assert MatchStore(brain).match_orphans_of_leads("vici", NOON).examined == 0
    assert MatchStore(brain).match_orphans_of_leads("vici", NOON - timedelta(seconds=1)).matched == 1


def test_an_arriving_lead_does_not_take_a_call_that_a_better_rule_gives_to_another(brain: Engine) -> None:
    add_lead(brain, 1, code=CODE, created_at=NOON - timedelta(days=1))
    land(brain, [raw_row(key="a", vendor_lead_code=CODE)])
    add_lead(brain, 2, phone="2125550101", created_at=NOON)
    MatchStore(brain).match_orphans_of_leads("vici", NOON)
    assert matched(brain) == (1, "vendor_lead_code", 1)


@pytest.mark.parametrize("limit", [None, 1, 2, 100])
def test_every_orphan_is_tried_in_key_order_up_to_the_limit(brain: Engine, limit: int | None) -> None:  # F002, F046
    add_lead(brain, 1, phone="2125550101")
    land(brain, [raw_row(NOON - timedelta(days=n), f"k{n}") for n in range(5)])
    land(brain, [raw_row(key="other")], instance="west")
    done = match_orphans(MatchStore(brain), "vici", limit=limit)
    assert done.counts.examined == done.counts.matched == min(limit or 5, 5)
    expected = [f"k{n}" for n in range(5)][: limit or 5]
    assert [key for (key,) in ask(brain, "SELECT source_key FROM vici_call_metrics ORDER BY 1")] == expected


def test_a_dry_run_says_what_would_match_and_writes_nothing(brain: Engine) -> None:  # F044, F046
    add_lead(brain, 1, phone="2125550101")
    land(brain, [raw_row(key="a")])
    store = MatchStore(brain)
    for counts in (
        store.match_window("vici", HOUR, dry_run=True),
        store.match_orphans_of_leads("vici", NOON - minutes(1), dry_run=True),
        match_orphans(store, "vici", dry_run=True).counts,
    ):
        assert (counts.examined, counts.matched) == (1, 1)
    assert matched(brain) == (None, None, None)


def test_the_newest_lead_is_known(brain: Engine) -> None:
    add_lead(brain, 1, created_at=datetime(2025, 1, 1, tzinfo=UTC))
    assert one(brain, "SELECT max(created_at) FROM leads") == datetime(2025, 1, 1, tzinfo=UTC)
