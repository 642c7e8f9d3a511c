"""Landing calls: what is new, what changed, what may not overwrite what; and nothing by halves."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from builders import NOON, add_lead, ask, land, minutes, one, raw_row
from sqlalchemy import Engine, text

from vici_brain.brain.calls import CallStore, MergeCounts
from vici_brain.brain.matches import MatchStore
from vici_brain.domain.call_rows import clean
from vici_brain.domain.windows import Window

HOUR = Window(NOON, NOON + minutes(60))
EVERYTHING = "SELECT xmin, ctid, c.* FROM {} c ORDER BY instance, source_table, {}"
TABLES = {"vici_call_logs": "source_key", "quarantined_call_logs": "source_key", "call_log_proofs": "bucket_start"}


def state(brain: Engine) -> dict[str, list[tuple[Any, ...]]]:
    return {table: ask(brain, EVERYTHING.format(table, key)) for table, key in TABLES.items()}


def held(brain: Engine, column: str, key: str = "a") -> Any:
    return one(brain, f"SELECT {column} FROM vici_call_logs WHERE source_key = :key", key=key)


def test_calls_are_counted_as_new_updated_and_unchanged(brain: Engine) -> None:  # F014, F048
    assert land(brain, [raw_row(key="a"), raw_row(key="b")]) == MergeCounts(read=2, new=2)
    assert land(brain, [raw_row(key="a"), raw_row(key="b", status="SALE"), raw_row(key="c")]) == MergeCounts(3, 1, 1, 1, 0)


def test_a_second_identical_run_writes_no_row_at_all(brain: Engine) -> None:  # F015
    rows = [raw_row(NOON + minutes(n), f"{n}") for n in range(20)]
    rows += [raw_row(key="odd", list_id=2**64), raw_row(key="lost", call_date=None, start_epoch=None, comments="\x00")]
    assert land(brain, rows).new == 21
    before = state(brain)
    assert land(brain, rows) == MergeCounts(read=22, unchanged=21, quarantined=2)
    assert state(brain) == before
    assert one(brain, "SELECT count(*) FROM vici_call_log_history") == 0


def test_every_earlier_state_of_a_call_is_kept(brain: Engine) -> None:
    for status in ("PU", "INCALL", "DISPO", "SALE"):
        land(brain, [raw_row(key="a", status=status)])
    assert held(brain, "status") == "SALE"
    history = ask(brain, "SELECT status, state ->> 'status', seen_from, seen_until FROM vici_call_log_history ORDER BY id")
    assert [row[:2] for row in history] == [("PU", "PU"), ("INCALL", "INCALL"), ("DISPO", "DISPO")]
    assert [row[3] for row in history[:-1]] == [row[2] for row in history[1:]]
    assert history[-1][3] == held(brain, "changed_at")
    assert held(brain, "first_seen_at") == history[0][2]


def test_an_older_read_never_overwrites_a_newer_one(brain: Engine) -> None:
    store = CallStore(brain)
    with store.landing("vici", "vicidial_log", "UTC") as slow:
        slow.stage(clean([raw_row(key="a", status="PU")]), source_copy="live")
        assert land(brain, [raw_row(key="a", status="SALE")]).new == 1
        assert slow.merge(None) == MergeCounts(read=1, unchanged=1)
    assert held(brain, "status") == "SALE"
    assert one(brain, "SELECT count(*) FROM vici_call_log_history") == 0


def test_an_archive_copy_never_overwrites_a_live_one_but_a_live_one_overwrites_the_archive(brain: Engine) -> None:
    land(brain, [raw_row(key="a", status="SALE")])
    land(brain, [raw_row(key="a", status="PU")], copy="archive")
    assert held(brain, "status") == "SALE"
    land(brain, [raw_row(key="b", status="PU")], copy="archive")
    land(brain, [raw_row(key="b", status="SALE")])
    assert (held(brain, "status", "b"), held(brain, "source_copy", "b")) == ("SALE", "live")


@pytest.mark.parametrize("column", ["vendor_lead_code", "outbound_cid"])
@pytest.mark.parametrize("gone", [None, ""])
def test_what_the_dialer_forgot_is_not_erased_here(brain: Engine, column: str, gone: str | None) -> None:
    known: dict[str, Any] = {column: "1755041041000"}
    forgotten: dict[str, Any] = {column: gone}
    land(brain, [raw_row(key="a", row_crc=1, **known)])
    assert land(brain, [raw_row(key="a", row_crc=1, **forgotten)]).unchanged == 1
    assert land(brain, [raw_row(key="a", status="SALE", **forgotten)]).updated == 1
    assert (held(brain, column), held(brain, "status")) == ("1755041041000", "SALE")


def test_what_the_dialer_learned_later_is_taken(brain: Engine) -> None:
    land(brain, [raw_row(key="a", row_crc=1)])
    assert land(brain, [raw_row(key="a", vendor_lead_code="1755041041000", row_crc=1)]).updated == 1
    assert held(brain, "vendor_lead_code") == "1755041041000"


@pytest.mark.parametrize(
    ("change", "still_matched"),
    [
        ({"status": "SALE"}, True),
        ({"vici_lead_id": 2}, False),
        ({"phone_number": "2125550199"}, False),
        ({"vendor_lead_code": "1755041041999"}, False),
    ],
    ids=["status", "lead", "phone", "code"],
)
def test_a_call_that_changed_hands_gives_up_its_match(brain: Engine, change: dict[str, Any], still_matched: bool) -> None:
    add_lead(brain, 7, phone="2125550101")
    land(brain, [raw_row(key="a")])
    MatchStore(brain).match_window("vici", HOUR)
    assert held(brain, "lead_id") == 7
    land(brain, [raw_row(key="a", **change)])
    assert (held(brain, "lead_id") is not None) is still_matched
    assert (held(brain, "matched_by") is not None) is still_matched


def test_a_key_that_two_pages_delivered_counts_once_live_before_archive_later_before_earlier(brain: Engine) -> None:
    with CallStore(brain).landing("vici", "vicidial_log", "UTC") as landing:
        landing.stage(clean([raw_row(key="a", status="PU"), raw_row(key="b", status="PU")]), source_copy="live")
        landing.stage(clean([raw_row(key="b", status="SALE")]), source_copy="live")
        landing.stage(clean([raw_row(key="a", status="OLD")]), source_copy="archive")
        assert landing.merge(None).new == 2
    assert (held(brain, "status", "a"), held(brain, "status", "b")) == ("PU", "SALE")


def test_the_same_key_in_two_tables_and_two_dialers_is_four_calls(brain: Engine) -> None:  # F014
    for instance in ("east", "west"):
        for table in ("vicidial_log", "vicidial_closer_log"):
            assert land(brain, [raw_row(key="1700000000.1")], instance=instance, table=table).new == 1
    assert one(brain, "SELECT count(*) FROM vici_call_logs") == 4


def test_two_calls_of_one_lead_in_one_second_are_two_calls(brain: Engine) -> None:
    land(brain, [raw_row(key="a"), raw_row(key="b")])
    assert ask(brain, "SELECT count(*), count(DISTINCT (vici_lead_id, call_date)) FROM vici_call_logs") == [(2, 1)]


def test_a_row_without_any_time_is_set_aside_as_it_came(brain: Engine) -> None:  # F037, F038
    counts = land(brain, [raw_row(key="a", call_date="0000-00-00 00:00:00", start_epoch=2025, comments=b"\xff")])
    assert counts == MergeCounts(read=1, quarantined=1)
    ((landed, reasons, raw),) = ask(brain, "SELECT landed, reasons, raw FROM quarantined_call_logs")
    assert landed is False
    assert [reason.split(":")[0] for reason in reasons] == [
        "no usable time",
        "call_date is zero or partial",
        "comments holds undecodable bytes",
    ]
    assert (raw["call_date"], raw["comments"], raw["start_epoch"]) == ("0000-00-00 00:00:00", "\\xff", "2025")
    assert one(brain, "SELECT count(*) FROM vici_call_logs") == 0


def test_a_clean_row_without_any_time_is_set_aside_whole(brain: Engine) -> None:
    land(brain, [raw_row(key="a", call_date=None, start_epoch=None, status="SALE")])
    ((landed, raw),) = ask(brain, "SELECT landed, raw FROM quarantined_call_logs")
    assert (landed, raw["status"], raw["source_key"]) == (False, "SALE", "a")


def test_a_row_whose_uniqueid_tells_the_time_lands_by_it(brain: Engine) -> None:
    land(brain, [raw_row(key="1749571200.77", call_date=None, start_epoch=None)])
    assert held(brain, "called_at", "1749571200.77") == datetime.fromtimestamp(1749571200, UTC)


def test_a_row_that_lands_without_a_value_keeps_the_original_aside(brain: Engine) -> None:
    assert land(brain, [raw_row(key="a", list_id=2**64 - 1)]) == MergeCounts(read=1, new=1, quarantined=1)
    ((landed, reasons, raw),) = ask(brain, "SELECT landed, reasons, raw FROM quarantined_call_logs")
    assert (landed, reasons, raw["list_id"]) == (True, ["list_id is out of range"], str(2**64 - 1))
    assert (held(brain, "list_id"), held(brain, "row_flags")) == (None, ["list_missing"])


@pytest.mark.parametrize("fault", [{}, {"list_id": 2**64}], ids=["clean", "with a fault left"])
def test_a_row_that_gets_its_time_later_lands_and_is_no_longer_said_to_be_missing(brain: Engine, fault: dict[str, Any]) -> None:
    land(brain, [raw_row(key="a", call_date=None, start_epoch=None, **fault)])
    land(brain, [raw_row(key="a", **fault), raw_row(key="b", call_date=None, start_epoch=None)])
    assert ask(brain, "SELECT source_key, landed FROM quarantined_call_logs ORDER BY 1") == [("a", True), ("b", False)]
    assert held(brain, "called_at") == NOON


def test_a_call_that_loses_its_time_stays_where_it_landed(brain: Engine) -> None:
    land(brain, [raw_row(key="a")])
    land(brain, [raw_row(key="a", call_date=None, start_epoch=None)])
    assert held(brain, "called_at") == NOON
    assert one(brain, "SELECT landed FROM quarantined_call_logs") is True


def test_the_ledger_has_the_whole_buckets_of_a_slice_empty_ones_too(brain: Engine) -> None:  # F011
    rows = [raw_row(NOON + timedelta(seconds=s), f"k{s}", row_crc=s + 1) for s in (-1, 0, 299, 300, 899, 900)]
    land(brain, rows, ledger=Window(NOON, NOON + minutes(15)))
    proofs = ask(
        brain, "SELECT bucket_start, source_count, source_crc_sum, brain_count, brain_crc_sum FROM call_log_proofs ORDER BY 1"
    )
    assert [(start, n, crc) for start, n, crc, _, _ in proofs] == [
        (NOON, 2, 1 + 300),
        (NOON + minutes(5), 1, 301),
        (NOON + minutes(10), 1, 900),
    ]
    assert all((n, crc) == (brain_n, brain_crc) for _, n, crc, brain_n, brain_crc in proofs)
    assert one(brain, "SELECT count(*) FROM vici_call_logs") == 6


def test_a_failure_in_the_middle_leaves_nothing_behind_not_even_in_the_ledger(brain: Engine) -> None:  # F028
    before = state(brain)
    with pytest.raises(RuntimeError), CallStore(brain).landing("vici", "vicidial_log", "UTC") as landing:  # noqa: PT012
        landing.stage(clean([raw_row(key="a", list_id=2**64)]), source_copy="live")
        landing.merge(HOUR)
        raise RuntimeError("the dialer died")
    assert state(brain) == before == {table: [] for table in TABLES}


def test_a_dry_run_counts_and_writes_nothing(brain: Engine) -> None:  # F044
    assert land(brain, [raw_row(key="a", list_id=2**64)], ledger=HOUR, dry_run=True) == MergeCounts(1, 1, 0, 0, 1)
    assert state(brain) == {table: [] for table in TABLES}


def test_the_oddities_of_a_row_are_flagged_on_it(brain: Engine) -> None:
    land(brain, [raw_row(key="a", status=" ", phone_number="anonymous", length_in_sec=-3, vici_lead_id=0, start_epoch=2025)])
    assert set(held(brain, "row_flags")) == {
        "status_blank",
        "phone_unusable",
        "length_implausible",
        "lead_missing",
        "start_epoch_refused",
    }
    land(brain, [raw_row(key="b")])
    assert held(brain, "row_flags", "b") is None


def test_the_original_of_every_refusal_is_valid_json(brain: Engine) -> None:
    nasty: dict[str, Any] = {"comments": 'quote " \\ \x00 \ud800', "status": b"\xff\x00", "list_id": "x" * 300}
    land(brain, [raw_row(key="a", **nasty)])
    raw = one(brain, "SELECT raw::text FROM quarantined_call_logs")
    assert json.loads(raw)["list_id"] == "x" * 300


def test_the_halves_are_disjoint_and_complete(brain: Engine) -> None:  # F008, F009, F035
    add_lead(brain, 7, phone="2125550101")
    land(brain, [raw_row(key="a"), raw_row(key="b", phone_number="2125550102")])
    MatchStore(brain).match_window("vici", HOUR)
    with brain.connect() as connection:
        halves = [
            set(connection.scalars(text(f"SELECT source_key FROM {half}"))) for half in ("vici_call_metrics", "orphan_call_logs")
        ]
    assert halves == [{"a"}, {"b"}]
