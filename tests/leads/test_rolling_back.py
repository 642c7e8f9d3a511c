"""F074 rehearsed: the intake stops, a snapshot is kept, what the import created goes and nothing else, and it can be repeated."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import add_lead, ask, land, leads_of_a_crm, one, raw_row
from lead_sites import CODE, LeadSite, lead_site
from sqlalchemy import Engine, text

from vici_brain.brain.lead_intake import intake, turn
from vici_brain.errors import ConfigurationError
from vici_brain.flows.rollback_import import read_snapshot, rollback_import

pytestmark = pytest.mark.mariadb
LEADS = "SELECT to_jsonb(leads) FROM leads ORDER BY id"


@pytest.fixture
def site(mariadb_url: str, brain: Engine) -> Iterator[LeadSite]:
    with lead_site(mariadb_url, brain) as opened:
        yield opened


def test_the_emergency_rehearsed_from_end_to_end(site: LeadSite, tmp_path: Path) -> None:  # F074
    leads_of_a_crm(site.brain)
    add_lead(site.brain, 7, phone="2125550101", code="175504")
    land(site.brain, [raw_row(key="c.1", phone_number="2125550102"), raw_row(key="c.2", vici_lead_id=1, phone_number="")])
    before = ask(site.brain, LEADS)
    site.lead(1, "2125550101", vendor_lead_code=CODE)
    site.lead(2, "2125550102")
    done = site.take_in()
    assert (done.created, done.updated, done.linked, done.matched_calls) == (1, 1, 2, 2)
    imported = ask(site.brain, "SELECT phone, status, external_lead_id ~ '^[0-9]{13}$' FROM leads ORDER BY phone")
    assert done.import_id is not None

    tried = rollback_import(site.brain, done.import_id, tmp_path, "somebody")
    assert (tried.counts.cleared, tried.counts.restored, tried.snapshot) == (1, 1, None)
    assert intake(site.brain).is_open
    assert site.count("leads") == 2

    back = rollback_import(site.brain, done.import_id, tmp_path, "somebody", apply=True)
    assert (back.counts.cleared, back.counts.kept, back.counts.restored, back.counts.unlinked) == (1, {}, 1, 2)
    assert back.counts.orphaned_calls == 2
    assert ask(site.brain, LEADS) == before
    assert one(site.brain, "SELECT count(*) FROM orphan_call_logs") == 2
    assert one(site.brain, "SELECT count(lead_id) FROM vici_lead_links") == 0
    assert back.snapshot is not None
    kept = read_snapshot(back.snapshot)
    assert [(action, json.loads(lead)["phone"]) for action, _, lead in kept if action == "created"] == [("created", "2125550102")]
    assert [action for action, _, _ in kept] == ["created", "linked", "linked", "updated"]

    assert intake(site.brain).mode == "vici_only"
    with pytest.raises(ConfigurationError, match="intake of leads is stopped"):
        site.take_in()
    with pytest.raises(ConfigurationError, match="was taken back at"):
        rollback_import(site.brain, done.import_id, tmp_path, "somebody", apply=True)

    with site.brain.begin() as connection:
        assert turn(connection, "open", "", "somebody")
    again = site.take_in()
    assert (again.created, again.updated, again.linked, again.matched_calls) == (1, 1, 2, 2)
    assert ask(site.brain, "SELECT phone, status, external_lead_id ~ '^[0-9]{13}$' FROM leads ORDER BY phone") == imported


def test_leads_that_somebody_changed_or_uses_stay_and_are_told(site: LeadSite, tmp_path: Path) -> None:
    for lead_id in range(1, 6):
        site.lead(lead_id, f"212555010{lead_id}")
    done = site.take_in()
    with site.brain.begin() as connection:
        connection.execute(text("UPDATE leads SET status = 'CUSTOMER' WHERE phone = '2125550101'"))
        connection.execute(text("CREATE TABLE crm_appointments (id bigint, lead_id bigint)"))
        connection.execute(text("INSERT INTO crm_appointments SELECT 1, id FROM leads WHERE phone = '2125550102'"))
        connection.execute(text("CREATE TABLE crm_sales (client bigint REFERENCES leads (id))"))
        connection.execute(text("INSERT INTO crm_sales SELECT id FROM leads WHERE phone = '2125550103'"))
    site.take_in(instance="east", phone="2125550104")
    assert done.import_id is not None
    back = rollback_import(site.brain, done.import_id, tmp_path, "somebody", apply=True)
    assert back.counts.cleared == 1
    assert back.counts.kept == {
        "changed since": 1,
        "linked since": 1,
        "used by crm_appointments": 1,
        "used by crm_sales": 1,
    }
    assert ask(site.brain, "SELECT phone FROM leads ORDER BY phone") == [(f"212555010{n}",) for n in (1, 2, 3, 4)]
    assert one(site.brain, "SELECT count(lead_id) FROM vici_lead_links WHERE instance = 'vici'") == 4


def test_a_lead_that_later_syncs_of_ours_followed_may_still_go(site: LeadSite, tmp_path: Path) -> None:
    site.lead(1, "2125550101")
    done = site.take_in()
    site.site.run("UPDATE vicidial_list SET status = 'NA', called_count = 1")
    assert site.take_in().updated == 1
    assert done.import_id is not None
    assert rollback_import(site.brain, done.import_id, tmp_path, "somebody", apply=True).counts.cleared == 1
    assert site.count("leads") == 0


def test_a_snapshot_that_cannot_be_written_leaves_the_leads_and_the_intake_stopped(site: LeadSite, tmp_path: Path) -> None:
    site.lead(1, "2125550101")
    done = site.take_in()
    (tmp_path / "file").write_text("")
    assert done.import_id is not None
    with pytest.raises(OSError, match="file"):
        rollback_import(site.brain, done.import_id, tmp_path / "file", "somebody", apply=True)
    assert site.count("leads") == 1
    assert not intake(site.brain).is_open


def test_an_import_that_is_not_known_is_refused(brain: Engine, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="import 99 is not known"):
        rollback_import(brain, 99, tmp_path, "somebody")
