"""Leads that come to Brain first: linked where known, added where allowed, marked where not, and never twice."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from builders import NOON, add_lead, ask, land, link, one, raw_row
from sqlalchemy import Engine
from writable_dialer import PASSWORD, Api, WritableDialer, code, cover, serving

from vici_brain.brain.api_logins import ApiLogins
from vici_brain.domain.write_back_policy import PushPolicy
from vici_brain.errors import BusyError, ConfigurationError, RetriableError
from vici_brain.flows.push_leads import Pushing, PushOrder, PushResult, push_leads
from vici_brain.vici.api_writer import NonAgentApi

pytestmark = pytest.mark.mariadb
POLICY = PushPolicy(list_id=101, campaign_id="SOLAR")
DAY = timedelta(days=1)


class Intake:
    """One dialer behind its API, and a Brain that pushes to it at instants that a test names."""

    def __init__(self, dialer: WritableDialer, brain: Engine, api: Api, address: str) -> None:
        self.dialer, self.brain, self.api, self.address = dialer, brain, api, address
        self.instances = ["vici"]
        cover(brain, NOON)

    def push(self, now: datetime = NOON, **order: Any) -> PushResult:
        source = self.dialer.dialer(now=now)
        client = NonAgentApi("vici", self.address, "crm", PASSWORD, ApiLogins(self.brain, "vici", "crm", lambda: now), seconds=2)
        try:
            # What happened since noon may still be on its way to Brain, so that one ledger serves all instants of a test.
            fresh = now - NOON + timedelta(minutes=15)
            work = Pushing(source, self.brain, client, POLICY, self.instances, lambda: now, fresh=fresh)
            return push_leads(work, PushOrder("test", **order))
        finally:
            client.close()
            source.engine.dispose()

    def pushes(self) -> list[tuple[Any, ...]]:
        return ask(self.brain, "SELECT lead_id, state, vici_lead_id FROM lead_pushes ORDER BY 1")


@pytest.fixture
def intake(mariadb_url: str, brain: Engine) -> Iterator[Intake]:
    dialer = WritableDialer(mariadb_url)
    api = Api(dialer)
    with serving(api) as address:
        opened = Intake(dialer, brain, api, address)
        opened.push()
        yield opened
    dialer.close()


def test_an_arriving_lead_enters_the_dialer_with_its_code_and_is_linked(intake: Intake, brain: Engine) -> None:
    add_lead(brain, 1, code=code(1), phone="(212) 555-0101")
    assert intake.push().added == 1
    ((phone, held, list_id, status),) = intake.dialer.ask(
        "SELECT phone_number, vendor_lead_code, list_id, status FROM vicidial_list"
    )
    assert (phone, held, list_id, status) == ("2125550101", code(1), 101, "NEW")
    assert intake.pushes() == [(1, "added", 1)]
    assert ask(brain, "SELECT instance, vici_lead_id, lead_id FROM vici_lead_links") == [("vici", 1, 1)]
    assert intake.push(NOON + DAY).examined == 0


def test_leads_that_brain_had_before_are_pushed_only_when_asked_for(mariadb_url: str, brain: Engine) -> None:
    dialer = WritableDialer(mariadb_url)
    api = Api(dialer)
    for lead in (1, 2):
        add_lead(brain, lead, code=code(lead), phone=f"212555000{lead}")
    with serving(api) as address:
        opened = Intake(dialer, brain, api, address)
        assert opened.push().examined == 0
        assert opened.push(since_lead=1).added == 1
        assert opened.pushes() == [(2, "added", 1)]
    dialer.close()


def test_a_number_that_the_dialer_knows_is_linked_and_not_added(intake: Intake, brain: Engine) -> None:
    intake.dialer.lead(7, phone_number="2125550101")
    intake.dialer.lead(8, phone_number="12125550101")
    add_lead(brain, 1, code=code(1), phone="2125550101")
    assert intake.push().linked == 1
    assert len(intake.dialer.codes()) == 2
    assert ask(brain, "SELECT vici_lead_id, lead_id FROM vici_lead_links ORDER BY 1") == [(7, 1), (8, 1)]


def test_a_dialers_lead_that_belongs_to_another_lead_stays_there_and_is_reviewed(intake: Intake, brain: Engine) -> None:
    intake.dialer.lead(7, phone_number="2125550101")
    add_lead(brain, 1, code=code(1))
    link(brain, 7, 1)
    add_lead(brain, 2, code=code(2), phone="2125550101")
    intake.push()
    assert ask(brain, "SELECT vici_lead_id, lead_id FROM vici_lead_links") == [(7, 1)]
    assert ask(brain, "SELECT reason, entity_key FROM manual_review_queue") == [("phone_linked_to_another_lead", "vici/7")]


def test_a_number_called_lately_is_marked_and_pushed_when_its_thirty_days_are_over(intake: Intake, brain: Engine) -> None:
    land(brain, [raw_row(NOON - 10 * DAY, "1.1", vici_lead_id=900, phone_number="2125550101")])
    add_lead(brain, 1, code=code(1), phone="2125550101")
    assert intake.push().recently_called == 1
    assert intake.dialer.codes() == {}
    assert ask(brain, "SELECT state, next_at FROM lead_pushes") == [("blocked", NOON + 20 * DAY)]
    assert ask(brain, "SELECT restriction, last_call_at FROM lead_call_restrictions") == [("recently_called", NOON - 10 * DAY)]
    assert one(brain, "SELECT status FROM leads") == "recently_called"
    assert intake.push(NOON + 20 * DAY - timedelta(seconds=1)).examined == 0
    assert intake.push(NOON + 20 * DAY).added == 1
    assert one(brain, "SELECT status FROM leads") == "new"


def test_a_number_that_must_not_be_called_never_is_even_when_its_entry_is_gone(intake: Intake, brain: Engine) -> None:
    intake.dialer.put("vicidial_dnc", {"phone_number": "212XXXXXXX"})
    land(brain, [raw_row(NOON - 10 * DAY, "1.1", vici_lead_id=900, phone_number="2125550101")])
    add_lead(brain, 1, code=code(1), phone="2125550101")
    assert intake.push().do_not_call == 1
    both = ask(brain, "SELECT restriction FROM lead_call_restrictions ORDER BY 1")
    assert both == [("DO_NOT_CALL",), ("recently_called",)]
    assert one(brain, "SELECT status FROM leads") == "DO_NOT_CALL"
    intake.dialer.run("DELETE FROM vicidial_dnc")
    assert intake.push(NOON + 60 * DAY).examined == 0
    assert intake.push(NOON + 60 * DAY, since_lead=0).added == 0
    assert intake.dialer.codes() == {}


def test_a_history_with_holes_keeps_the_lead_waiting_until_it_is_read(intake: Intake, brain: Engine) -> None:
    add_lead(brain, 1, code=code(1), phone="2125550101")
    with brain.begin() as connection:
        connection.exec_driver_sql("DELETE FROM call_log_proofs WHERE source_table = 'vicidial_closer_log'")
    source = intake.dialer.dialer(now=NOON)
    client = NonAgentApi("vici", intake.address, "crm", PASSWORD, ApiLogins(brain, "vici", "crm", lambda: NOON))
    result = push_leads(Pushing(source, brain, client, POLICY, ["vici"], lambda: NOON), PushOrder("test"))
    client.close()
    source.engine.dispose()
    assert (result.unknown, result.added) == (1, 0)
    assert ask(brain, "SELECT count(*) FROM lead_call_restrictions") == [(0,)]
    cover(brain, NOON)
    assert intake.push(NOON + timedelta(minutes=15)).added == 1


def test_a_push_whose_answer_is_lost_makes_one_lead(intake: Intake, brain: Engine) -> None:
    add_lead(brain, 1, code=code(1), phone="2125550101")
    intake.api.after = lambda form: form["function"] == "add_lead"
    assert intake.push().added == 1
    assert len(intake.dialer.codes()) == 1


def test_a_push_that_nobody_can_tell_of_is_searched_for_before_the_next_try(intake: Intake, brain: Engine) -> None:
    add_lead(brain, 1, code=code(1), phone="2125550101")
    down = {"add_lead"}

    def swallow(form: dict[str, str]) -> bool:
        if form["function"] == "add_lead":
            down.add("lead_search")
            return True
        return form["function"] in down

    intake.api.after = swallow
    assert intake.push().uncertain == 1
    intake.api.after = lambda _: False
    assert intake.push(NOON + timedelta(minutes=15)).linked == 1
    assert len(intake.dialer.codes()) == 1
    assert intake.pushes() == [(1, "linked", 1)]


def test_a_push_killed_after_the_request_makes_one_lead(intake: Intake, brain: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    add_lead(brain, 1, code=code(1), phone="2125550101")
    original = NonAgentApi.add_lead

    def dying(self: NonAgentApi, lead: Any) -> Any:
        original(self, lead)
        raise KeyboardInterrupt

    monkeypatch.setattr(NonAgentApi, "add_lead", dying)
    with pytest.raises(KeyboardInterrupt):
        intake.push()
    monkeypatch.undo()
    assert intake.pushes() == [(1, "sending", None)]
    assert intake.push(NOON + timedelta(minutes=15)).linked == 1
    assert len(intake.dialer.codes()) == 1


def test_a_lead_without_code_or_number_waits_for_them(intake: Intake, brain: Engine) -> None:
    add_lead(brain, 1, phone="2125550101")
    add_lead(brain, 2, code=code(2), phone="anonymous")
    assert intake.push().waiting == 2
    with brain.begin() as connection:
        connection.exec_driver_sql(f"UPDATE leads SET external_lead_id = '{code(1)}' WHERE id = 1")
    assert (later := intake.push(NOON + timedelta(hours=6))).added == 1
    assert later.waiting == 1


def test_a_dry_run_adds_marks_and_remembers_nothing(intake: Intake, brain: Engine) -> None:
    land(brain, [raw_row(NOON - 10 * DAY, "1.1", vici_lead_id=900, phone_number="2125550101")])
    add_lead(brain, 1, code=code(1), phone="2125550101")
    add_lead(brain, 2, code=code(2), phone="2125550102")
    result = intake.push(dry_run=True)
    assert (result.recently_called, result.added) == (1, 1)
    assert intake.dialer.codes() == {}
    assert intake.pushes() == []
    assert one(brain, "SELECT count(*) FROM lead_call_restrictions") == 0


def test_a_dialer_that_goes_away_ends_the_push_after_three_and_loses_no_lead(intake: Intake, brain: Engine) -> None:
    for lead in range(1, 7):
        add_lead(brain, lead, code=code(lead), phone=f"212555000{lead}")
    intake.api.after = lambda _: True
    with pytest.raises(RetriableError):
        intake.push()
    intake.api.after = lambda _: False
    assert intake.push(NOON + timedelta(minutes=15)).added == 6
    assert one(brain, "SELECT status FROM sync_logs WHERE kind = 'push_leads' ORDER BY id DESC OFFSET 1 LIMIT 1") == "failed"


@pytest.mark.parametrize("known_by", ["its lead", "its number"])
def test_a_number_that_another_dialer_calls_is_not_added_to_this_one(
    intake: Intake, brain: Engine, known_by: str
) -> None:  # F075
    intake.instances = ["vici", "berlin"]
    cover(brain, NOON, "berlin")
    add_lead(brain, 1, code=code(1), phone="2125550101")
    add_lead(brain, 2, code=code(2), phone="2125550102")
    if known_by == "its lead":
        link(brain, 70, 1, instance="berlin")
    else:
        read = (
            "INSERT INTO vici_lead_links (instance, vici_lead_id, phone_key, seen_at) VALUES ('berlin', 70, '12125550101', now())"
        )
        with brain.begin() as connection:
            connection.exec_driver_sql(read)
    result = intake.push()
    assert (result.added, result.waiting) == (1, 1)
    reason = "SELECT reason FROM lead_pushes WHERE lead_id = 1"
    assert one(brain, reason) == "lead 70 of the dialer berlin has this number"
    # Once the other dialer has let it go, it may be called from here.
    with brain.begin() as connection:
        connection.exec_driver_sql("UPDATE vici_lead_links SET archived_at = now() WHERE instance = 'berlin'")
    assert intake.push(NOON + timedelta(hours=6)).added == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DELETE FROM vicidial_lists WHERE list_id = 101", "there is no such list"),
        ("UPDATE vicidial_lists SET campaign_id = 'OTHER'", "it is of campaign OTHER"),
    ],
)
def test_a_list_of_another_campaign_gets_no_lead(intake: Intake, brain: Engine, change: str, said: str) -> None:
    add_lead(brain, 1, code=code(1), phone="2125550101")
    intake.dialer.run(change)
    with pytest.raises(ConfigurationError, match=f"list 101 of campaign SOLAR, but {said}: correct list_id"):
        intake.push()
    assert intake.dialer.codes() == {}


@pytest.mark.parametrize("phone", ["+442071234567", "+12125550101999", "0000000000"])
def test_a_number_that_this_dialer_would_dial_wrongly_is_not_pushed(intake: Intake, brain: Engine, phone: str) -> None:
    add_lead(brain, 1, code=code(1), phone=phone)
    assert intake.push().waiting == 1
    assert intake.dialer.codes() == {}
    # As the dialer has it already, with its own country code, it is linked all the same.
    if phone.startswith("+44"):
        assert "no number of the country +1" in one(brain, "SELECT reason FROM lead_pushes")
        intake.dialer.lead(7, phone_code="44", phone_number="2071234567")
        row = "'vici', 7, '442071234567', now()"
        with brain.begin() as connection:
            connection.exec_driver_sql(f"INSERT INTO vici_lead_links (instance, vici_lead_id, phone_key, seen_at) VALUES ({row})")
        assert intake.push(NOON + timedelta(hours=6)).linked == 1


def test_an_intake_that_is_switched_off_meanwhile_stops_the_push_and_loses_no_lead(intake: Intake, brain: Engine) -> None:
    for lead in range(1, 4):
        add_lead(brain, lead, code=code(lead), phone=f"212555000{lead}")

    def emergency(form: dict[str, str]) -> bool:
        if form["function"] == "add_lead":
            with brain.begin() as connection:
                connection.exec_driver_sql("UPDATE lead_intake SET mode = 'vici_only'")
        return False

    intake.api.after = emergency
    stopped = intake.push()
    assert (stopped.added, stopped.closed) == (1, True)
    intake.api.after = lambda _: False
    with brain.begin() as connection:
        connection.exec_driver_sql("UPDATE lead_intake SET mode = 'open'")
    assert intake.push().added == 2


def test_two_pushes_at_once_are_refused(intake: Intake, brain: Engine) -> None:
    from vici_brain.brain.database import lane  # noqa: PLC0415 - only here

    with lane(brain, "vici", "push_leads"), pytest.raises(BusyError):
        intake.push()
