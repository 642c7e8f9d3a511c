"""Every sync leaves one row of sync_logs, whatever became of it; statuses are mirrored; the overview adds up."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from builders import NOON, add_lead, ask, land, minutes, one, raw_row
from sqlalchemy import Engine, text

from vici_brain.brain.journal import Journal, SyncIdentity
from vici_brain.brain.matches import MatchStore
from vici_brain.brain.overview import Overview
from vici_brain.brain.statuses import StatusStore
from vici_brain.domain.statuses import FLAGS, CallStatus
from vici_brain.domain.windows import Window
from vici_brain.errors import RetriableError

HOUR = Window(NOON, NOON + minutes(60))
RUN = SyncIdentity("vici", "partition", "schedule", HOUR, "run-1")


def logs(brain: Engine, columns: str) -> list[tuple[Any, ...]]:
    return ask(brain, f"SELECT {columns} FROM sync_logs ORDER BY id")


def test_a_sync_that_succeeds_is_written_down_with_its_counts(brain: Engine) -> None:  # F032, F039, F048
    with Journal(brain).entry(RUN) as entry:
        assert logs(brain, "status, finished_at") == [("running", None)]
        entry.count(rows_read=5, rows_new=3)
        entry.count(rows_new=1)
        entry.details["slow"] = False
    ((*identity, start, end, seconds, read, new, details, memory),) = logs(
        brain,
        "instance, kind, trigger, status, run_id, error, window_start, window_end, seconds, rows_read, rows_new, details,"
        " peak_memory_mb",
    )
    assert identity == ["vici", "partition", "schedule", "success", "run-1", None]
    assert (start, end, read, new, details) == (HOUR.start, HOUR.end, 5, 4, {"slow": False})
    assert seconds >= 0
    assert 10 < memory < 10_000


@pytest.mark.parametrize("error", [RetriableError, ValueError, KeyboardInterrupt])
def test_a_sync_that_fails_is_written_down_with_its_error_but_not_with_its_password(
    brain: Engine, error: type[BaseException]
) -> None:  # F038, F090
    with pytest.raises(error), Journal(brain).entry(RUN) as entry:  # noqa: PT012 - what happened before the error counts
        entry.count(rows_read=2)
        raise error("mysql://u:hunter2@h/d said \x00 no")
    ((status, said, read, finished),) = logs(brain, "status, error, rows_read, finished_at")
    assert (status, read) == ("failed", 2)
    assert said.startswith(error.__name__)
    assert "hunter2" not in said
    assert finished is not None


def test_the_two_steps_of_one_run_share_a_row(brain: Engine) -> None:
    with Journal(brain).entry(RUN) as entry:
        entry.count(rows_read=5)
        entry.details["a"] = 1
    with Journal(brain).entry(RUN, continues=True) as entry:
        entry.count(rows_matched=4)
        entry.details["b"] = 2
    assert logs(brain, "status, rows_read, rows_matched, details") == [("success", 5, 4, {"a": 1, "b": 2})]


@pytest.mark.parametrize(
    "other",
    [
        SyncIdentity("vici", "partition", "schedule", HOUR, "run-2"),
        SyncIdentity("west", "partition", "schedule", HOUR, "run-1"),
        SyncIdentity("vici", "partition", "schedule", Window(HOUR.start, HOUR.end + minutes(5)), "run-1"),
        SyncIdentity("vici", "partition", "schedule", HOUR, None),
    ],
    ids=["run", "dialer", "window", "no run"],
)
def test_a_step_of_another_sync_gets_a_row_of_its_own(brain: Engine, other: SyncIdentity) -> None:
    with Journal(brain).entry(RUN):
        pass
    with Journal(brain).entry(other, continues=True):
        pass
    assert len(logs(brain, "id")) == 2


def test_a_second_step_that_fails_turns_the_row_into_a_failure(brain: Engine) -> None:
    with Journal(brain).entry(RUN):
        pass
    with pytest.raises(ValueError, match="match"), Journal(brain).entry(RUN, continues=True):
        raise ValueError("match")
    assert logs(brain, "status, error") == [("failed", "ValueError: match")]


def test_an_error_is_not_hidden_by_a_journal_that_cannot_be_written(brain: Engine) -> None:
    with pytest.raises(RuntimeError, match="the first error") as raised, Journal(brain).entry(RUN):  # noqa: PT012
        with brain.begin() as connection:
            connection.execute(text("DROP TABLE sync_logs"))
        raise RuntimeError("the first error")
    assert "sync_logs could not be told" in raised.value.__notes__[0]


def test_a_dry_run_is_not_written_down(brain: Engine) -> None:  # F044
    with Journal(brain).entry(RUN, dry_run=True):
        pass
    with pytest.raises(ValueError, match="x"), Journal(brain).entry(RUN, dry_run=True):
        raise ValueError("x")
    assert logs(brain, "id") == []


def status(code: str, *flags: str, campaign: str = "", name: str | None = "A name") -> CallStatus:
    return CallStatus(campaign, code, name, frozenset(flags))


def test_statuses_are_mirrored_with_their_flags(brain: Engine) -> None:
    store = StatusStore(brain)
    known = [status("SALE", "sale", "human_answered"), status("SALE", campaign="SOLAR"), status("NA", name=None)]
    assert store.mirror("vici", known) == 3
    assert store.mirror("vici", known) == 0
    assert ask(brain, "SELECT campaign_id, status, status_name, sale, human_answered, dnc FROM vici_statuses ORDER BY 1, 2") == [
        ("", "NA", None, False, False, False),
        ("", "SALE", "A name", True, True, False),
        ("SOLAR", "SALE", "A name", False, False, False),
    ]


def test_every_flag_of_a_status_reaches_its_column(brain: Engine) -> None:
    for flag in FLAGS:
        assert StatusStore(brain).mirror("vici", [status("X", flag)]) == 1
        assert ask(brain, f"SELECT {', '.join(FLAGS)} FROM vici_statuses") == [tuple(name == flag for name in FLAGS)]


def test_a_status_that_is_gone_at_the_dialer_is_stamped_and_may_come_back(brain: Engine) -> None:
    store = StatusStore(brain)
    store.mirror("vici", [status("SALE"), status("B/C", campaign="A"), status("C", campaign="A/B")])
    store.mirror("west", [status("SALE")])
    assert store.mirror("vici", [status("SALE"), status("C", campaign="A/B")]) == 1
    gone = "SELECT instance, campaign_id, status FROM vici_statuses WHERE removed_at IS NOT NULL"
    assert ask(brain, gone) == [("vici", "A", "B/C")]
    assert store.mirror("vici", [status("SALE"), status("B/C", campaign="A"), status("C", campaign="A/B")]) == 1
    assert ask(brain, gone) == []


def test_no_statuses_read_is_a_failed_read_not_an_empty_dialer(brain: Engine) -> None:
    StatusStore(brain).mirror("vici", [status("SALE")])
    assert StatusStore(brain).mirror("vici", []) == 0
    assert one(brain, "SELECT count(*) FROM vici_statuses WHERE removed_at IS NULL") == 1


def test_the_overview_says_what_independent_counts_say(brain: Engine) -> None:  # F021, F022, F023, F040, F041, F042
    now = NOON + timedelta(hours=2)
    add_lead(brain, 1, phone="2125550101")
    rows = [
        raw_row(NOON - timedelta(hours=6 * n), f"k{n}", status="SALE" if n % 3 else "NA", campaign_id=f"C{n % 2}")
        for n in range(40)
    ]
    rows += [raw_row(NOON, "late", phone_number="7185550100", campaign_id=None, status=None)]
    land(brain, [*rows, raw_row(key="timeless", call_date=None, start_epoch=None)], ledger=HOUR)
    land(brain, [raw_row(key="k0")], instance="west")
    MatchStore(brain).match_window("vici", Window(NOON - timedelta(days=30), now))
    with Journal(brain).entry(RUN):
        pass
    found = Overview(brain).of_instance("vici", "America/New_York", now)
    first_day = (now - timedelta(days=6)).astimezone(UTC).date()
    days: dict[str, int] = {}
    for n in [*range(40), 0]:
        day = (NOON - timedelta(hours=6 * n) - timedelta(hours=4)).date()  # New York in June
        if day >= first_day:
            days[str(day)] = days.get(str(day), 0) + 1
    assert {day.day: day.calls for day in found.days} == days
    assert len(found.days) == 7
    assert all(day.calls == day.matched + day.orphaned for day in found.days)
    assert sum(found.campaigns.values()) == sum(found.statuses.values()) == sum(days.values())
    assert found.campaigns[""] == found.statuses[""] == 1
    assert (found.orphan_backlog, found.oldest_orphan_at, found.quarantined) == (1, NOON, 1)
    assert found.read_until == HOUR.end
    assert found.last_sync is not None
    assert (found.last_sync.kind, found.last_sync.status) == ("partition", "success")
    assert found.last_success_at is not None
    assert Overview(brain).calls_by_rule("vici") == {"phone": 40, "orphan": 1}


def test_the_overview_of_a_dialer_never_read_is_empty_not_an_error(brain: Engine) -> None:
    found = Overview(brain).of_instance("new", "UTC", datetime(2025, 1, 1, tzinfo=UTC))
    assert (found.last_sync, found.read_until, found.orphan_backlog, found.days) == (None, None, 0, ())
