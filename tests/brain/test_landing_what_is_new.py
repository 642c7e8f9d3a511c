"""Landing a stretch that was never read: in one statement, and exactly as the careful merge and the match would have it."""

from typing import Any

import pytest
from builders import NOON, add_lead, ask, land, link, minutes, one, raw_row
from sqlalchemy import Engine, text

from vici_brain.brain.calls import CallStore, MergeCounts
from vici_brain.brain.matches import MatchStore
from vici_brain.domain.call_rows import clean
from vici_brain.domain.windows import Window

HOUR = Window(NOON, NOON + minutes(60))
CODE = "17550410410{:02}"
CONTENT = """
    SELECT source_key, uniqueid, vici_lead_id, list_id, campaign_id, call_date, called_at, start_epoch, length_in_sec, status,
        phone_code, phone_number, phone_key, vendor_lead_code, outbound_cid, row_crc, row_flags, source_copy, vanished_at,
        lead_id, matched_by, match_candidates, matched_at IS NULL, read_at = first_seen_at, read_at = changed_at
    FROM vici_call_logs WHERE instance = :instance ORDER BY source_key
"""
LEDGER = """
    SELECT source_table, bucket_start, state, source_count, source_crc_sum, brain_count, brain_crc_sum
    FROM call_log_proofs WHERE instance = :instance AND bucket_start >= :start AND bucket_start < :end ORDER BY 1, 2
"""
ASIDE = "SELECT source_key, reasons, raw, landed FROM quarantined_call_logs WHERE instance = :instance ORDER BY 1"


def leads(brain: Engine) -> None:
    for n in range(1, 6):
        add_lead(brain, n, code=CODE.format(n), phone=f"21255501{n:02}")
    add_lead(brain, 6, phone="2125550101")
    for instance in ("vici", "east"):
        link(brain, 77, 3, instance)


def call(n: int, **columns: Any) -> tuple[Any, ...]:
    return raw_row(NOON + minutes(n % 60), f"k{n:04}", **columns)


def mixture() -> list[tuple[Any, ...]]:
    """What a dialer writes in an hour: plain calls, each rule of a match, and each oddity of a row."""
    rows = [call(n, phone_number=f"30055501{n % 100:02}", vici_lead_id=n) for n in range(120)]
    rows += [call(200 + n, vendor_lead_code=CODE.format(n), phone_number="") for n in range(8)]
    rows += [call(210, vici_lead_id=77), call(211, phone_number="2125550101"), call(212, phone_number="2125550104")]
    rows += [
        call(220, vici_lead_id=None),
        call(221, list_id=0),
        call(222, campaign_id=" "),
        call(223, status=""),
        call(224, call_date=None),
    ]
    rows += [
        call(225, start_epoch=2025),
        call(226, length_in_sec=-1),
        call(227, length_in_sec=90_000),
        call(228, length_in_sec=None),
    ]
    rows += [call(229, phone_code="44", phone_number="07700900123"), call(230, vendor_lead_code="", outbound_cid="")]
    rows += [call(231, list_id=2**64), call(232, comments="a\x00b")]
    return rows


def both_ways(brain: Engine, rows: list[tuple[Any, ...]], ledger: Window = HOUR) -> dict[str, MergeCounts]:
    """The same rows for two dialers, of which Brain knows one bucket of the second: so it has nothing new."""
    with brain.begin() as connection:
        connection.execute(
            text("INSERT INTO call_log_proofs VALUES ('east', 'vicidial_log', :start, 'read', :start, 0, 0, 0, 0, NULL)"),
            {"start": ledger.start},
        )
    return {instance: land(brain, rows, instance=instance, ledger=ledger) for instance in ("vici", "east")}


def alike(brain: Engine, ledger: Window = HOUR) -> None:
    for instance in ("vici", "east"):
        MatchStore(brain).match_window(instance, Window(NOON - minutes(600), NOON + minutes(600)))
    for question in (CONTENT, LEDGER, ASIDE):
        span = {"start": ledger.start, "end": ledger.end} if question is LEDGER else {}
        assert ask(brain, question, instance="vici", **span) == ask(brain, question, instance="east", **span)


