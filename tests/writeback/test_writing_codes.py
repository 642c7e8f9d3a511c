"""Codes written by SQL: only where there is none, read back, verified hours later, resumable, and never for ever."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from builders import NOON, add_lead, ask, leads_of_a_crm, link, one
from sqlalchemy import Engine, text
from writable_dialer import WritableDialer, code, linked_lead, write_login

from vici_brain.brain.reviews import ReviewQueue
from vici_brain.domain.write_back_policy import WriteBackPolicy
from vici_brain.errors import BusyError, ConfigurationError, RetriableError
from vici_brain.flows.code_orders import CodeOrder, CodeResult, CodeWriting
from vici_brain.flows.write_codes import write_codes
from vici_brain.vici.lead_writer import CodeWrite, CodeWriter
from vici_brain.vici.sql_writer import SqlCodeWriter

pytestmark = pytest.mark.mariadb
POLICY = WriteBackPolicy(write_database_url_env="WRITE_URL")
ORDER = CodeOrder(("solar",), "test")


@pytest.fixture
def dialer(mariadb_url: str) -> Iterator[WritableDialer]:
    opened = WritableDialer(mariadb_url)
    yield opened
    opened.close()


@pytest.fixture
def writer(mariadb_server: str, dialer: WritableDialer) -> Iterator[SqlCodeWriter]:
    with write_login(mariadb_server, dialer.url) as url:
        opened = SqlCodeWriter("vici", url)
        yield opened
        opened.close()


def run(
    dialer: WritableDialer, brain: Engine, writer: CodeWriter | None, order: CodeOrder = ORDER, now: datetime = NOON, **more: Any
) -> CodeResult:
    source = dialer.dialer(now=now)
    try:
        return write_codes(CodeWriting(source, brain, writer, POLICY, lambda: now, **more), order)
    finally:
        source.engine.dispose()


def test_each_lead_gets_its_class_and_only_blank_codes_are_written(
    dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter
) -> None:
    leads_of_a_crm(brain)
    linked_lead(brain, dialer, 1)
    linked_lead(brain, dialer, 2, vendor_lead_code="")
    linked_lead(brain, dialer, 3, vendor_lead_code=code(3))
    linked_lead(brain, dialer, 4, vendor_lead_code="1755041049999")
    linked_lead(brain, dialer, 5, list_id=102)
    linked_lead(brain, dialer, 6)
    dialer.put("vicidial_live_agents", {"user": "1001", "lead_id": 6, "status": "INCALL"})
    linked_lead(brain, dialer, 7)
    dialer.put("vicidial_hopper", {"lead_id": 7, "status": "QUEUE"}, {"lead_id": 2, "status": "READY"})
    add_lead(brain, 8, code=code(8))
    link(brain, 8, 8)
    dialer.lead(9)
    add_lead(brain, 9, code="17550410410091234567")
    link(brain, 9, 9)
    linked_lead(brain, dialer, 10, list_id=999)
    stamps = dialer.ask("SELECT lead_id, modify_date FROM vicidial_list ORDER BY 1")
    result = run(dialer, brain, writer)
    assert (result.updated, result.skipped, result.conflict, result.not_in_vici) == (2, 1, 1, 1)
    assert (result.wrong_campaign, result.in_call, result.no_code, result.error) == (2, 2, 1, 0)
    assert dialer.codes() == {1: code(1), 2: code(2), 3: code(3), 4: "1755041049999"} | dict.fromkeys((5, 6, 7, 9, 10))
    # A code that is written does not look like a change of the lead.
    assert dialer.ask("SELECT lead_id, modify_date FROM vicidial_list ORDER BY 1") == stamps
    audit = "SELECT vici_lead_id, before, after, outcome, writer, attempt FROM vendor_code_writes ORDER BY 1"
    assert ask(brain, audit) == [(1, "", code(1), "written", "sql", 1), (2, "", code(2), "written", "sql", 1)] or ask(
        brain, audit
    ) == [(1, None, code(1), "written", "sql", 1), (2, "", code(2), "written", "sql", 1)]
    assert ask(brain, "SELECT reason, entity_key FROM manual_review_queue") == [("vendor_code_conflict", "vici/4")]


def test_a_second_run_changes_nothing(dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter) -> None:
    for number in range(1, 8):
        linked_lead(brain, dialer, number)
    run(dialer, brain, writer, batch=3)
    tables = ("vendor_code_writes", "vendor_code_checks", "manual_review_queue", "vendor_code_walks")
    before = [ask(brain, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]
    rows = dialer.ask("SELECT * FROM vicidial_list ORDER BY 1")
    again = run(dialer, brain, writer, batch=3)
    assert (again.examined, again.skipped, again.updated) == (7, 7, 0)
    assert [ask(brain, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables] == before
    assert dialer.ask("SELECT * FROM vicidial_list ORDER BY 1") == rows


def test_a_dry_run_counts_and_needs_no_right_to_write(dialer: WritableDialer, brain: Engine) -> None:
    linked_lead(brain, dialer, 1)
    result = run(dialer, brain, None, CodeOrder(("SOLAR",), "test", dry_run=True))
    assert result.updated == 1
    assert dialer.codes() == {1: None}
    assert one(brain, "SELECT count(*) FROM vendor_code_writes") + one(brain, "SELECT count(*) FROM sync_logs") == 0


def test_one_phone_gets_its_codes_on_every_lead_of_it(dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter) -> None:
    linked_lead(brain, dialer, 1)
    dialer.lead(2, phone_number="2125550001")
    link(brain, 2, 1)
    linked_lead(brain, dialer, 3)
    assert run(dialer, brain, writer, CodeOrder(("SOLAR",), "test", "12125550001")).updated == 2
    assert dialer.codes() == {1: code(1), 2: code(1), 3: None}


class Dying:
    """Writes, and dies before it can say so."""

    name = "sql"

    def __init__(self, inner: SqlCodeWriter, after: int) -> None:
        self.inner, self.left = inner, after

    def write_code(self, vici_lead_id: int, code: str) -> CodeWrite:
        done = self.inner.write_code(vici_lead_id, code)
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return done

    def close(self) -> None: ...


def test_a_run_killed_in_the_middle_is_settled_and_goes_on(dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter) -> None:
    for number in range(1, 11):
        linked_lead(brain, dialer, number)
    with pytest.raises(KeyboardInterrupt):
        run(dialer, brain, Dying(writer, 6), batch=4)
    assert list(dialer.codes().values()) == [code(n) for n in range(1, 7)] + [None] * 4
    assert ask(brain, "SELECT outcome, count(*) FROM vendor_code_writes GROUP BY 1 ORDER BY 1") == [
        ("intended", 3),
        ("written", 5),
    ]
    again = run(dialer, brain, writer, batch=4)
    # Goes on behind the last batch that was finished, and finds out about the write that was never reported.
    assert (again.examined, again.skipped, again.updated, again.resumed) == (6, 2, 4, 3)
    assert dialer.codes() == {number: code(number) for number in range(1, 11)}
    assert one(brain, "SELECT count(*) FROM vendor_code_writes WHERE outcome = 'intended'") == 0
    assert one(brain, "SELECT count(*) FROM vendor_code_walks") == 0
    assert one(brain, "SELECT count(*) FROM vendor_code_checks WHERE reason = 'written'") == 10


class Silent(Dying):
    """Writes, and the answer is lost on its way."""

    def write_code(self, vici_lead_id: int, code: str) -> CodeWrite:
        self.inner.write_code(vici_lead_id, code)
        raise RetriableError("vici: the connection was lost")


def test_a_write_whose_answer_was_lost_is_settled_by_looking(
    dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter
) -> None:
    linked_lead(brain, dialer, 1)
    result = run(dialer, brain, Silent(writer, 0))
    assert (result.updated, result.error) == (0, 1)
    open_row = "SELECT outcome, after, said, attempt FROM vendor_code_writes"
    assert ask(brain, open_row) == [("intended", None, "vici: the connection was lost", 1)]
    again = run(dialer, brain, writer)
    assert (again.resumed, again.skipped, again.updated) == (1, 1, 0)
    assert [row[:2] for row in ask(brain, open_row)] == [("written", code(1))]
    # And it is looked at again hours later, as one that was told at once.
    assert run(dialer, brain, writer, CodeOrder((), "test", due_only=True), NOON + timedelta(hours=4)).verified == 1


@pytest.mark.parametrize(
    ("held", "outcome"), [("", "failed"), ("AGENT-7", "conflict"), (None, "not_found")], ids=["blank", "another", "gone"]
)
def test_what_an_interrupted_write_came_to_is_told_by_what_stands_there(
    dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter, held: str | None, outcome: str
) -> None:
    linked_lead(brain, dialer, 1)
    run(dialer, brain, Silent(writer, 0))
    if held is None:
        dialer.run("DELETE FROM vicidial_list")
    else:
        dialer.agent_restores(1, held)
    run(dialer, brain, writer, CodeOrder((), "test", due_only=True))
    assert ask(brain, "SELECT outcome, after FROM vendor_code_writes") == [(outcome, held)]


def test_a_conflict_that_a_person_has_answered_is_not_asked_again_until_it_is_another(
    dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter
) -> None:
    for number in (1, 2):
        linked_lead(brain, dialer, number, vendor_lead_code="LOADER-1")
    run(dialer, brain, writer)
    queue, states = ReviewQueue(brain), "SELECT status, count(*) FROM manual_review_queue GROUP BY 1 ORDER BY 1"
    first, second = (item.id for item in queue.listed())
    assert queue.dismiss(first, "somebody", "the loader's own number", NOON)
    assert queue.resolve(second, "somebody", "stays so", NOON)
    assert run(dialer, brain, writer).conflict == 2
    assert ask(brain, states) == [("dismissed", 1), ("resolved", 1)]
    dialer.agent_restores(1, "LOADER-2")
    run(dialer, brain, writer)
    assert ask(brain, states) == [("dismissed", 1), ("pending", 1), ("resolved", 1)]


def test_a_code_that_stayed_is_verified_after_four_hours_and_not_before(
    dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter
) -> None:
    linked_lead(brain, dialer, 1)
    run(dialer, brain, writer)
    due = CodeOrder((), "test", due_only=True)
    assert run(dialer, brain, writer, due, NOON + timedelta(hours=3, minutes=59)).verified == 0
    assert run(dialer, brain, writer, due, NOON + timedelta(hours=4)).verified == 1
    assert run(dialer, brain, writer, due, NOON + timedelta(hours=9)).verified == 0
    assert ask(brain, "SELECT verdict FROM vendor_code_writes") == [("stayed",)]


def test_trap_11_a_code_that_an_agent_put_back_is_written_again_three_times_and_then_reviewed(
    dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter
) -> None:
    linked_lead(brain, dialer, 1)
    run(dialer, brain, writer)
    due = CodeOrder((), "test", due_only=True)
    outcomes = []
    for turn in range(1, 7):
        dialer.agent_restores(1)
        result = run(dialer, brain, writer, due if turn % 2 else ORDER, NOON + timedelta(hours=5 * turn))
        outcomes.append((result.lost, result.updated, result.given_up))
    assert outcomes == [(1, 1, 0), (1, 1, 0), (1, 0, 1), (0, 0, 1), (0, 0, 0), (0, 0, 1)]
    assert ask(brain, "SELECT reason, entity_key FROM manual_review_queue") == [("vendor_code_lost", "vici/1")]
    assert ask(brain, "SELECT attempt, verdict FROM vendor_code_writes ORDER BY id") == [(1, "lost"), (2, "lost"), (3, "lost")]
    with brain.begin() as connection:
        connection.execute(text("UPDATE manual_review_queue SET status = 'resolved', resolved_at = now()"))
    # Once a person has decided, it is tried anew.
    assert run(dialer, brain, writer, now=NOON + timedelta(days=3)).updated == 1


def test_a_verified_code_that_is_lost_later_is_still_bounded(
    dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter
) -> None:
    linked_lead(brain, dialer, 1)
    written = 0
    for day in range(8):
        written += run(dialer, brain, writer, now=NOON + timedelta(days=day)).updated
        run(dialer, brain, writer, CodeOrder((), "test", due_only=True), NOON + timedelta(days=day, hours=6))
        dialer.agent_restores(1)
    assert written == 3


def test_trap_11_what_became_of_a_written_lead_is_told(dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter) -> None:
    for number in (1, 2, 3):
        linked_lead(brain, dialer, number)
    run(dialer, brain, writer)
    dialer.run("DELETE FROM vicidial_list WHERE lead_id = 1")
    dialer.run("INSERT INTO vicidial_list_archive SELECT * FROM vicidial_list WHERE lead_id = 2")
    dialer.run("DELETE FROM vicidial_list WHERE lead_id = 2")
    dialer.agent_restores(3, "1755041047777")
    later = run(dialer, brain, writer, CodeOrder((), "test", due_only=True), NOON + timedelta(hours=5))
    assert (later.lost, later.conflict, later.updated) == (1, 1, 0)
    said = ask(brain, "SELECT vici_lead_id, verdict FROM vendor_code_writes ORDER BY 1")
    assert said == [(1, "gone"), (2, "gone"), (3, "replaced")]
    assert dialer.codes() == {3: "1755041047777"}
    assert run(dialer, brain, writer).not_in_vici == 2


def test_a_lead_in_a_call_gets_its_code_a_quarter_of_an_hour_later(
    dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter
) -> None:
    linked_lead(brain, dialer, 1)
    dialer.put("vicidial_live_agents", {"user": "1001", "lead_id": 1, "status": "INCALL"})
    assert run(dialer, brain, writer).in_call == 1
    dialer.run("DELETE FROM vicidial_live_agents")
    due = CodeOrder((), "test", due_only=True)
    assert run(dialer, brain, writer, due, NOON + timedelta(minutes=14)).updated == 0
    assert run(dialer, brain, writer, due, NOON + timedelta(minutes=15)).updated == 1
    assert dialer.codes() == {1: code(1)}


def test_an_agents_change_between_reading_and_writing_is_left_alone(
    dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter
) -> None:
    linked_lead(brain, dialer, 1)

    class Late(Dying):
        def write_code(self, vici_lead_id: int, code: str) -> CodeWrite:
            dialer.agent_restores(1, "AGENT-7")
            return self.inner.write_code(vici_lead_id, code)

    result = run(dialer, brain, Late(writer, 0))
    assert (result.updated, result.conflict) == (0, 1)
    assert dialer.codes() == {1: "AGENT-7"}
    (context,) = [row[0] for row in ask(brain, "SELECT context FROM manual_review_queue")]
    assert (context["held"], context["held_is_valid"], context["code"]) == ("AGENT-7", False, code(1))


def test_an_agent_that_writes_all_the_while_loses_nothing(dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter) -> None:
    for number in range(1, 41):
        linked_lead(brain, dialer, number)

    def agent() -> None:
        for number in range(1, 41):
            dialer.run(
                "UPDATE vicidial_list SET status = 'SALE', vendor_lead_code = IF(lead_id % 2, vendor_lead_code, 'AGENT')"
                " WHERE lead_id = :lead",
                lead=number,
            )

    beside = threading.Thread(target=agent)
    beside.start()
    run(dialer, brain, writer, batch=5)
    beside.join()
    assert {status for (status,) in dialer.ask("SELECT status FROM vicidial_list")} == {"SALE"}
    held = dialer.codes()
    assert {held[number] for number in range(2, 41, 2)} == {"AGENT"}
    assert {held[number] for number in range(1, 41, 2)} == {code(number) for number in range(1, 41, 2)}


def test_trap_11_a_code_that_two_leads_of_brain_share_is_written_to_neither(
    dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter
) -> None:
    leads_of_a_crm(brain)
    for number in (1, 2):
        dialer.lead(number)
        add_lead(brain, number, code=code(1), phone=f"212555{number:04}")
        link(brain, number, number)
    assert run(dialer, brain, writer).no_code == 2
    assert dialer.codes() == {1: None, 2: None}


def test_the_write_login_can_change_nothing_else(dialer: WritableDialer, writer: SqlCodeWriter) -> None:
    dialer.lead(1)
    for statement in (
        "UPDATE vicidial_list SET status = 'SALE'",
        "DELETE FROM vicidial_list",
        "SELECT phone_number FROM vicidial_list",
    ):
        with writer.engine.connect() as connection, pytest.raises(Exception, match=r"114[23]"):
            connection.execute(text(statement))


def test_a_read_only_login_is_told_about_the_grants(dialer: WritableDialer, mariadb_server: str, brain: Engine) -> None:
    linked_lead(brain, dialer, 1)
    with write_login(mariadb_server, dialer.url) as url:
        writer = SqlCodeWriter("vici", url)
        dialer.run(f"REVOKE UPDATE (vendor_lead_code, modify_date) ON vicidial_list FROM '{writer.engine.url.username}'@'%'")
        with pytest.raises(ConfigurationError, match="GRANTs in the README"):
            run(dialer, brain, writer)
        writer.close()


def test_two_runs_at_once_and_no_campaign_are_refused(dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter) -> None:
    from vici_brain.brain.database import lane  # noqa: PLC0415 - only here

    with lane(brain, "vici", "vendor_codes"), pytest.raises(BusyError):
        run(dialer, brain, writer)
    with pytest.raises(ConfigurationError, match="--campaigns"):
        run(dialer, brain, writer, CodeOrder((" ",), "test"))


def test_a_campaign_that_the_dialer_has_not_is_no_empty_walk(
    dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter
) -> None:
    linked_lead(brain, dialer, 1)
    with pytest.raises(ConfigurationError, match="no list of campaign solr; it has lists of OTHER, SOLAR"):
        run(dialer, brain, writer, CodeOrder(("Solr", "Solar"), "test"))
    assert dialer.codes() == {1: None}
    # Of several dialers' campaigns one need not have all.
    assert run(dialer, brain, writer, CodeOrder(("Solr", "Solar"), "test", shared=True)).updated == 1


def test_a_dialer_whose_agents_cannot_be_seen_is_not_written_to(
    dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter
) -> None:
    linked_lead(brain, dialer, 1)
    dialer.run("DROP TABLE vicidial_live_agents")
    with pytest.raises(ConfigurationError, match="vicidial_live_agents cannot be read"):
        run(dialer, brain, writer)
    assert dialer.codes() == {1: None}


def test_an_intake_that_is_switched_off_meanwhile_stops_the_walk_at_its_batch_and_it_goes_on_there(
    dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter
) -> None:
    for number in range(1, 8):
        linked_lead(brain, dialer, number)

    def switch(mode: str) -> None:
        with brain.begin() as connection:
            connection.execute(text("UPDATE lead_intake SET mode = :mode"), {"mode": mode})

    stopped = run(dialer, brain, writer, batch=3, on_batch=lambda _: switch("vici_only"))
    assert (stopped.updated, stopped.closed) == (3, True)
    switch("open")
    again = run(dialer, brain, writer, batch=3)
    assert (again.examined, again.updated, again.closed) == (4, 4, False)


def test_a_switched_off_intake_stops_the_writing(dialer: WritableDialer, brain: Engine, writer: SqlCodeWriter) -> None:
    linked_lead(brain, dialer, 1)
    with brain.begin() as connection:
        connection.execute(text("UPDATE lead_intake SET mode = 'vici_only'"))
    assert run(dialer, brain, writer).closed
    assert dialer.codes() == {1: None}
