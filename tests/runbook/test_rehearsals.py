"""The situations of docs/runbook.md, rehearsed on real databases: the trouble shows, its remedy works, it is over."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from builders import NOON, Exchange, Replication, add_lead, ask, minutes, one
from sqlalchemy import Engine, create_engine, make_url, text

from vici_brain.brain.breakers import Breaker
from vici_brain.brain.database import brain_now
from vici_brain.brain.gaps import GapStore
from vici_brain.brain.journal import SyncIdentity
from vici_brain.brain.reviews import ReviewQueue
from vici_brain.brain.triggers import absent_triggers
from vici_brain.brain.troubles import Watched, troubles
from vici_brain.domain.alert_policy import AlertPolicy
from vici_brain.domain.breaker import BreakerPolicy
from vici_brain.domain.consistency_policy import ConsistencyPolicy
from vici_brain.domain.windows import Window
from vici_brain.errors import CircuitOpenError, ConfigurationError, RetriableError
from vici_brain.flows.guarding import GuardedDialer
from vici_brain.flows.match_calls import rematch_orphans
from vici_brain.flows.process_reviews import process_reviews
from vici_brain.flows.prove_calls import reconcile
from vici_brain.flows.sync_calls import fetch_history, sync_incremental
from vici_brain.flows.watch_consistency import sweep
from vici_brain.settings import PROJECT
from vici_brain.vici.call_tables import CALL_TABLES
from vici_brain.vici.dialer import Dialer

RUNBOOK = (PROJECT / "docs" / "runbook.md").read_text()
TABLES = [table.name for table in CALL_TABLES]
WATCHED = Watched(["vici"], TABLES, minutes(15), 60, AlertPolicy())
HOUR = timedelta(hours=1)
SHOWN_BREAKERS = "SELECT circuit_key, state, failure_count, opened_at FROM circuit_breaker_states WHERE state <> 'closed'"


@pytest.fixture
def site(mariadb_url: str) -> Iterator[Exchange]:
    """A dialer on MariaDB with a call every ten minutes of the three hours before NOON."""
    opened = Exchange(mariadb_url)
    for number in range(18):
        opened.outbound(NOON - 3 * HOUR + minutes(10 * number))
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def replication(site: Exchange, brain: Engine) -> Replication:
    return Replication(site, brain)


def fetch(replication: Replication, start: float, end: float, at: float = 0.0) -> None:
    """History from ``start`` to ``end`` hours beside NOON, read at ``at``."""
    window = Window(NOON + start * HOUR, NOON + end * HOUR)
    for _ in fetch_history(replication.at(NOON + at * HOUR), "cli", window):
        pass


def gaps(brain: Engine, start: float = -3, end: float = 0) -> int:
    window = Window(NOON + start * HOUR, NOON + end * HOUR)
    return len(GapStore(brain).gaps("vici", TABLES, window, NOON - 9 * HOUR))


def kinds(brain: Engine, at: float = 0.0) -> set[str]:
    return {matter.kind for matter in troubles(brain, WATCHED, NOON + at * HOUR)}


def test_the_page_has_eleven_situations_and_each_says_what_it_must() -> None:
    situations = re.split(r"^## \d+\. ", RUNBOOK, flags=re.MULTILINE)[1:]
    assert len(situations) == 11
    for situation in situations:
        for part in ("**You see**", "**It means**", "**Do**", "**It is over**"):
            assert part in situation, (part, situation[:40])


def test_what_the_page_names_exists() -> None:
    readme = (PROJECT / "README.md").read_text()
    commands = set(re.findall(r"`vici-brain ([a-z-]+)", RUNBOOK.replace("`vici-brain\nmigrate", "`vici-brain migrate")))
    assert [name for name in commands if f"`vici-brain {name}`" not in readme] == []
    checks = {"calls_are_fresh", "no_partition_left_failed", "clock_and_zone_agree", "dialer_is_as_busy_as_usual"}
    assert [
        name
        for name in checks | {"call_log_columns_have_their_types", "consistency_triggers_are_in_place"}
        if f"`{name}`" not in RUNBOOK or name not in readme
    ] == []


def test_1_a_sync_that_is_behind_is_told_and_catches_up(replication: Replication, brain: Engine) -> None:
    fetch(replication, -3, -1, at=-1)
    assert "stale" in kinds(brain)
    assert len(replication.keys()) < 18
    sync_incremental(replication.at(NOON), "cli")
    assert "stale" not in kinds(brain)
    assert len(replication.keys()) == 18


def test_2_a_gap_is_found_and_filled_by_hand_and_then_proven(replication: Replication, brain: Engine) -> None:
    fetch(replication, -3, -2, at=-2)
    fetch(replication, -1, 0)
    assert gaps(brain) == 12
    fetch(replication, -2, -1)
    assert gaps(brain) == 0
    window = Window(NOON - 3 * HOUR, NOON)
    assert reconcile(replication.at(NOON), SyncIdentity("vici", "reconcile", "cli", window), repair=False).differing == ()


def test_3_a_dialer_that_was_down_loses_nothing(replication: Replication, brain: Engine) -> None:
    fetch(replication, -3, -2, at=-2)
    away = replace(
        replication.at(NOON), dialer=Dialer("vici", "mysql+pymysql://vici_reader@127.0.0.1:1/asterisk", "America/New_York")
    )
    with pytest.raises(RetriableError, match="cannot be reached"):
        sync_incremental(away, "cli")
    assert "stale" in kinds(brain)
    sync_incremental(replication.at(NOON), "cli")
    assert len(replication.keys()) == 18
    assert kinds(brain) == set()


def test_4_with_a_wrong_clock_nothing_is_read_until_it_is_right(replication: Replication, brain: Engine) -> None:
    ahead = replace(replication.at(NOON), dialer=replication.site.dialer(now=NOON + minutes(7)))
    with pytest.raises(ConfigurationError, match="the dialer is refused"):
        sync_incremental(ahead, "cli", minutes=180)
    assert one(brain, "SELECT count(*) FROM vici_call_logs") == 0
    sync_incremental(replication.at(NOON), "cli", minutes=180)
    assert len(replication.keys()) == 18


def test_5_a_flood_of_orphans_is_told_and_ends_with_their_leads(replication: Replication, brain: Engine) -> None:
    for number in range(120):
        at = NOON - HOUR + timedelta(seconds=20 * number)
        replication.site.outbound(at, f"flood.{number}", phone_number=f"212556{number:04}")
    fetch(replication, -3, 0)
    assert "orphans" in kinds(brain)
    for number in range(120):
        add_lead(brain, number + 10, phone=f"212556{number:04}")
    done = rematch_orphans(brain, SyncIdentity("vici", "match_orphans", "cli"))
    assert done.counts.matched == 120
    assert "orphans" not in kinds(brain)


def test_6_an_open_breaker_is_told_refuses_at_once_and_closes_by_itself(replication: Replication, brain: Engine) -> None:
    at = [NOON]
    url = "mysql+pymysql://vici_reader@127.0.0.1:1/asterisk"

    def guard(dialer: Dialer) -> Dialer:
        return GuardedDialer(dialer, lambda: Breaker(brain, "dialer:vici", BreakerPolicy(), lambda: at[0]))

    away = replace(replication.at(NOON), dialer=guard(Dialer("vici", url, replication.site.zone)))
    for _ in range(3):
        with pytest.raises(RetriableError, match="cannot be reached"):
            sync_incremental(away, "cli")
    (matter,) = [matter for matter in troubles(brain, WATCHED, NOON) if matter.kind == "breaker"]
    assert matter.title.startswith("the circuit breaker dialer:vici is open")
    assert SHOWN_BREAKERS in RUNBOOK
    assert [row[:3] for row in ask(brain, SHOWN_BREAKERS)] == [("dialer:vici", "open", 3)]
    back = replace(replication.at(NOON), dialer=guard(replication.at(NOON).dialer))
    with pytest.raises(CircuitOpenError, match="dialer:vici is not asked"):
        sync_incremental(back, "cli", minutes=180)
    queue = ReviewQueue(brain)
    assert [(item.reason, item.entity_key) for item in queue.listed()] == [("circuit_open", "dialer:vici")]
    at[0] += timedelta(seconds=30)
    sync_incremental(back, "cli", minutes=180)
    sync_incremental(back, "cli", minutes=180)
    assert ask(brain, SHOWN_BREAKERS) == []
    assert "breaker" not in kinds(brain)
    assert queue.listed() == []
    assert len(replication.keys()) == 18


def test_11_calls_and_appointments_that_disagree_are_seen_queued_and_over_when_one_of_them_is_put_right(brain: Engine) -> None:
    with brain.begin() as connection:
        wrong = connection.scalar(text("INSERT INTO calls (session_outcome) VALUES ('appointment_booked') RETURNING id"))
    sweep(brain, brain_now(brain), ConsistencyPolicy())
    (item,) = ReviewQueue(brain).listed()
    assert (item.reason, item.call_id, item.priority) == ("session_outcome_mismatch", wrong, 5)
    with brain.begin() as connection:
        connection.execute(text("INSERT INTO appointments (call_id) VALUES (:call)"), {"call": wrong})
    assert process_reviews(brain, brain_now(brain)).resolved == 1
    assert one(brain, "SELECT count(*) FROM data_consistency_alerts WHERE corrected_at IS NULL") == 0


def test_11_triggers_that_were_switched_off_are_named_and_what_they_missed_is_found(brain: Engine) -> None:
    for statement in (
        "ALTER TABLE calls DISABLE TRIGGER USER",
        "INSERT INTO calls (session_outcome, direction) VALUES ('appointment_booked', 'inbound')",
    ):
        with brain.begin() as connection:
            connection.execute(text(statement))
    assert "calls.calls_flag_disagreement_inserted" in absent_triggers(brain)
    assert one(brain, "SELECT count(*) FROM data_consistency_alerts") == 0
    assert "ALTER TABLE calls ENABLE TRIGGER USER" in RUNBOOK
    with brain.begin() as connection:
        connection.execute(text("ALTER TABLE calls ENABLE TRIGGER USER"))
    assert absent_triggers(brain) == []
    assert sweep(brain, brain_now(brain), ConsistencyPolicy()).found["session_outcome_mismatch"] == 1


def test_7_a_backfill_that_failed_halfway_is_finished_by_the_next(replication: Replication, brain: Engine) -> None:
    fetch(replication, -3, -2)
    replication.site.run("RENAME TABLE vicidial_closer_log TO away")
    with pytest.raises(ConfigurationError, match="vicidial_closer_log"):
        fetch(replication, -3, 0)
    kept = len(replication.keys())
    assert kept >= 6
    replication.site.run("RENAME TABLE away TO vicidial_closer_log")
    fetch(replication, -3, 0)
    assert (len(replication.keys()), gaps(brain)) == (18, 0)
    assert {status for (status,) in ask(brain, "SELECT status FROM sync_logs")} == {"success", "failed"}


FULL = """
    CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER no_room BEFORE INSERT ON vici_call_logs FOR EACH ROW EXECUTE FUNCTION no_room()
