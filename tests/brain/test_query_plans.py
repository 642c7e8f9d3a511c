"""Brain's statements walk the indexes that they were written for, once there are enough rows for that to matter."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from builders import NOON, minutes
from sqlalchemy import Connection, Engine, text

from vici_brain.brain import calls, ledger, matches, overview, proofs
from vici_brain.brain.sql import load

ROWS = 30_000


@pytest.fixture
def busy(brain: Engine) -> Iterator[Connection]:
    """Thirty thousand calls over two months, a tenth of them orphans, as many leads; statistics as autovacuum keeps them."""
    with brain.connect() as connection:
        connection.execute(
            text(
                "INSERT INTO leads (id, external_lead_id, phone, created_at)"
                " SELECT n, lpad(n::text, 13, '0'), '212' || lpad(n::text, 7, '0'), now() FROM generate_series(1, :rows) n"
            ),
            {"rows": ROWS},
        )
        connection.execute(
            text("""
                INSERT INTO vici_call_logs (instance, source_table, source_key, uniqueid, vici_lead_id, called_at, start_epoch,
                    status, phone_key, vendor_lead_code, row_crc, source_copy, read_at, first_seen_at, changed_at, lead_id,
                    matched_by)
                SELECT CASE n % 2 WHEN 0 THEN 'east' ELSE 'vici' END, 'vicidial_log', 'k' || n, 'k' || n, n,
                    CAST(:noon AS timestamptz) - n * interval '4 minutes', 0, 'NA', '1212' || lpad(n::text, 7, '0'),
                    lpad(n::text, 13, '0'), n, 'live', now(), now(), now(),
                    CASE WHEN n % 10 > 0 THEN n END, CASE WHEN n % 10 > 0 THEN 'phone' END
                FROM generate_series(1, :rows) n
            """),
            {"rows": ROWS, "noon": NOON},
        )
        connection.execute(
            text("""
                INSERT INTO call_log_proofs SELECT 'vici', 'vicidial_log', CAST(:noon AS timestamptz) - n * interval '5 minutes',
                    'proven', now(), 0, 0, 0, 0, now() FROM generate_series(0, :rows) n
            """),
            {"rows": ROWS, "noon": NOON},
        )
        connection.commit()
        connection.execute(text("ANALYZE"))
        connection.execute(calls._staging("UTC"))
        for name in ("placed_calls", "arriving_calls"):
            connection.execute(text(f"CREATE TEMPORARY TABLE {name} (LIKE vici_call_logs) ON COMMIT DROP"))
        connection.execute(
            text("INSERT INTO placed_calls SELECT * FROM vici_call_logs WHERE instance = 'vici' ORDER BY called_at DESC LIMIT 20")
        )
        connection.execute(text("INSERT INTO arriving_calls SELECT * FROM placed_calls"))
        connection.execute(matches._UNMATCHED)
        connection.execute(
            text(
                "INSERT INTO unmatched_calls"
                " SELECT source_table, source_key, vendor_lead_code, vici_lead_id, phone_key FROM placed_calls"
            )
        )
        connection.execute(text("ANALYZE placed_calls, arriving_calls, unmatched_calls"))
        yield connection
        connection.rollback()


def steps(plan: dict[str, Any]) -> Iterator[tuple[str, str | None, str | None]]:
    yield plan["Node Type"], plan.get("Relation Name"), plan.get("Index Name")
    for child in plan.get("Plans", []):
        yield from steps(child)


def plan_of(connection: Connection, statement: object, **values: Any) -> list[tuple[str, str | None, str | None]]:
    sql = str(statement)
    scope = {"instance": "vici", "source_table": "vicidial_log", "zone": "UTC", "read_at": NOON} | values
    said = connection.execute(text("EXPLAIN (FORMAT JSON) " + sql), scope).scalar_one()
    (found,) = json.loads(said) if isinstance(said, str) else said
    return list(steps(found["Plan"]))


WINDOW = {"start": NOON - minutes(60), "end": NOON}
PROOF = WINDOW | {"tolerance": 900, "offset": 0}
GIVEN = {
    "source_tables": ["vicidial_log", "vicidial_closer_log"],
    "last": NOON - minutes(5),
    "compared_at": NOON,
    "numbers": "{1}",
    "epochs": f"{{{int(NOON.timestamp()) - 300}}}",
    "counts": "{1}",
    "sums": "{1}",
    "has_odd": "{0}",
}
VERDICT = {
    "compared_at": NOON,
    "buckets": [NOON - minutes(5)],
    "states": ["proven"],
    "source_counts": [1],
    "source_sums": [1],
    "brain_counts": [1],
    "brain_sums": [1],
}
PLANS: dict[str, tuple[object, dict[str, Any], set[str]]] = {
    "what arrives": (load("arriving_calls"), {}, {"vici_call_logs_pkey"}),
    "what is replaced": (load("keep_history"), {}, {"vici_call_logs_pkey"}),
    "what was set aside and landed": (load("release_landed"), {}, set()),
    "the ledger's own side": (load("record_buckets"), WINDOW, {"vici_call_logs_called_at"}),
    "the unmatched of a window": (load("unmatched_in_window"), WINDOW, {"vici_call_logs_orphans"}),
    "the leads of the unmatched": (
        load("match_calls"),
        {},
        {"leads_external_lead_id_lookup", "leads_normalised_phone_lookup", "vici_call_logs_pkey"},
    ),
    "orphans with a lead waiting": (
        load("no_orphan_has_a_lead_waiting"),
        WINDOW | {"sample": 5},
        {"leads_external_lead_id_lookup", "leads_normalised_phone_lookup", "vici_call_logs_orphans"},
    ),
    "purged calls with a lead": (
        load("purged_with_a_lead"),
        {},
        {"leads_external_lead_id_lookup", "leads_normalised_phone_lookup"},
    ),
    "what is new, with its leads": (
        load("land_new_calls"),
        WINDOW,
        {"leads_external_lead_id_lookup", "leads_normalised_phone_lookup"},
    ),
    "whether a stretch is new": (calls._IS_FRESH, WINDOW, {"call_log_proofs_pkey", "vici_call_logs_called_at"}),
    "a proof of all": (load("judge_proofs"), PROOF | GIVEN, {"vici_call_logs_called_at", "call_log_proofs_pkey"}),
    "the locks of a proof": (proofs._LOCK, PROOF | GIVEN, {"call_log_proofs_pkey"}),
    "single verdicts of a proof": (load("record_proofs"), PROOF | VERDICT, {"call_log_proofs_pkey"}),
    "what stands in the archive alone": (
        load("note_archived"),
        PROOF | {"buckets": [NOON - minutes(5)]},
        {"vici_call_logs_called_at", "call_log_proofs_pkey"},
    ),
    "the counts of each bucket": (load("calls_per_bucket"), WINDOW, {"vici_call_logs_called_at"}),
    "the halves of a window": (matches._WINDOW_TOTALS, WINDOW, {"vici_call_logs_called_at"}),
    "the coverage of a window": (ledger._COVERAGE, WINDOW, {"call_log_proofs_pkey"}),
    "what a resumed batch reads": (
        ledger._DUE,
        WINDOW | {"last": NOON - minutes(5), "since": NOON, "trust_proofs": True},
        {"call_log_proofs_pkey"},
    ),
    "the position": (ledger._POSITION, {"tables": ["vicidial_log"]}, {"call_log_proofs_pkey"}),
    "calls per day": (overview._DAYS, {"since": NOON - timedelta(days=2)}, {"vici_call_logs_called_at"}),
}
LARGE = {"vici_call_logs", "leads", "call_log_proofs"}


def test_every_statement_walks_its_index_and_scans_no_large_table(busy: Connection) -> None:
    wrong: dict[str, object] = {}
    for name, (statement, values, indexes) in PLANS.items():
        found = plan_of(busy, statement, **values)
        scans = [step for step in found if step[0] == "Seq Scan" and step[1] in LARGE]
        unused = indexes - {index for _, _, index in found if index is not None}
        if scans or unused:
            wrong[name] = (scans, unused)
    assert wrong == {}


@pytest.mark.parametrize("name", ["arriving_calls", "keep_history", "reopen_buckets", "keep_over_archive"])
def test_a_page_of_calls_read_again_is_looked_up_and_no_table_is_read_for_it(busy: Connection, name: str) -> None:
    """A quarter of the table in one slice: to read it all would look cheaper than to look so many rows up."""
    for staged in ("placed_calls", "arriving_calls"):
        busy.execute(text(f"INSERT INTO {staged} SELECT * FROM vici_call_logs WHERE instance = 'vici' OFFSET 20 LIMIT 7000"))
        busy.execute(text(f"ANALYZE {staged} (instance, source_table, source_key)"))
    busy.execute(calls._PREFER_LOOK_UPS)
    found = plan_of(busy, load(name))
    assert ("Index Scan", "vici_call_logs", "vici_call_logs_pkey") in found
    assert not [step for step in found if step[0] == "Seq Scan" and step[1] in LARGE]


def test_many_orphans_are_matched_by_look_ups_and_only_those_with_a_lead_are_looked_up_themselves(busy: Connection) -> None:
    """A quarter of the table at once, as a batch of orphans may be."""
    busy.execute(
        text(
            "INSERT INTO unmatched_calls SELECT source_table, source_key, vendor_lead_code, vici_lead_id, phone_key"
            " FROM vici_call_logs WHERE instance = 'vici' LIMIT 7000"
        )
    )
    busy.execute(matches._READY)
    found = plan_of(busy, load("match_calls"))
    # The step after that of the winners, whose calls it looks up.
    assert found[found.index(("CTE Scan", None, None)) + 1] == ("Index Scan", "vici_call_logs", "vici_call_logs_pkey")
    assert not [step for step in found if step[0] == "Seq Scan" and step[1] in LARGE]


def test_touched_buckets_are_looked_up_in_a_ledger_of_which_nothing_is_known(busy: Connection) -> None:
    busy.execute(text("DELETE FROM pg_statistic WHERE starelid = 'call_log_proofs'::regclass"))
    busy.execute(text("UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE oid = 'call_log_proofs'::regclass"))
    scope = {"instance": "vici", "source_table": "vicidial_log"}
    said = busy.execute(text("EXPLAIN (FORMAT JSON) " + str(load("reopen_buckets"))), scope).scalar_one()
    (plan,) = json.loads(said) if isinstance(said, str) else said
    reads = [
        each
        for each in nodes(plan["Plan"])
        if each.get("Relation Name") == "call_log_proofs" and each["Node Type"] != "ModifyTable"
    ]
    assert len(reads) == 2
    assert all("bucket_start" in each.get("Index Cond", "") for each in reads)


@pytest.mark.parametrize("name", ["judge_proofs", "record_proofs"])
def test_a_verdict_reads_the_ledger_of_its_own_window_alone(name: str, busy: Connection) -> None:
    scope = {"instance": "vici", "source_table": "vicidial_log", "zone": "UTC"} | PROOF | GIVEN | VERDICT
    said = busy.execute(text("EXPLAIN (FORMAT JSON) " + str(load(name))), scope).scalar_one()
    (plan,) = json.loads(said) if isinstance(said, str) else said
    reads = [each for each in nodes(plan["Plan"]) if each.get("Relation Name") == "call_log_proofs" and "Index Cond" in each]
    assert reads
    assert all("bucket_start" in each["Index Cond"] for each in reads)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)
