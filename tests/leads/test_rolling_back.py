"""F074 rehearsed: the intake stops, a snapshot is kept, what the import created goes and nothing else, and it can be repeated."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from builders import add_lead, ask, land, leads_of_a_crm, one, raw_row
from lead_sites import CODE, LeadSite, lead_site
from sqlalchemy import Engine, make_url, text

from vici_brain.brain.database import open_brain
from vici_brain.brain.lead_imports import imports
from vici_brain.brain.lead_intake import intake, turn
from vici_brain.errors import ConfigurationError
from vici_brain.flows import rollback_import as rollback_flow
from vici_brain.flows.import_csv import CsvOrder, import_csv
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


def test_a_file_is_taken_back_as_an_import_of_a_dialer_is(site: LeadSite, tmp_path: Path) -> None:
    add_lead(site.brain, 7, phone="2125550107", code=CODE)
    site.lead(1, "2125550101", status="DNC")
    site.take_in("Retent")
    land(site.brain, [raw_row(key="c.1", vici_lead_id=1, phone_number="")])
    before = [ask(site.brain, statement) for statement in (LEADS, "SELECT vici_lead_id, lead_id FROM vici_lead_links ORDER BY 1")]
    file = tmp_path / "leads.csv"
    file.write_text("phone,first name\n2125550107,Ada\n2125550101,Ben\n2125550102,Cleo\n")
    done = import_csv(site.brain, CsvOrder(file, "somebody", match_vici=True, update_existing=True, instances=("vici",)))
    assert (done.created, done.updated, done.linked, done.matched_calls) == (2, 1, 1, 1)
    assert done.import_id is not None
    back = rollback_import(site.brain, done.import_id, tmp_path, "somebody", apply=True)
    assert (back.counts.cleared, back.counts.restored, back.counts.unlinked, back.counts.orphaned_calls) == (2, 1, 1, 1)
    after = [ask(site.brain, statement) for statement in (LEADS, "SELECT vici_lead_id, lead_id FROM vici_lead_links ORDER BY 1")]
    assert after == before
    with pytest.raises(ConfigurationError, match="intake of leads is stopped"):
        import_csv(site.brain, CsvOrder(file, "somebody"))


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


def test_uses_are_found_in_other_schemas_by_other_columns_and_among_leads_themselves(site: LeadSite, tmp_path: Path) -> None:
    for lead_id in range(1, 5):
        site.lead(lead_id, f"212555010{lead_id}")
    with site.brain.begin() as connection:
        connection.execute(text("ALTER TABLE leads ADD COLUMN double_of bigint REFERENCES leads (id)"))
        connection.execute(text("CREATE SCHEMA billing"))
        connection.execute(text("CREATE TABLE billing.lead_pushes (client bigint REFERENCES leads (id) ON DELETE CASCADE)"))
        connection.execute(text("CREATE TABLE policies (code text REFERENCES leads (external_lead_id) ON DELETE CASCADE)"))
    done = site.take_in()
    with site.brain.begin() as connection:
        connection.execute(text("INSERT INTO billing.lead_pushes SELECT id FROM leads WHERE phone = '2125550101'"))
        connection.execute(text("INSERT INTO policies SELECT external_lead_id FROM leads WHERE phone = '2125550102'"))
        mine = "(SELECT id FROM leads WHERE phone = '2125550103')"
        connection.execute(text(f"INSERT INTO leads (id, phone, double_of) VALUES (900, '2125550199', {mine})"))
    assert done.import_id is not None
    back = rollback_import(site.brain, done.import_id, tmp_path, "somebody", apply=True)
    assert back.counts.cleared == 1
    assert back.counts.kept == {"used by billing.lead_pushes": 1, "used by leads": 1, "used by policies": 1}
    assert [site.count(table) for table in ("billing.lead_pushes", "policies")] == [1, 1]


def test_a_use_that_cannot_be_seen_stops_the_way_back_with_the_grant(
    brain: Engine, brain_url: str, mariadb_url: str, tmp_path: Path
) -> None:
    guest_name = f"guest_{uuid4().hex[:8]}"
    with lead_site(mariadb_url, brain) as site:
        site.lead(1, "2125550101")
        done = site.take_in()
    with brain.begin() as connection:
        connection.execute(text("CREATE TABLE crm_sales (client bigint REFERENCES leads (id) ON DELETE CASCADE)"))
        connection.execute(text("INSERT INTO crm_sales SELECT id FROM leads"))
        connection.execute(text(f"CREATE ROLE {guest_name} LOGIN"))
        connection.execute(text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {guest_name}"))
        connection.execute(text(f"REVOKE ALL ON crm_sales FROM {guest_name}"))
    guest = open_brain(make_url(brain_url).set(username=guest_name))
    try:
        assert done.import_id is not None
        with pytest.raises(ConfigurationError, match=rf"GRANT SELECT ON crm_sales TO {guest_name}. Nothing was cleared"):
            rollback_import(guest, done.import_id, tmp_path, "somebody", apply=True)
        assert one(brain, "SELECT count(*) FROM leads") == one(brain, "SELECT count(*) FROM crm_sales") == 1
    finally:
        guest.dispose()
        with brain.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {guest_name} CASCADE"))
            connection.execute(text(f"DROP ROLE {guest_name}"))


def test_an_import_at_work_ends_with_its_batch_when_the_intake_is_stopped(
    site: LeadSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vici_brain.flows import import_leads as flow  # noqa: PLC0415 - only here

    for lead_id in range(1, 10):
        site.lead(lead_id, f"212555010{lead_id}")
    monkeypatch.setattr(flow, "BATCH", 4)

    def emergency(step: flow.LeadStep) -> None:
        if step.phase == "merging numbers":
            with site.brain.begin() as connection:
                turn(connection, "vici_only", "wrong campaign", "somebody")

    sync = site.syncing()
    with pytest.raises(ConfigurationError, match="wrong campaign"):
        flow.import_leads(sync, flow.ImportOrder(("auto2",), "test", "somebody"), emergency)
    sync.dialer.engine.dispose()
    assert site.count("leads") == 4
    (stopped,) = imports(site.brain)
    assert rollback_import(site.brain, stopped.id, tmp_path, "somebody", apply=True).counts.cleared == 4
    assert site.count("leads") == 0
    with site.brain.begin() as connection:
        turn(connection, "open", "", "somebody")
    assert site.take_in().created == 9


def test_a_file_at_work_ends_with_its_batch_too(brain: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vici_brain.flows import import_csv as flow  # noqa: PLC0415 - only here

    monkeypatch.setattr(flow, "BATCH", 4)
    file = tmp_path / "leads.csv"
    file.write_text("phone\n" + "".join(f"212555{n:04}\n" for n in range(10)))

    def emergency(_position: int) -> None:
        with brain.begin() as connection:
            turn(connection, "vici_only", "wrong file", "somebody")

    with pytest.raises(ConfigurationError, match="wrong file"):
        flow.import_csv(brain, flow.CsvOrder(file, "somebody"), emergency)
    assert one(brain, "SELECT count(*) FROM leads") == 4


def test_a_snapshot_of_any_size_is_written_and_read_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback_flow, "_GROUP", 3)
    rows = [("created", number, json.dumps({"phone": f"212555{number:04}"})) for number in range(10)]
    digest = rollback_flow.write_snapshot(tmp_path / "s.parquet", iter(rows))
    assert read_snapshot(tmp_path / "s.parquet") == rows
    assert digest == hashlib.sha256((tmp_path / "s.parquet").read_bytes()).hexdigest()
    rollback_flow.write_snapshot(tmp_path / "s.parquet", iter(()))
    assert read_snapshot(tmp_path / "s.parquet") == []


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
