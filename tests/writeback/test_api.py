"""The Non-Agent API as it answers: shapes, errors, lost answers, failed logins, and never a password in what is said."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

import pytest
from builders import NOON, ask
from sqlalchemy import Engine
from writable_dialer import PASSWORD, Api, WritableDialer, code, serving

from vici_brain.brain.api_logins import ApiLogins
from vici_brain.errors import ConfigurationError, RetriableError
from vici_brain.vici.api_answers import parse
from vici_brain.vici.api_writer import NonAgentApi
from vici_brain.vici.lead_writer import LeadToAdd

pytestmark = pytest.mark.mariadb
NEW = LeadToAdd(code(1), "1", "2125550101", 101, "Ann", "Example", state="NY")


def answered(said: str, _form: dict[str, str]) -> str:
    return said


class Clock:
    now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def dialer(mariadb_url: str) -> Iterator[WritableDialer]:
    opened = WritableDialer(mariadb_url)
    yield opened
    opened.close()


@pytest.fixture
def api(dialer: WritableDialer) -> Api:
    return Api(dialer)


@pytest.fixture
def address(api: Api) -> Iterator[str]:
    with serving(api) as url:
        yield url


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(address: str, brain: Engine, clock: Clock) -> Iterator[NonAgentApi]:
    opened = NonAgentApi("vici", address, "crm", PASSWORD, ApiLogins(brain, "vici", "crm", clock), seconds=2)
    yield opened
    opened.close()


def stranger(address: str, brain: Engine, clock: Clock) -> NonAgentApi:
    """A client with a wrong password, as a process that just started has it."""
    return NonAgentApi("vici", address, "crm", "wrong$secret!", ApiLogins(brain, "vici", "crm", clock), seconds=2)


@pytest.mark.parametrize(
    ("body", "kind", "reason", "fields"),
    [
        ("SUCCESS: add_lead LEAD HAS BEEN ADDED - 2125550101|101|7|-5|crm", "SUCCESS", "add_lead LEAD HAS BEEN ADDED", 5),
        ("ERROR: add_lead INVALID PHONE NUMBER: |12|crm|", "ERROR", "add_lead INVALID PHONE NUMBER", 2),
        ("NOTICE: add_lead ADDED TO HOPPER", "NOTICE", "add_lead ADDED TO HOPPER", 1),
        ("2125550101|2|9-7", "ROW", "", 3),
    ],
)
def test_every_shape_of_a_line_is_taken_apart(body: str, kind: str, reason: str, fields: int) -> None:
    (line,) = parse(body).lines
    assert (line.kind, line.reason, len(line.fields)) == (kind, reason, fields)


def test_a_code_is_read_written_and_read_back(client: NonAgentApi, dialer: WritableDialer, api: Api) -> None:
    dialer.lead(1)
    dialer.lead(2, vendor_lead_code="1755041049999")
    assert client.write_code(1, code(1)).outcome == "written"
    assert client.write_code(1, code(1)).outcome == "equal"
    assert client.write_code(2, code(2)).outcome == "conflict"
    assert client.write_code(3, code(3)).outcome == "not_found"
    assert dialer.codes() == {1: code(1), 2: "1755041049999"}
    assert [form["function"] for form in api.asked].count("update_lead") == 1


def test_a_lead_out_of_reach_is_told_and_the_next_one_is_written(client: NonAgentApi, dialer: WritableDialer, api: Api) -> None:
    dialer.lead(1)
    said = "ERROR: lead_field_info LIST NOT FOUND: crm|1|101\n"
    api.trouble = lambda form: said if form["function"] == "lead_field_info" else None
    done = client.write_code(1, code(1))
    assert (done.outcome, "out of reach of 'crm'" in done.said, "LIST NOT FOUND" in done.said) == ("failed", True, True)
    assert "update_lead" not in [form["function"] for form in api.asked]


def test_a_code_that_the_dialer_hides_is_no_code(client: NonAgentApi, dialer: WritableDialer, api: Api) -> None:
    dialer.lead(1, vendor_lead_code="1755041049999")
    api.trouble = lambda form: "X" * 13 if form["function"] == "lead_field_info" else None
    with pytest.raises(ConfigurationError, match="hides vendor_lead_code from 'crm'"):
        client.write_code(1, code(1))


def test_an_update_whose_answer_is_lost_is_looked_up(client: NonAgentApi, dialer: WritableDialer, api: Api) -> None:
    dialer.lead(1)
    api.after = lambda form: form["function"] == "update_lead"
    assert client.write_code(1, code(1)).outcome == "written"


def test_an_update_that_does_nothing_is_told_as_failed(client: NonAgentApi, dialer: WritableDialer, api: Api) -> None:
    dialer.lead(1)
    said = "NOTICE: update_lead NO MATCHES FOUND IN THE SYSTEM - crm|1|||\n"
    api.trouble = lambda form: said if form["function"] == "update_lead" else None
    done = client.write_code(1, code(1))
    assert done.outcome == "failed"
    assert "NO MATCHES FOUND" in done.said


def test_a_lead_is_added_once_with_its_code(client: NonAgentApi, dialer: WritableDialer) -> None:
    added = client.add_lead(NEW)
    assert (added.outcome, added.vici_lead_id) == ("added", 1)
    assert (client.add_lead(NEW).outcome, client.add_lead(NEW).vici_lead_id) == ("exists", 1)
    ((number, held, list_id),) = dialer.ask("SELECT phone_number, vendor_lead_code, list_id FROM vicidial_list")
    assert (number, held, list_id) == ("2125550101", code(1), 101)


def test_an_add_whose_answer_is_lost_makes_no_second_lead(client: NonAgentApi, dialer: WritableDialer, api: Api) -> None:
    api.after = lambda form: form["function"] == "add_lead"
    first = client.add_lead(NEW)
    assert (first.outcome, first.vici_lead_id) == ("added", 1)
    assert client.add_lead(NEW).outcome == "exists"
    assert len(dialer.codes()) == 1


def test_an_add_that_was_lost_before_it_arrived_is_uncertain_and_not_repeated_at_once(
    client: NonAgentApi, dialer: WritableDialer, api: Api
) -> None:
    lost = {"add_lead"}
    api.trouble = lambda form: "" if form["function"] in lost else None
    api.after = lambda form: form["function"] in lost
    assert client.add_lead(NEW).outcome == "uncertain"
    assert [form["function"] for form in api.asked].count("add_lead") == 1
    lost.clear()
    assert client.add_lead(NEW).outcome == "added"
    assert len(dialer.codes()) == 1


def test_the_dialers_own_check_for_duplicates_is_believed(client: NonAgentApi, dialer: WritableDialer, api: Api) -> None:
    dialer.lead(5, phone_number="2125550101")
    blind = "2125550101|0|\n12125550101|0|\n"
    api.trouble = lambda form: blind if form["function"] == "lead_search" else None
    assert (client.add_lead(NEW).outcome, client.add_lead(NEW).vici_lead_id) == ("exists", 5)


@pytest.mark.parametrize("carried_out", ["before the client gave up", "after it"])
def test_a_dialer_that_takes_too_long_to_answer_an_add_makes_one_lead(  # F061, F062
    address: str, brain: Engine, clock: Clock, dialer: WritableDialer, api: Api, carried_out: str
) -> None:
    slow = {"add_lead"}

    def late(form: dict[str, str]) -> None:
        if form["function"] in slow:
            slow.clear()
            time.sleep(1.6)

    def late_answer(form: dict[str, str]) -> bool:
        late(form)
        return False

    if carried_out == "after it":
        api.trouble = late
    else:
        api.after = late_answer
    client = NonAgentApi("vici", address, "crm", PASSWORD, ApiLogins(brain, "vici", "crm", clock), seconds=1)
    first = client.add_lead(NEW)
    assert first.outcome == ("uncertain" if carried_out == "after it" else "added"), first
    assert "gave no answer to add_lead (ReadTimeout)" in first.said
    until = time.monotonic() + 30
    while not dialer.codes() and time.monotonic() < until:
        time.sleep(0.05)
    again = client.add_lead(NEW)
    assert (again.outcome, again.vici_lead_id, len(dialer.codes())) == ("exists", 1, 1)
    assert [form["function"] for form in api.asked].count("add_lead") == 1
    client.close()


def test_a_refused_lead_is_told_in_the_dialers_words(client: NonAgentApi, dialer: WritableDialer) -> None:
    dialer.run("DELETE FROM vicidial_lists")
    done = client.add_lead(NEW)
    said = "ERROR: add_lead NOT A DEFINED LIST ID, LIST EXISTS CHECK ENABLED - 2125550101|101"
    assert (done.outcome, done.said) == ("refused", said)


def test_an_answer_of_an_unknown_shape_is_no_empty_answer(client: NonAgentApi, api: Api) -> None:
    for said in ("", "\n", "<html>maintenance</html>", "ERROR: lead_search SOMETHING BROKE: |crm|"):
        api.trouble = partial(answered, said)
        with pytest.raises(RetriableError):
            client.find("2125550101")


def test_a_missing_right_says_what_to_change(client: NonAgentApi, api: Api) -> None:
    api.allowed.remove("lead_search")
    with pytest.raises(ConfigurationError, match="does not let 'crm' do lead_search"):
        client.find("2125550101")


def test_failed_logins_stop_after_three_over_restarts_and_open_again(
    address: str, brain: Engine, clock: Clock, api: Api, client: NonAgentApi
) -> None:
    messages = []
    for _ in range(8):
        opened = stranger(address, brain, clock)
        with pytest.raises(ConfigurationError) as error:
            opened.find("2125550101")
        messages.append(str(error.value))
        opened.close()
    assert len(api.asked) == 3
    assert not [said for said in messages if "secret" in said]
    assert "no login is tried before" in messages[-1]
    with pytest.raises(ConfigurationError, match="ten failures"):
        client.find("2125550101")
    clock.now = NOON + timedelta(minutes=15)
    assert client.find("2125550101") == ()
    assert ask(brain, "SELECT * FROM vici_api_logins") == []


def test_failures_that_lie_a_quarter_of_an_hour_apart_do_not_add_up(address: str, brain: Engine, clock: Clock, api: Api) -> None:
    for turn in range(5):
        clock.now = NOON + timedelta(minutes=16 * turn)
        opened = stranger(address, brain, clock)
        with pytest.raises(ConfigurationError, match="refused the login"):
            opened.find("2125550101")
        opened.close()
    assert len(api.asked) == 5


def test_a_user_that_is_locked_out_is_not_tried_again_at_once(client: NonAgentApi, api: Api) -> None:
    api.trouble = lambda _: f"ERROR: Too many login attempts, try again in 15 minutes: |crm|{PASSWORD}|LOCK|\n"
    for _ in range(3):
        with pytest.raises(ConfigurationError) as error:
            client.find("2125550101")
        assert PASSWORD not in str(error.value)
    assert len(api.asked) == 1


def test_the_password_travels_in_the_body_only(client: NonAgentApi, api: Api) -> None:
    client.find("2125550101")
    assert api.asked[-1]["pass"] == PASSWORD
    assert "pass" not in client.url


def test_version_needs_no_login(client: NonAgentApi, api: Api) -> None:
    assert client.version()["VERSION"] == "2.14-202"
    assert "pass" not in api.asked[-1]


def test_a_dialer_that_is_away_is_worth_another_try(brain: Engine, clock: Clock) -> None:
    away = NonAgentApi("vici", "http://127.0.0.1:9/x", "crm", PASSWORD, ApiLogins(brain, "vici", "crm", clock), seconds=1)
    with pytest.raises(RetriableError, match="cannot be reached"):
        away.find("2125550101")
    away.close()
