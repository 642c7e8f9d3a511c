"""The whole order of going over to Brain, on one dialer and one Brain, every step twice, and the way back at the end."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders import NOON, add_lead, ask, land, one, raw_row
from sqlalchemy import Engine
from test_pushing_leads import Intake
from writable_dialer import Api, WritableDialer, code, cover, serving, write_login

from vici_brain.brain.lead_intake import brain_first, intake, turn
from vici_brain.domain.write_back_policy import WriteBackPolicy
from vici_brain.flows.audit_leads import take_audit
from vici_brain.flows.code_orders import CodeOrder, CodeResult, CodeWriting
from vici_brain.flows.import_leads import ImportOrder, LeadImport, import_leads
from vici_brain.flows.read_leads import LeadScope
from vici_brain.flows.rollback_import import rollback_import
from vici_brain.flows.syncing import Syncing
from vici_brain.flows.write_codes import write_codes
from vici_brain.vici.sql_writer import SqlCodeWriter

pytestmark = pytest.mark.mariadb
LEADS, DAY, HOUR = 250, timedelta(days=1), timedelta(hours=1)
STATE = (
    "SELECT to_jsonb(leads) FROM leads ORDER BY id",
    "SELECT to_jsonb(vici_lead_links) FROM vici_lead_links ORDER BY vici_lead_id",
    "SELECT to_jsonb(lead_pushes) - 'changed_at' FROM lead_pushes ORDER BY lead_id",
    "SELECT to_jsonb(vendor_code_writes) FROM vendor_code_writes ORDER BY id",
    "SELECT vici_lead_id, reason, attempts FROM vendor_code_checks ORDER BY 1",
    "SELECT source_key, lead_id, matched_by FROM vici_call_logs ORDER BY 1",
    "SELECT id FROM lead_imports ORDER BY 1",
    "SELECT to_jsonb(lead_import_items) FROM lead_import_items ORDER BY import_id, action, lead_id, vici_lead_id",
    "SELECT reason, entity_key FROM manual_review_queue ORDER BY 1, 2",
)


class GoingOver:
    """One site on its way to Brain, at an instant that moves only when a test says so."""

    def __init__(self, pushing: Intake, writer: SqlCodeWriter) -> None:
        self.pushing, self.writer = pushing, writer
        self.dialer, self.brain, self.now = pushing.dialer, pushing.brain, NOON

    def take_in(self, *campaigns: str, **scope: Any) -> LeadImport:
        source = self.dialer.dialer(now=self.now)
        try:
            order = ImportOrder(campaigns or ("Solar",), "test", "somebody", LeadScope(**scope))
            return import_leads(Syncing(source, self.brain, lambda: self.now), order)
        finally:
            source.engine.dispose()

    def write(self, **order: Any) -> CodeResult:
        source = self.dialer.dialer(now=self.now)
        policy = WriteBackPolicy(write_database_url_env="WRITE_URL")
        try:
            work = CodeWriting(source, self.brain, self.writer, policy, lambda: self.now)
            return write_codes(work, CodeOrder(("solar", "other"), "test", **order))
        finally:
            source.engine.dispose()

    def state(self) -> list[list[tuple[Any, ...]]]:
        dialer = self.dialer.ask("SELECT * FROM vicidial_list ORDER BY lead_id")
        return [*(ask(self.brain, statement) for statement in STATE), dialer]

    def changes_nothing(self, *commands: Callable[[], object]) -> None:
        before = self.state()
        for command in commands:
            command()
            assert self.state() == before

    def codes_that_differ(self) -> int:
        """Linked leads of the dialer, read by themselves, that do not carry the id of their lead."""
        ids = dict(ask(self.brain, "SELECT vici_lead_id, external_lead_id FROM vici_lead_links JOIN leads ON leads.id = lead_id"))
        held = self.dialer.codes()
        return sum(held[vici] != external for vici, external in ids.items())


@pytest.fixture
def site(mariadb_server: str, mariadb_url: str, brain: Engine) -> Iterator[GoingOver]:
    dialer = WritableDialer(mariadb_url)
    with serving(Api(dialer)) as address, write_login(mariadb_server, dialer.url) as url:
        writer = SqlCodeWriter("vici", url)
        yield GoingOver(Intake(dialer, brain, Api(dialer), address), writer)
        writer.close()
    dialer.close()


def test_from_the_trial_to_brain_first_and_all_the_way_back(site: GoingOver, tmp_path: Path) -> None:  # F072, F073, F074, F079
    dialer, brain = site.dialer, site.brain
    for number in range(1, LEADS + 1):
        dialer.lead(number, status=("NEW", "NA")[number % 2])
    dialer.lead(LEADS + 1, phone_number="2125550001")
    dialer.lead(700, phone_number="3125550700", list_id=102)
    calls = {"old.1": "2125550005", "old.2": f"212555{LEADS:04}"}
    land(brain, [raw_row(NOON - 60 * DAY, key, vici_lead_id=9_000, phone_number=phone) for key, phone in calls.items()])

    # A trial of a hundred, looked at before the rest.
    trial = site.take_in(limit=100)
    assert (trial.created, trial.linked, trial.matched_calls) == (100, 101, 1)
    right = """
        SELECT count(*) FROM vici_lead_links AS kept JOIN leads ON leads.id = kept.lead_id
        WHERE kept.phone_key = normalised_phone('1', leads.phone) AND leads.external_lead_id ~ '^[0-9]{13}$'
          AND leads.meta ->> 'origin' = 'vici_import'
    """
    assert one(brain, right) == 101
    assert one(brain, "SELECT count(*) FROM leads") == 100
    site.changes_nothing(lambda: site.take_in(limit=100))

    # The rest; what was called before its lead came finds it.
    whole = site.take_in()
    assert (whole.created, whole.linked, whole.matched_calls) == (LEADS - 100, LEADS - 100, 1)
    assert one(brain, "SELECT count(lead_id) FROM vici_call_logs") == 2
    assert one(brain, right) == LEADS + 1
    site.changes_nothing(site.take_in, lambda: site.take_in(changes=True), lambda: site.take_in(limit=100))
    assert take_audit(brain, "vici", site.now, keep=False).audit.imported_without_own_code == LEADS + 1

    # Codes, read back; four hours later one is found undone by an agent's screen, and written again.
    assert site.write().updated == LEADS + 1
    assert site.codes_that_differ() == 0
    site.changes_nothing(site.write)
    dialer.agent_restores(5)
    site.now += 4 * HOUR + timedelta(minutes=1)
    looked = site.write(due_only=True)
    assert (looked.verified, looked.lost, looked.updated) == (LEADS, 1, 1)
    assert site.codes_that_differ() == 0
    site.now += 5 * HOUR
    assert (site.write(due_only=True).verified, site.codes_that_differ()) == (1, 0)
    site.changes_nothing(site.write, lambda: site.write(due_only=True))

    # From here on leads come to Brain first.
    with brain.begin() as connection:
        brain_first(connection, site.now, "somebody")
    cover(brain, site.now)
    site.pushing.push(site.now)
    land(brain, [raw_row(site.now - 10 * DAY, "new.1", vici_lead_id=9_001, phone_number="4155550903")])
    dialer.put("vicidial_dnc", {"phone_number": "5105550904"})
    for lead, phone in ((901, "6465550901"), (902, "3125550700"), (903, "4155550903"), (904, "5105550904")):
        add_lead(brain, lead, code=code(lead), phone=phone)
    pushed = site.pushing.push(site.now)
    assert (pushed.added, pushed.linked, pushed.recently_called, pushed.do_not_call) == (1, 1, 1, 1)
    ((added,),) = dialer.ask("SELECT lead_id FROM vicidial_list WHERE vendor_lead_code = :code", code=code(901))
    assert site.pushing.pushes() == [(901, "added", added), (902, "linked", 700), (903, "blocked", None), (904, "blocked", None)]
    site.changes_nothing(lambda: site.pushing.push(site.now))
    assert site.write().updated == 1
    last = site.take_in()
    assert (last.created, last.linked) == (0, 0)
    site.changes_nothing(site.take_in, site.write, lambda: site.pushing.push(site.now))

    # Before and after, and the metrics of success.
    taken = take_audit(brain, "vici", site.now)
    assert taken.comparison is not None
    before, after = taken.comparison.before, taken.comparison.after
    assert (before["vici_own_code"], after["vici_own_code"]) == (0, LEADS + 3)
    assert (taken.audit.imported_without_own_code, taken.audit.entered_outside_brain) == (0, 0)
    assert taken.audit.brain_leads_without_link == 2

    # All the way back, the newest first: what the CRM brought stays, with its links, codes and pushes.
    ids = dict(ask(brain, "SELECT right(phone, 10), external_lead_id FROM leads WHERE id NOT IN (901, 902, 903, 904)"))
    pushes, codes = site.pushing.pushes(), dialer.codes()
    for import_id in (last.import_id, whole.import_id, trial.import_id):
        assert import_id is not None
        back = rollback_import(brain, import_id, tmp_path, "somebody", apply=True)
        assert back.counts.kept == {}
    assert ask(brain, "SELECT id, external_lead_id FROM leads ORDER BY 1") == [(lead, code(lead)) for lead in range(901, 905)]
    assert one(brain, "SELECT count(*) FROM leads WHERE meta ? 'vici_lead_id'") == 0
    linked = "SELECT vici_lead_id, lead_id FROM vici_lead_links WHERE lead_id IS NOT NULL ORDER BY 1"
    assert ask(brain, linked) == sorted([(700, 902), (added, 901)])
    assert ask(brain, "SELECT source_key FROM orphan_call_logs WHERE source_key LIKE 'old%' ORDER BY 1") == [
        ("old.1",),
        ("old.2",),
    ]
    assert (site.pushing.pushes(), dialer.codes()) == (pushes, codes)
    assert intake(brain).mode == "vici_only"
    site.changes_nothing(lambda: site.pushing.push(site.now), site.write)
    with brain.begin() as connection:
        turn(connection, "open", "", "somebody")
    # Looks that were due of leads that are no longer Brain's write nothing.
    written: datetime = site.now
    site.now = written + DAY
    dialer.agent_restores(9)
    assert site.write(due_only=True).updated == 0
    assert dialer.codes()[9] == ""

    # And once more: the codes that stayed at the dialer bring every lead its id again.
    again = site.take_in()
    assert (again.created, again.linked, again.matched_calls) == (LEADS, LEADS + 1, 2)
    found = dict(ask(brain, "SELECT right(phone, 10), external_lead_id FROM leads WHERE id NOT IN (901, 902, 903, 904)"))
    assert {phone for phone in ids if found[phone] != ids[phone]} == {"2125550009"}
