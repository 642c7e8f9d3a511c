"""What a call row does not hold itself: its caller ID and its lead's vendor code, without ever repeating the call."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import NOON, Exchange, exchange, minutes, wall
from test_pages import DATABASES, HOUR, INBOUND, read

CODE = "V6101200000000000001"


@pytest.fixture(params=DATABASES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Exchange]:
    url = request.getfixturevalue("mariadb_url") if request.param == "mariadb" else f"sqlite:///{tmp_path}/dialer.sqlite3"
    with exchange(str(url)) as opened:
        yield opened


def order(site: Exchange, key: str, code: str = CODE, *, lead_id: int = 1, cid: str = "8005550100", suffix: str = "") -> None:
    """The dial order behind the call ``key``."""
    site.put(f"vicidial_log_extended{suffix}", {"uniqueid": key, "lead_id": lead_id, "caller_code": code})
    site.put(f"vicidial_dial_cid_log{suffix}", {"caller_code": code, "call_date": wall(NOON), "outbound_cid": cid})


def caller_ids(site: Exchange) -> list[object]:
    return [row["outbound_cid"] for _, row in read(site, HOUR)]


@pytest.mark.parametrize("suffix", ["", "_archive"], ids=["live", "archived"])
def test_a_call_has_the_caller_id_of_its_dial_order(site: Exchange, suffix: str) -> None:
    order(site, site.outbound(NOON), suffix=suffix)
    assert caller_ids(site) == ["8005550100"]


def test_two_dial_orders_of_one_code_do_not_make_two_calls(site: Exchange) -> None:
    order(site, site.outbound(NOON))
    later = {"caller_code": CODE, "call_date": wall(NOON + minutes(1)), "outbound_cid": "8005550199"}
    site.put("vicidial_dial_cid_log", later)
    assert caller_ids(site) == ["8005550199"]


def test_the_dial_order_of_another_lead_with_the_same_uniqueid_is_ignored(site: Exchange) -> None:
    order(site, site.outbound(NOON), lead_id=2)
    assert caller_ids(site) == [None]


def test_a_code_that_recurs_after_a_year_is_not_taken_for_this_call(site: Exchange) -> None:
    key = site.outbound(NOON)
    site.put("vicidial_log_extended", {"uniqueid": key, "lead_id": 1, "caller_code": CODE})
    site.put(
        "vicidial_dial_cid_log", {"caller_code": CODE, "call_date": wall(NOON - minutes(60 * 24 * 365)), "outbound_cid": "1"}
    )
    assert caller_ids(site) == [None]


def test_a_call_without_dial_order_is_read_all_the_same(site: Exchange) -> None:
    site.outbound(NOON)
    assert caller_ids(site) == [None]


def test_an_inbound_call_has_no_outbound_caller_id(site: Exchange) -> None:
    site.inbound(NOON, 1)
    order(site, f"{int(NOON.timestamp())}.1")
    ((_, row),) = read(site, HOUR, INBOUND)
    assert row["outbound_cid"] is None


@pytest.mark.parametrize(
    ("live", "archived", "expected"),
    [
        ("1755041041000", None, "1755041041000"),
        (None, "1755041041000", "1755041041000"),
        ("1755041041000", "1755041041999", "1755041041000"),
        (None, None, None),
    ],
    ids=["lead", "archived lead", "both", "no lead"],
)
def test_a_call_carries_the_code_that_its_lead_has_today(
    site: Exchange, live: str | None, archived: str | None, expected: str | None
) -> None:
    for table, code in (("vicidial_list", live), ("vicidial_list_archive", archived)):
        if code is not None:
            site.put(table, {"lead_id": 1, "vendor_lead_code": code, "phone_number": "2125550101"})
    site.outbound(NOON)
    site.inbound(NOON, 1)
    assert [row["vendor_lead_code"] for _, row in read(site, HOUR)] == [expected]
    assert [row["vendor_lead_code"] for _, row in read(site, HOUR, INBOUND)] == [expected]
