"""Whatever stands in a dialer's rows: each lands or is set aside with its reason, and the batch goes on."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from builders import NOON, Replication, ask, exchange, minutes, one
from sqlalchemy import Engine

from vici_brain.flows.sync_calls import sync_incremental

pytestmark = pytest.mark.mariadb


@pytest.fixture
def world(mariadb_url: str, brain: Engine) -> Iterator[Replication]:
    with exchange(mariadb_url) as site:
        yield Replication(site, brain)


# what is wrong → columns of the row, what lands (a part of it), its flags, the reasons in quarantine
BAD: dict[str, tuple[dict[str, Any], dict[str, Any], set[str], set[str]]] = {
    "zero date": (
        {"call_date": "0000-00-00 00:00:00"},
        {"called_at": NOON, "call_date": None},
        {"call_date_missing"},
        {"call_date is zero or partial"},
    ),
    "partial date": (
        {"call_date": "2025-06-00 00:00:00"},
        {"called_at": NOON, "call_date": None},
        {"call_date_missing"},
        {"call_date is zero or partial"},
    ),
    "missing date": ({"call_date": None}, {"called_at": NOON}, {"call_date_missing"}, set()),
    "epoch that is a year": ({"start_epoch": 2025}, {"called_at": NOON, "start_epoch": 2025}, {"start_epoch_refused"}, set()),
    "missing epoch": ({"start_epoch": None}, {"called_at": NOON}, {"start_epoch_refused"}, set()),
    "missing end": ({"end_epoch": None, "length_in_sec": None}, {"end_epoch": None, "length_in_sec": None}, set(), set()),
    "end in the future": ({"end_epoch": 4294967295}, {"end_epoch": 4294967295}, set(), set()),
    "negative length": ({"length_in_sec": -3}, {"length_in_sec": -3}, {"length_implausible"}, set()),
    "huge length": ({"length_in_sec": 90_000}, {"length_in_sec": 90_000}, {"length_implausible"}, set()),
    "list 0": ({"list_id": 0}, {"list_id": 0}, {"list_missing"}, set()),
    "no list": ({"list_id": None}, {"list_id": None}, {"list_missing"}, set()),
    "list beyond bigint": ({"list_id": 2**64 - 1}, {"list_id": None}, {"list_missing"}, {"list_id is out of range"}),
    "lead 0": ({"lead_id": 0}, {"vici_lead_id": 0}, {"lead_missing"}, set()),
    "blank status": ({"status": ""}, {"status": ""}, {"status_blank"}, set()),
    "unknown status": ({"status": "XYZZY"}, {"status": "XYZZY"}, set(), set()),
    "status in lower case": ({"status": "sale "}, {"status": "sale "}, set(), set()),
    "term_reason out of the enum": ({"term_reason": "CALLMENUXFER"}, {"term_reason": ""}, set(), set()),
    "anonymous": ({"phone_number": "anonymous"}, {"phone_number": "anonymous", "phone_key": None}, {"phone_unusable"}, set()),
    "NUL": ({"comments": "a\x00b"}, {"comments": "ab"}, set(), {"comments holds a NUL"}),
    "double-encoded": ({"comments": "JosÃ©"}, {"comments": "JosÃ©"}, set(), set()),
    "quotes, tab, newline": ({"comments": "a'\"\t\n\\b"}, {"comments": "a'\"\t\n\\b"}, set(), set()),
}


def test_every_bad_row_lands_or_is_set_aside_and_the_good_ones_land_beside_them(world: Replication) -> None:  # F037, F038, F092
    for name, (columns, *_) in BAD.items():
        world.site.outbound(NOON, f"bad.{list(BAD).index(name)}", **columns)
    world.site.outbound(NOON, "timeless", call_date="0000-00-00 00:00:00", start_epoch=0, comments="why")
    world.site.outbound(NOON, "good")
    read, _ = sync_incremental(world.at(NOON + minutes(10)), "cli", minutes=30)
    assert read.rows_new == len(BAD) + 1
    for number, (name, (_, lands, flags, reasons)) in enumerate(BAD.items()):
        key = f"bad.{number}"
        for column, value in lands.items():
            assert one(world.brain, f"SELECT {column} FROM vici_call_logs WHERE source_key = '{key}'") == value, name
        assert set(one(world.brain, f"SELECT row_flags FROM vici_call_logs WHERE source_key = '{key}'") or ()) == flags, name
        kept = ask(world.brain, "SELECT reasons, landed FROM quarantined_call_logs WHERE source_key = :key", key=key)
        assert {reason for row, _ in kept for reason in row} == reasons, name
        assert all(landed for _, landed in kept)
    ((reasons, landed, raw),) = ask(
        world.brain, "SELECT reasons, landed, raw FROM quarantined_call_logs WHERE source_key = 'timeless'"
    )
    assert reasons[0].startswith("no usable time")
    assert (landed, raw["call_date"], raw["comments"]) == (False, "0000-00-00 00:00:00", "why")


def test_a_second_sync_over_bad_rows_changes_nothing(world: Replication) -> None:  # F015
    for number, (columns, *_) in enumerate(BAD.values()):
        world.site.outbound(NOON, f"bad.{number}", **columns)
    world.site.outbound(NOON, "timeless", call_date="0000-00-00 00:00:00", start_epoch=0)
    sync_incremental(world.at(NOON + minutes(10)), "cli", minutes=30)
    rows = "SELECT xmin, ctid, * FROM {} ORDER BY source_key"
    before = [ask(world.brain, rows.format(table)) for table in ("vici_call_logs", "quarantined_call_logs")]
    again, _ = sync_incremental(world.at(NOON + minutes(10)), "cli", minutes=30)
    assert (again.rows_new, again.rows_updated) == (0, 0)
    assert [ask(world.brain, rows.format(table)) for table in ("vici_call_logs", "quarantined_call_logs")] == before


# MariaDB keeps these in a utf8mb3 column, although they are no UTF-8 for Python: the driver fails over the whole answer.
SURROGATE = "UPDATE vicidial_log SET comments = _utf8mb3 x'414243EDA080' WHERE uniqueid = 'poison'"


def test_bytes_that_the_driver_cannot_decode_do_not_stop_the_calls_around_them(world: Replication) -> None:
    for number in range(5):
        world.site.outbound(NOON + minutes(number), f"good.{number}")
    world.site.outbound(NOON + minutes(2), "poison", status="SALE")
    world.site.run(SURROGATE)
    read, _ = sync_incremental(world.at(NOON + minutes(10)), "cli", minutes=30)
    assert read.rows_new == 6
    assert one(world.brain, "SELECT status FROM vici_call_logs WHERE source_key = 'poison'") == "SALE"
    ((reasons, raw),) = ask(world.brain, "SELECT reasons, raw FROM quarantined_call_logs")
    assert reasons == ["comments holds undecodable bytes"]
    assert raw["comments"] == "\\x414243eda080"


def test_a_status_whose_name_cannot_be_decoded_is_mirrored_all_the_same(world: Replication) -> None:
    world.site.put(
        "vicidial_statuses",
        {"status": "SALE", "status_name": "Sale", "sale": "Y"},
        {"status": "BAD", "status_name": "x", "sale": "N"},
    )
    world.site.run("UPDATE vicidial_statuses SET status_name = _utf8mb3 x'414243EDA080' WHERE status = 'BAD'")
    sync_incremental(world.at(NOON), "cli")
    names = dict(ask(world.brain, "SELECT status, status_name FROM vici_statuses"))
    assert names["SALE"] == "Sale"
    assert names["BAD"].startswith("ABC")


@pytest.mark.parametrize("definition", ["VARBINARY(255)", "VARCHAR(255) CHARACTER SET latin1"], ids=["binary", "latin1"])
def test_a_column_of_another_character_set_is_read(world: Replication, definition: str) -> None:
    world.site.run(f"ALTER TABLE vicidial_log MODIFY comments {definition}")
    world.site.outbound(NOON, "a")
    world.site.run("UPDATE vicidial_log SET comments = x'4AE9'")
    sync_incremental(world.at(NOON + minutes(10)), "cli", minutes=30)
    landed = one(world.brain, "SELECT comments FROM vici_call_logs")
    if "latin1" in definition:
        assert landed == "Jé"
    else:
        assert landed == "J\ufffd"
        assert one(world.brain, "SELECT raw ->> 'comments' FROM quarantined_call_logs") == "\\x4ae9"


def test_a_night_with_two_half_past_ones_keeps_both_calls_apart(world: Replication) -> None:  # F014
    for number, epoch in enumerate((1762061400, 1762065000)):
        world.site.outbound(datetime.fromtimestamp(epoch, UTC), f"fold.{number}", lead_id=9)
    sync_incremental(world.at(datetime.fromtimestamp(1762070400, UTC)), "cli", minutes=300)
    assert ask(
        world.brain, "SELECT source_key, extract(epoch FROM called_at)::bigint, call_date::text FROM vici_call_logs ORDER BY 1"
    ) == [
        ("fold.0", 1762061400, "2025-11-02 01:30:00"),
        ("fold.1", 1762065000, "2025-11-02 01:30:00"),
    ]
    ((buckets, calls),) = ask(
        world.brain,
        "SELECT count(*), sum(source_count)::int FROM call_log_proofs WHERE source_table = 'vicidial_log' AND source_count > 0",
    )
    assert (buckets, calls) == (2, 2)
