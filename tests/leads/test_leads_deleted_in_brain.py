"""A lead that somebody deleted in Brain is not made again because the dialer has news of it: a person is asked, once."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from builders import NOON, add_lead, ask, one
from lead_sites import CODE, LeadSite, lead_site
from sqlalchemy import Engine, text

from vici_brain.brain.reviews import ReviewQueue
from vici_brain.flows.import_csv import CsvOrder, import_csv

pytestmark = pytest.mark.mariadb
REVIEWS = "SELECT reason, entity_type, context ->> 'vici_lead_id', status FROM manual_review_queue ORDER BY id"


@pytest.fixture
def site(mariadb_url: str, brain: Engine) -> Iterator[LeadSite]:
    with lead_site(mariadb_url, brain) as opened:
        opened.lead(1, "2125550101")
        opened.lead(2, "2125550102")
        opened.take_in()
        with brain.begin() as connection:
            connection.execute(text("DELETE FROM leads WHERE phone = '2125550101'"))
        yield opened


def changed(site: LeadSite, status: str) -> None:
    site.site.run("UPDATE vicidial_list SET status = :status", status=status)


def test_news_of_a_deleted_lead_is_put_up_for_review_once_and_makes_no_lead(site: LeadSite) -> None:
    changed(site, "NA")
    done = site.take_in()
    assert (done.created, done.updated, done.withheld) == (0, 1, 1)
    assert ask(site.brain, REVIEWS) == [("lead_deleted_in_brain", "lead", "1", "pending")]
    assert ask(site.brain, "SELECT phone FROM leads") == [("2125550102",)]
    again = site.take_in()
    assert (again.rows_changed, again.withheld, again.import_id) == (0, 0, None)
    changed(site, "B")
    site.take_in()
    assert len(ask(site.brain, REVIEWS)) == 1
    ((item,),) = ask(site.brain, "SELECT id FROM manual_review_queue")
    assert ReviewQueue(site.brain).dismiss(item, "somebody", "stays deleted", NOON)
    changed(site, "NA")
    assert site.take_in().withheld == 1
    assert [row[-1] for row in ask(site.brain, REVIEWS)] == ["dismissed"]


def test_the_same_person_under_a_new_lead_id_stays_deleted_even_when_the_old_one_is_gone(site: LeadSite) -> None:
    site.site.run("DELETE FROM vicidial_list WHERE lead_id = 1")
    site.lead(3, "12125550101")
    done = site.take_in()
    assert (done.created, done.withheld, done.removed) == (0, 1, 1)


def test_a_person_who_names_the_number_gets_the_lead_again(site: LeadSite) -> None:
    changed(site, "NA")
    site.take_in()
    assert site.take_in(phone="2125550101").created == 1
    assert site.brain_lead(1)["phone"] == "2125550101"
    assert site.take_in(phone="2125550101").rows_changed == 0
    changed(site, "B")
    assert site.take_in().withheld == 0


def test_a_file_that_names_the_number_brings_the_lead_again(site: LeadSite, tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_text("phone\n2125550101\n")
    assert import_csv(site.brain, CsvOrder(file, "somebody", match_vici=True)).created == 1
    assert site.brain_lead(1)["phone"] == "2125550101"


def test_a_lead_that_was_deleted_as_the_double_of_another_is_linked_to_that(site: LeadSite) -> None:
    add_lead(site.brain, 900, code=CODE, phone="(212) 555-0101", created_at=datetime(2025, 1, 1, tzinfo=UTC))
    changed(site, "NA")
    assert site.take_in().withheld == 0
    assert site.brain_lead(1)["id"] == 900
    assert one(site.brain, "SELECT count(*) FROM manual_review_queue") == 0


def test_a_dry_run_tells_it_and_asks_nobody(site: LeadSite) -> None:  # F080
    changed(site, "NA")
    assert site.take_in(dry_run=True).withheld == 1
    assert ask(site.brain, REVIEWS) == []