"""


def test_8_a_full_disk_is_named_and_nothing_half_written_stays(replication: Replication, brain: Engine) -> None:
    with brain.begin() as connection:
        connection.execute(text(FULL.replace(":", r"\:")))
    with pytest.raises(RetriableError, match="Brain's disk is full"):
        sync_incremental(replication.at(NOON), "cli", minutes=180)
    assert one(brain, "SELECT count(*) FROM vici_call_logs") == 0
    # Inbound calls, of which there are none, were read; of the others nothing counts as read.
    assert one(brain, "SELECT count(*) FROM call_log_proofs WHERE source_table = 'vicidial_log'") == 0
    with brain.begin() as connection:
        connection.execute(text("DROP TRIGGER no_room ON vici_call_logs"))
    fetch(replication, -3, 0)
    assert (len(replication.keys()), gaps(brain)) == (18, 0)


def test_9_a_rotated_password_is_refused_unseen_and_the_new_one_works(replication: Replication, mariadb_server: str) -> None:
    url = make_url(replication.site.url)
    name = f"r_{url.database}"[:30]
    server = create_engine(mariadb_server, isolation_level="AUTOCOMMIT")

    def change(statement: str) -> None:
        with server.connect() as connection:
            connection.execute(text(statement))

    offset = replication.site.dialer(now=NOON).engine.url.query["init_command"]

    def syncing(password: str) -> object:
        known = url.set(username=name, password=password).update_query_dict({"init_command": offset})
        dialer = Dialer("vici", known.render_as_string(hide_password=False), replication.site.zone)
        return sync_incremental(replace(replication.at(NOON), dialer=dialer), "cli", minutes=180)

    change(f"CREATE USER '{name}'@'%' IDENTIFIED BY 'old-hunter2'")
    try:
        change(f"GRANT SELECT ON {url.database}.* TO '{name}'@'%'")
        syncing("old-hunter2")
        change(f"ALTER USER '{name}'@'%' IDENTIFIED BY 'new-hunter3'")
        with pytest.raises(ConfigurationError) as refused:
            syncing("old-hunter2")
        assert "hunter2" not in str(refused.value)
        syncing("new-hunter3")
    finally:
        change(f"DROP USER '{name}'@'%'")
        server.dispose()


def test_10_a_column_that_is_gone_is_named_and_reading_goes_on_when_it_is_back(replication: Replication, brain: Engine) -> None:
    replication.site.run("ALTER TABLE vicidial_log_archive DROP COLUMN term_reason")
    with pytest.raises(ConfigurationError, match=r"table vicidial_log_archive lacks term_reason: .* upgrade it or add"):
        fetch(replication, -3, 0)
    replication.site.run("ALTER TABLE vicidial_log_archive ADD COLUMN term_reason varchar(20)")
    fetch(replication, -3, 0)
    assert (len(replication.keys()), gaps(brain)) == (18, 0)


def test_10_tables_of_brain_that_are_older_than_the_code_are_named_with_the_command(
    replication: Replication, brain: Engine
) -> None:
    with brain.begin() as connection:
        connection.execute(text("ALTER TABLE sync_logs RENAME COLUMN trigger TO started_by"))
    with pytest.raises(ConfigurationError, match=r"Brain lacks a table or column .* run `vici-brain migrate`"):
        fetch(replication, -3, 0)
