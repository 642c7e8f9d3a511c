"""The 30-day rule and the do-not-call lists, decided from calls and lists and from nothing else."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from builders import NOON, Replication, add_lead, ask, land, link, one, raw_row
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from writable_dialer import WritableDialer, code, cover

from vici_brain.brain.lead_pushes import LeadPushes
from vici_brain.brain.recent_calls import Subject, newest_calls, uncovered
from vici_brain.brain.restrictions import Restricted, forbidden_leads, keep_restrictions
from vici_brain.brain.sql import load
from vici_brain.domain.recent_calls import RECENT, Evidence, LastCall, Verdict, judge, listed_forms
from vici_brain.domain.windows import Window
from vici_brain.flows.judge_leads import Rules, judge_leads
from vici_brain.flows.sync_calls import fetch_history
from vici_brain.vici.lead_lookup import LeadLookup

DAY = timedelta(days=1)
TABLES = ("vicidial_log", "vicidial_closer_log")


@given(st.timedeltas(timedelta(0), timedelta(days=60)), st.booleans(), st.booleans())
def test_a_call_blocks_for_exactly_thirty_times_24_hours_and_every_fact_stands_for_itself(
    age: timedelta, forbidden: bool, holes: bool
) -> None:
    evidence = Evidence(
        LastCall(NOON - age, "vici", "1.1", None), ("vicidial_dnc",) if forbidden else (), ("holes",) if holes else ()
    )
    verdict = judge(evidence, NOON)
    assert verdict.has("DO_NOT_CALL") == forbidden
    assert verdict.has("recently_called") == (age < timedelta(days=30))
    assert verdict.has("unknown") == (holes and age >= timedelta(days=30))
    assert verdict.allowed == (not verdict.facts)
    if forbidden:
        assert verdict.facts[0][0] == "DO_NOT_CALL"


def test_the_boundary_is_a_microsecond_wide() -> None:
    def allowed(at: datetime) -> bool:
        return judge(Evidence(LastCall(at, "vici", "1.1", None)), NOON).allowed

    assert allowed(NOON - RECENT)
    assert not allowed(NOON - RECENT + timedelta(microseconds=1))
    assert not allowed(NOON + timedelta(seconds=20))


def test_an_area_code_is_asked_for_only_where_the_campaign_says_so() -> None:
    assert listed_forms("3125550101", wildcards=True) == ("3125550101", "13125550101", "312XXXXXXX")
    assert listed_forms("13125550101", wildcards=False) == ("3125550101", "13125550101")
    assert listed_forms("2071234567890", wildcards=True) == ("2071234567890",)


@pytest.fixture
def dialer(mariadb_url: str) -> Iterator[WritableDialer]:
    opened = WritableDialer(mariadb_url)
    yield opened
    opened.close()


def judged(brain: Engine, dialer: WritableDialer, leads: list[int], now: datetime = NOON, **rules: Any) -> dict[int, Verdict]:
    source = dialer.dialer(now=now)
    try:
        with source.session(lambda: now) as session, brain.connect() as connection:
            found = LeadPushes(connection, "vici").candidates(leads)
            kept = Rules(**({"instances": ["vici"], "campaign_id": "SOLAR", "phone_code": "1"} | rules))
            return {
                lead: verdict
                for lead, (verdict, _) in judge_leads(connection, LeadLookup(session), "vici", found, kept, now=now).items()
            }
    finally:
        source.engine.dispose()


@pytest.mark.mariadb
def test_trap_10_the_seven_leads_whose_last_local_call_time_lies(dialer: WritableDialer, brain: Engine) -> None:
    now = datetime(2025, 6, 10, 16, 0, tzinfo=UTC)
    never = "2008-01-01 00:00:00"
    columns: dict[int, dict[str, Any]] = {
        1: {"last_local_call_time": "2025-06-10 12:00:00", "called_count": 0},
        2: {"last_local_call_time": never},
        3: {"last_local_call_time": None},
        4: {"last_local_call_time": "2025-05-11 05:00:00", "gmt_offset_now": -10, "called_count": 1},
        5: {"last_local_call_time": never, "alt_phone": "3125550105"},
        6: {"last_local_call_time": never},
        7: {"last_local_call_time": never},
    }
    for lead, more in columns.items():
        dialer.lead(lead, **more)
        add_lead(brain, lead, code=code(lead), phone=f"212555{lead:04}")
        link(brain, lead, lead)
    calls: list[tuple[datetime, dict[str, Any], str]] = [
        (now - 29 * DAY - timedelta(hours=20), {"lead_id": 4, "phone_number": "2125550004"}, "vicidial_log"),
        (now - 5 * DAY, {"lead_id": 5, "phone_number": "3125550105", "alt_dial": "ALT"}, "vicidial_log"),
        (now - 5 * DAY - timedelta(hours=1), {"lead_id": 900, "phone_number": "2125550006"}, "vicidial_log"),
        (now - 7 * DAY, {"lead_id": 7, "phone_number": "2125550007"}, "vicidial_log_archive"),
    ]
    for at, row, table in calls:
        dialer.outbound(at, table=table, **row)
    sync = Replication(dialer, brain).at(now)
    for at, _, _ in calls:
        list(fetch_history(sync, "test", Window(at - timedelta(minutes=10), at + timedelta(minutes=10))))
    sync.dialer.engine.dispose()
    cover(brain, now)
    verdicts = judged(brain, dialer, list(columns), now)
    assert {lead: verdict.allowed for lead, verdict in verdicts.items()} == {
        1: True,
        2: True,
        3: True,
        4: False,
        5: False,
        6: False,
        7: False,
    }
    assert {fact for verdict in verdicts.values() for fact, _ in verdict.facts} == {"recently_called"}
    assert verdicts[4].callable_after == calls[0][0] + timedelta(days=30)


def newest(brain: Engine, lead: int, *phones: str) -> str | None:
    with brain.connect() as connection:
        found = newest_calls(connection, [Subject(lead, phones)], NOON)
    return found[lead].source_key if lead in found else None


def test_every_way_to_a_call_of_a_lead_is_looked_at(brain: Engine) -> None:
    for lead, phone in ((1, "2125550101"), (2, "2125550101"), (3, "3125550103"), (4, "4155550104")):
        add_lead(brain, lead, phone=phone)
    link(brain, 71, 2)
    link(brain, 72, 3, instance="berlin")
    others: dict[str, Any] = {"vici_lead_id": 900, "phone_number": "6465550199"}
    land(brain, [raw_row(NOON - 3 * DAY, "other.1", **others | {"vici_lead_id": 71})])
    assert newest(brain, 1, "12125550101") == "other.1"
    land(brain, [raw_row(NOON - 2 * DAY, "9001", **others | {"phone_number": "2125550101"})], table="vicidial_closer_log")
    assert newest(brain, 1, "12125550101") == "9001"
    land(brain, [raw_row(NOON - 4 * DAY, "berlin.1", **others | {"vici_lead_id": 72})], instance="berlin")
    assert newest(brain, 3) == "berlin.1"
    land(brain, [raw_row(NOON - 4 * DAY, "matched.1", **others)])
    with brain.begin() as connection:
        connection.execute(text("UPDATE vici_call_logs SET lead_id = 4, matched_by = 'phone' WHERE source_key = 'matched.1'"))
    assert newest(brain, 4) == "matched.1"


def test_hidden_and_purged_orphans_still_count_and_cleaned_up_duplicates_do_not(brain: Engine) -> None:
    add_lead(brain, 1, phone="2125550101")
    add_lead(brain, 2, phone="3125550102")
    link(brain, 55, 2)
    land(brain, [raw_row(NOON - 3 * DAY, "p.1"), raw_row(NOON - 2 * DAY, "p.2", vici_lead_id=55, phone_number="6465550199")])
    land(brain, [raw_row(NOON - 1 * DAY, "gone.1")])
    columns = "instance, source_table, source_key, vici_lead_id, called_at, phone_key, row_crc"
    columns += ", source_copy, read_at, first_seen_at, changed_at"
    with brain.begin() as connection:
        purge = connection.execute(
            text("""INSERT INTO orphan_purges (instance, mode, trigger, actor, acted_at, cutoff, calls, exported_calls,
                first_called_at, last_called_at, file, sha256)
                VALUES ('vici', 'purged', 't', 'a', now(), now(), 2, 2, now(), now(), 'f', 's') RETURNING id""")
        ).scalar_one()
        connection.execute(
            text(
                f"INSERT INTO purged_orphan_calls (purge_id, {columns})"
                f" SELECT {purge}, {columns} FROM vici_call_logs WHERE source_key LIKE 'p.%'"
            )
        )
        connection.execute(text("DELETE FROM vici_call_logs WHERE source_key LIKE 'p.%'"))
        connection.execute(text("UPDATE vici_call_logs SET vanished_at = now(), vanish_reason = 'deleted'"))
    assert newest(brain, 1, "12125550101") == "p.1"
    assert newest(brain, 2) == "p.2"
    with brain.begin() as connection:
        connection.execute(text("UPDATE vici_call_logs SET vanish_reason = 'expired'"))
    assert newest(brain, 1, "12125550101") == "gone.1"


def holes(brain: Engine, *instances: str) -> tuple[str, ...]:
    with brain.connect() as connection:
        return uncovered(connection, instances, TABLES, NOON, fresh=timedelta(minutes=15))


def test_a_history_with_a_hole_is_unknown_and_says_where(brain: Engine) -> None:
    cover(brain, NOON)
    assert holes(brain, "vici") == ()
    assert len(holes(brain, "vici", "berlin")) == 2
    with brain.begin() as connection:
        bucket = {"at": NOON - 12 * DAY}
        connection.execute(
            text("UPDATE call_log_proofs SET state = 'differs' WHERE bucket_start = :at AND source_table = 'vicidial_log'"),
            bucket,
        )
    (line,) = holes(brain, "vici")
    assert line.startswith(
        "of vicidial_log on vici 1 of 8,637 buckets of the last 30 days were not read or differ: `vici-brain fetch"
    )
    with brain.begin() as connection:
        connection.execute(text("DELETE FROM call_log_proofs WHERE bucket_start < :at"), {"at": NOON - 29 * DAY})
    assert len(holes(brain, "vici")) == 2


@pytest.mark.mariadb
def test_a_dialer_that_brain_does_not_know_well_enough_blocks_with_the_reason(dialer: WritableDialer, brain: Engine) -> None:
    add_lead(brain, 1, code=code(1), phone="2125550101")
    cover(brain, NOON)
    assert judged(brain, dialer, [1])[1].allowed
    verdict = judged(brain, dialer, [1], instances=["vici", "east"])[1]
    assert [fact for fact, _ in verdict.facts] == ["unknown"]
    assert "fetch-complete 31 --instance east" in verdict.reason


@pytest.mark.mariadb
@pytest.mark.parametrize(
    ("internal", "own", "expected"),
    [("Y", "N", {1, 2}), ("AREACODE", "N", {1, 2, 3}), ("N", "Y", {4}), ("N", "AREACODE", {4, 5}), ("N", "N", set())],
)
def test_the_campaign_decides_which_lists_forbid_a_call(
    dialer: WritableDialer, brain: Engine, internal: str, own: str, expected: set[int]
) -> None:
    cover(brain, NOON)
    phones = {1: "2125550101", 2: "+16465550102", 3: "3125550103", 4: "4155550104", 5: "7025550105", 6: "8085550106"}
    for lead, phone in phones.items():
        add_lead(brain, lead, code=code(lead), phone=phone)
    dialer.put("vicidial_dnc", *({"phone_number": each} for each in ("2125550101", "16465550102", "312XXXXXXX")))
    dialer.put(
        "vicidial_campaign_dnc", *({"phone_number": each, "campaign_id": "SOLAR"} for each in ("4155550104", "702XXXXXXX"))
    )
    dialer.put("vicidial_campaign_dnc", {"phone_number": "8085550106", "campaign_id": "OTHER"})
    dialer.run("UPDATE vicidial_campaigns SET use_internal_dnc = :internal, use_campaign_dnc = :own", internal=internal, own=own)
    verdicts = judged(brain, dialer, list(phones))
    assert {lead for lead, verdict in verdicts.items() if verdict.has("DO_NOT_CALL")} == expected


def kept(brain: Engine) -> list[tuple[Any, ...]]:
    return ask(brain, "SELECT restriction, reason FROM lead_call_restrictions ORDER BY 1")


def test_do_not_call_and_recently_called_stand_beside_each_other_and_the_first_stays(brain: Engine) -> None:
    add_lead(brain, 1, phone="2125550101")
    both = Verdict((("DO_NOT_CALL", "in vicidial_dnc"), ("recently_called", "call 1.1")), NOON + DAY)
    only = Verdict((("recently_called", "call 2.1"),), NOON + 2 * DAY)
    for verdict in (both, only):
        with brain.begin() as connection:
            keep_restrictions(connection, [Restricted(1, verdict, "12125550101", NOON)], NOON)
    assert kept(brain) == [("DO_NOT_CALL", "in vicidial_dnc"), ("recently_called", "call 2.1")]
    assert one(brain, "SELECT status FROM leads") == "DO_NOT_CALL"
    assert set(one(brain, "SELECT meta -> 'call_restrictions' FROM leads")) == {"DO_NOT_CALL", "recently_called"}
    with brain.connect() as connection:
        assert forbidden_leads(connection, [1, 2]) == {1: "in vicidial_dnc"}


def test_a_sold_leads_status_is_not_written_over_and_the_crms_own_do_not_call_counts(brain: Engine) -> None:
    for lead, status in ((1, "SOLD"), (2, "do_not_call"), (3, "new")):
        add_lead(brain, lead)
        with brain.begin() as connection:
            connection.execute(text("UPDATE leads SET status = :status WHERE id = :lead"), {"status": status, "lead": lead})
    recent = Verdict((("recently_called", "call 2.1"),), NOON + DAY)
    with brain.begin() as connection:
        keep_restrictions(connection, [Restricted(lead, recent, None, NOON) for lead in (1, 2, 3)], NOON)
        assert forbidden_leads(connection, [1, 2, 3]) == {2: "the CRM's status"}
    assert ask(brain, "SELECT status FROM leads ORDER BY id") == [("SOLD",), ("do_not_call",), ("recently_called",)]


def test_thousands_of_numbers_walk_indexes_alone_whatever_the_planner_knows(brain: Engine) -> None:
    with brain.connect() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 20000"))
        connection.execute(
            text("INSERT INTO leads (id, phone) SELECT n, '212' || lpad(n::text, 7, '0') FROM generate_series(1, 20000) n")
        )
        connection.execute(
            text("""
                INSERT INTO vici_call_logs (instance, source_table, source_key, vici_lead_id, called_at, phone_key, row_crc,
                    source_copy, read_at, first_seen_at, changed_at)
                SELECT 'vici', 'vicidial_log', n, n, :noon - n * interval '1 minute',
                    '1212' || lpad((n % 20000)::text, 7, '0'), n, 'live',
                    now(), now(), now() FROM generate_series(1, 40000) n
            """),
            {"noon": NOON},
        )
        connection.execute(text("INSERT INTO vici_lead_links SELECT 'vici', n, n, now() FROM generate_series(1, 20000) n"))
        leads = list(range(1, 3001))
        values = {"leads": leads, "phones": [f"1212{n:07}" for n in leads], "since": NOON - RECENT}
        for known in (False, True):
            if known:
                connection.execute(text("ANALYZE leads, vici_call_logs, vici_lead_links, purged_orphan_calls"))
            plan = "\n".join(connection.scalars(text("EXPLAIN " + load("recent_calls").text), values))
            for table in ("vici_call_logs", "leads", "vici_lead_links"):
                assert f"Seq Scan on {table}" not in plan, plan
            assert "vici_call_logs_phone" in plan
            assert "vici_call_logs_vici_lead" in plan
        found = connection.execute(load("recent_calls"), values).all()
        assert len(found) == 3000
        connection.rollback()


@pytest.mark.mariadb
def test_a_lead_that_was_forbidden_once_stays_so_when_the_dialers_lists_forget_it(dialer: WritableDialer, brain: Engine) -> None:
    cover(brain, NOON)
    add_lead(brain, 1, code=code(1), phone="2125550101")
    add_lead(brain, 2, code=code(2), phone="2125550102")
    with brain.begin() as connection:
        forbidden = Restricted(1, Verdict((("DO_NOT_CALL", "2125550101 is in vicidial_dnc"),)), "12125550101", None)
        keep_restrictions(connection, [forbidden], NOON)
    verdicts = judged(brain, dialer, [1, 2])
    assert (verdicts[1].has("DO_NOT_CALL"), verdicts[2].allowed) == (True, True)
