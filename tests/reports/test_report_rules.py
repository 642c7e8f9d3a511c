"""The pure part of the daily report: days of a zone, sums, and what is called odd."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vici_brain.domain.call_report import Care, DayCalls, InstanceDay, Tally, anomalies
from vici_brain.domain.call_report_page import page, summary
from vici_brain.domain.report_policy import ReportPolicy
from vici_brain.domain.windows import Window

POLICY = ReportPolicy()
PROVEN = Care(due_buckets=576, read_buckets=576, proven_buckets=576)
DAY = date(2025, 6, 10)
counts = st.integers(0, 10**6)
tallies = st.builds(Tally, counts, counts, counts, counts, counts, counts, counts)
days = st.builds(
    DayCalls, tallies, st.fixed_dictionaries({}, optional={"campaign": st.dictionaries(st.sampled_from("abc"), tallies)})
)


def day(calls: int = 200, *, answered: int | None = None, matched: int | None = None, **by: dict[str, int]) -> DayCalls:
    total = Tally(calls, calls if matched is None else matched, calls // 2 if answered is None else answered, contacts=calls // 4)
    hours = by.get("hour", {"10": calls})
    cells = {"hour": hours, "campaign": by.get("campaign", {"SOLAR": calls}), "status": by.get("status", {"NA": calls})}
    return DayCalls(total, {name: {each: Tally(count) for each, count in cell.items()} for name, cell in cells.items()})


def odd(today: DayCalls, usual: DayCalls | None = None, care: Care = PROVEN) -> str:
    return "\n".join(anomalies(today, care, [usual or day()] * 4, POLICY))


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [("America/New_York", date(2025, 3, 9), 23), ("America/New_York", date(2025, 11, 2), 25), ("Asia/Kolkata", DAY, 24)],
)
def test_a_day_lasts_from_midnight_to_midnight_of_the_zone(zone: str, day: date, hours: int) -> None:
    window = ReportPolicy(time_zone=zone).window(day)
    assert window.length == timedelta(hours=hours)
    assert ReportPolicy(time_zone=zone).newest_day(window.end) == day
    assert ReportPolicy(time_zone=zone).newest_day(window.end - timedelta(seconds=1)) == day - timedelta(days=1)


def test_a_zone_or_a_schedule_that_is_none_is_refused() -> None:
    for wrong in ({"time_zone": "Mars/Olympus"}, {"cron": "every night"}, {"weeks": 0}, {"colour": "blue"}):
        with pytest.raises(ValidationError):
            ReportPolicy(**wrong)


@given(days, days)
def test_dialers_add_up_in_any_order(first: DayCalls, second: DayCalls) -> None:
    assert (first + second).total == (second + first).total
    for name, tally in (first + second).of("campaign").items():
        assert tally == first.of("campaign").get(name, Tally()) + second.of("campaign").get(name, Tally())


@given(st.integers(0, 600), st.integers(0, 600))
def test_two_dialers_are_proven_only_if_both_are(one: int, other: int) -> None:
    both = Care(due_buckets=576, proven_buckets=min(one, 576)) + Care(due_buckets=576, proven_buckets=min(other, 576))
    assert both.is_proven == (one >= 576 and other >= 576)


def test_a_day_like_the_others_has_nothing_odd() -> None:
    assert odd(day()) == ""
    assert odd(day(230)) == ""


@pytest.mark.parametrize(
    ("today", "said"),
    [
        (day(90), "90 calls, where 200 are usual on this weekday"),
        (day(301), "301 calls, where 200 are usual"),
        (day(0, hour={}), "0 calls, where 200 are usual"),
        (day(answered=40), "20.0 % of calls answered, where 50.0 % are usual"),
        (day(matched=100), "50.0 % of calls matched with a lead, where 100.0 % are usual"),
        (day(hour={"11": 200}), "no call in the hours 10, which are usually busy"),
        (day(campaign={"WIND": 200}), "campaigns without a call that usually have many: SOLAR"),
        (day(campaign={"WIND": 200}), "campaigns that are new: WIND"),
        (day(status={"XX": 200}), "statuses that are new: XX"),
    ],
)
def test_what_is_odd_is_named(today: DayCalls, said: str) -> None:
    assert said in odd(today)


def test_a_small_change_of_a_rate_and_a_small_sample_are_no_news() -> None:
    assert odd(day(answered=92)) == ""
    assert odd(day(40, answered=1), day(40)) == ""


def test_days_without_calls_are_no_evidence_of_what_is_usual() -> None:
    assert odd(day(), day(0, hour={})) == ""


def test_drops_above_the_limit_and_failed_syncs_and_open_buckets_are_odd() -> None:
    dropping = DayCalls(Tally(200, 200, answered=100, dropped=4), day().by)
    assert "4.0 % of answered calls were dropped" in "\n".join(anomalies(dropping, PROVEN, [], POLICY))
    care = Care(due_buckets=576, proven_buckets=570, syncs=9, failed_syncs=2)
    assert anomalies(day(), care, [], POLICY) == (
        "not proven: 6 of 576 five-minute buckets are not proven equal to the dialer",
        "2 of 9 syncs failed",
    )


def test_a_dialers_names_never_become_markup() -> None:
    calls = day(campaign={"<b>x|y</b> [a](javascript:1)": 200})
    window = Window(datetime(2025, 6, 10, tzinfo=UTC), datetime(2025, 6, 11, tzinfo=UTC))
    report = InstanceDay("vici", DAY, "UTC", window, calls, PROVEN, day(), (day(),), ("campaigns that are new: <b>",))
    assert r"\<b\>x\|y\</b\> \[a\](javascript:1)" in page(report)
    assert r"new: \<b\>" in summary([report])
    assert "are proven equal to the dialer" in page(report)
