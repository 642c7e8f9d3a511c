"""A batch that met another writer is done again, and nothing of its first try stays."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import ask, one
from lead_sites import CAMPAIGNS, LeadSite, lead_site
from sqlalchemy import Connection, Engine, text

from vici_brain.errors import ConfigurationError, RetriableError
from vici_brain.flows.batches import committed, undone
from vici_brain.flows.import_csv import CsvOrder, import_csv
from vici_brain.flows.import_leads import ImportOrder, LeadStep, import_leads

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class Rival:
    """Another writer, who holds ``first`` and wants ``second`` as soon as somebody waits for the first."""

    def __init__(self, brain: Engine, first: str, second: str) -> None:
        self.brain, self.second = brain, second
        self.connection = brain.connect()
        # The one whose timer ends first is told of the deadlock, and that is to be the import.
        self.connection.execute(text("SET LOCAL deadlock_timeout = '60s'"))
        self.connection.execute(text(first))
        self.thread = threading.Thread(target=self._collide)
        self.thread.start()

    def _collide(self) -> None:
        until = time.monotonic() + 20
        while not one(self.brain, WAITING) and time.monotonic() < until:
            time.sleep(0.02)
        self.connection.execute(text(self.second))
        self.connection.rollback()
        self.connection.close()


@pytest.fixture
def site(mariadb_url: str, brain: Engine) -> Iterator[LeadSite]:
    with lead_site(mariadb_url, brain) as opened:
        opened.lead(1, "2125550101")
        opened.lead(2, "2125550102")
        opened.take_in()
        yield opened


@pytest.mark.mariadb
def test_an_import_that_met_another_writer_tries_the_batch_again(site: LeadSite) -> None:
    site.site.run("UPDATE vicidial_list SET status = 'NA'")
    rivals: list[Rival] = []

    def at_the_page(step: LeadStep) -> None:
        if step.phase == "reading leads" and not rivals:
            link = "SELECT 1 FROM vici_lead_links WHERE vici_lead_id = 1 FOR UPDATE"
            rivals.append(Rival(site.brain, link, "UPDATE leads SET status = status WHERE phone = '2125550101'"))

    sync = site.syncing()
    done = import_leads(sync, ImportOrder(CAMPAIGNS, "test", "somebody"), at_the_page)
    rivals[0].thread.join()
    sync.dialer.engine.dispose()
    assert (done.updated, done.numbers) == (2, 2)
    assert ask(site.brain, "SELECT status FROM leads ORDER BY id") == [("NO_ANSWER",)] * 2
    assert one(site.brain, "SELECT count(*) FROM lead_import_items WHERE action = 'updated'") == 2
    assert one(site.brain, "SELECT count(*) FROM vici_lead_links WHERE needs_merge") == 0
    assert site.take_in().rows_changed == 0


@pytest.mark.mariadb
def test_a_file_that_met_another_writer_tries_the_batch_again(site: LeadSite, tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_text("phone,first name\n2125550101,Ada\n2125550102,Bea\n")
    with site.brain.begin() as connection:
        connection.execute(text("UPDATE vici_lead_links SET lead_id = NULL"))
    link = "SELECT 1 FROM vici_lead_links WHERE vici_lead_id = 1 FOR UPDATE"
    rival = Rival(site.brain, link, "UPDATE leads SET status = status WHERE phone = '2125550101'")
    done = import_csv(site.brain, CsvOrder(file, "somebody", match_vici=True, update_existing=True))
    rival.thread.join()
    assert (done.updated, done.linked) == (2, 2)
    assert ask(site.brain, "SELECT first_name FROM leads ORDER BY id") == [("Ada",), ("Bea",)]


class Failing:
    """Writes, and then fails with each of ``errors`` in turn."""

    def __init__(self, connection: Connection, *errors: Exception) -> None:
        self.connection, self.errors, self.tries = connection, list(errors), 0

    def __call__(self) -> int:
        self.tries += 1
        self.connection.execute(text("INSERT INTO leads (phone) VALUES ('2125550101')"))
        if self.errors:
            raise self.errors.pop(0)
        return self.tries


def test_of_what_is_tried_again_only_the_last_try_stays_and_the_end_is_told(brain: Engine) -> None:
    with brain.connect() as connection:
        assert committed(connection, Failing(connection, RetriableError("met"))) == 2
        assert one(brain, "SELECT count(*) FROM leads") == 1
        for errors in ([ConfigurationError("no right")], [RetriableError("met")] * 5):
            failing = Failing(connection, *errors)
            with pytest.raises(type(errors[0])):
                committed(connection, failing)
            assert failing.tries == len(errors)
        assert undone(connection, Failing(connection)) == 1
        connection.commit()
    assert one(brain, "SELECT count(*) FROM leads") == 1