def test_what_is_new_lands_as_the_careful_merge_and_the_match_would_have_it(brain: Engine) -> None:
    leads(brain)
    counts = both_ways(brain, mixture())
    assert counts["vici"].matched > 0 == counts["east"].matched
    assert counts["vici"].new == counts["east"].new == len(mixture())
    assert counts["vici"].quarantined == counts["east"].quarantined == 2
    alike(brain)


@pytest.mark.parametrize(
    ("more", "timeless"),
    [
        ([raw_row(NOON - minutes(1), "before"), raw_row(NOON + minutes(61), "after")], 0),
        ([raw_row(key="lost", call_date=None, start_epoch=None)], 1),
        ([call(5, status="SALE")], 0),
        ([raw_row(NOON - minutes(1), "k0005")], 0),
    ],
    ids=["beside the stretch", "without a time", "delivered twice", "delivered twice, at two times"],
)
def test_what_does_not_belong_to_the_stretch_or_comes_twice_is_merged_carefully(
    brain: Engine, more: list[tuple[Any, ...]], timeless: int
) -> None:
    leads(brain)
    counts = both_ways(brain, mixture() + more)
    assert counts["vici"].read == counts["east"].read
    assert counts["vici"].quarantined == counts["east"].quarantined == 2 + timeless
    alike(brain)


def test_a_stretch_of_which_a_call_is_held_already_is_merged_carefully(brain: Engine) -> None:
    rows = mixture()
    for instance in ("vici", "east"):
        land(brain, [call(5, status="PU")], instance=instance)
    counts = both_ways(brain, rows)
    assert counts["vici"] == counts["east"]
    assert (counts["vici"].new, counts["vici"].updated) == (len(rows) - 1, 1)
    alike(brain)
    assert one(brain, "SELECT count(*) FROM vici_call_log_history WHERE instance = 'vici'") == 1


def test_a_call_held_beside_the_stretch_and_moved_into_it_is_merged_carefully(brain: Engine) -> None:
    for instance in ("vici", "east"):
        land(brain, [raw_row(NOON - minutes(30), "k0005")], instance=instance)
    counts = both_ways(brain, mixture())
    assert counts["vici"] == counts["east"]
    alike(brain)


def test_a_stretch_that_another_noted_meanwhile_is_merged_carefully(brain: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other's bucket comes after the look whether there is any: both then say that theirs is the first."""
    rows = mixture()
    with CallStore(brain).landing("vici", "vicidial_log", "America/New_York") as late:
        late.stage(clean(rows), source_copy="live")
        monkeypatch.setattr(late, "_is_fresh", lambda _: True)
        land(brain, rows[:120], ledger=HOUR)
        counts = late.merge(HOUR)
    assert counts.new == len(rows) - 120
    assert one(brain, "SELECT count(*) FROM vici_call_logs") == len(rows)


def test_a_bucket_judged_while_its_first_calls_land_is_not_proven(brain: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with CallStore(brain).landing("vici", "vicidial_log", "America/New_York") as late:
        late.stage(clean([call(1)]), source_copy="live")
        merge = late._merge_known

        def judged_meanwhile(placed: int) -> MergeCounts:
            counts = merge(placed)
            with brain.begin() as other:
                other.execute(
                    text("INSERT INTO call_log_proofs VALUES ('vici', 'vicidial_log', :at, 'proven', :at, 0, 0, 0, 0, :at)"),
                    {"at": NOON},
                )
            return counts

        monkeypatch.setattr(late, "_merge_known", judged_meanwhile)
        late.merge(HOUR)
    states = ask(brain, "SELECT state, brain_count FROM call_log_proofs WHERE bucket_start = :at", at=NOON)
    assert states == [("read", 1)]
