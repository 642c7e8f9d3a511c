"""Leads that belong to a CRM: written as far as its table goes, and what is missing is said with the remedy."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from builders import ask
from lead_sites import LeadSite, lead_site
from sqlalchemy import Engine, make_url, text

from vici_brain.brain.database import migrate, open_brain
from vici_brain.errors import ConfigurationError

WIDE = """
    CREATE TABLE leads (
        id bigserial PRIMARY KEY, name varchar(255) NOT NULL, first_name varchar(9), phone varchar(20), state varchar(2),
        zip_code varchar(10), source varchar(50), status varchar(30) DEFAULT 'new', external_lead_id varchar(255), meta json,
        vici_lead_id varchar(20), vici_list_id integer, vendor_name text, created_at timestamp, updated_at timestamp
    )
"""
NARROW = "CREATE TABLE leads (id bigserial, external_lead_id text, phone text, created_at timestamptz)"


def crm(url: str, table: str) -> Engine:
    engine = open_brain(url)
    with engine.begin() as connection:
        connection.execute(text(table))
    migrate(engine)
    return engine


@pytest.fixture
def dialer_url(tmp_path: object) -> str:
    return f"sqlite:///{tmp_path}/dialer.db"


@pytest.fixture
def wide(empty_brain_url: str, dialer_url: str) -> Iterator[LeadSite]:
    engine = crm(empty_brain_url, WIDE)
    with lead_site(dialer_url, engine) as site:
        yield site
    engine.dispose()


def test_a_wide_table_gets_what_it_has_columns_for(wide: LeadSite) -> None:
    wide.lead(1, "2125550101", first_name="Bartholomew", last_name="Abbott", state="NY", postal_code="07102", list_id=101)
    assert wide.take_in().created == 1
    row = "name, first_name, state, zip_code, status, source, vici_lead_id, vici_list_id, meta ->> 'origin'"
    assert ask(wide.brain, f"SELECT {row} FROM leads") == [
        ("Bartholomew Abbott", "Bartholom", "NY", "07102", "RECEIVED", "vici", "1", 101, "vici_import")
    ]
    assert wide.take_in().rows_changed == 0
    wide.site.run("UPDATE vicidial_list SET status = 'SALE'")
    wide.take_in()
    assert ask(wide.brain, "SELECT status, meta ->> 'vici_status' FROM leads") == [("SOLD", "SALE")]


def test_a_table_of_four_columns_is_enough(empty_brain_url: str, dialer_url: str) -> None:
    engine = crm(empty_brain_url, NARROW)
    with lead_site(dialer_url, engine) as site:
        site.lead(1, "2125550101")
        assert site.take_in().created == 1
        assert site.take_in().rows_changed == 0
    engine.dispose()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE leads ADD COLUMN tenant_id bigint NOT NULL", "must have tenant_id, which no import knows"),
        ("ALTER TABLE leads ALTER COLUMN id DROP DEFAULT", "must have id, which no import knows"),
    ],
)
def test_a_column_that_no_import_can_fill_is_named(wide: LeadSite, change: str, said: str) -> None:
    with wide.brain.begin() as connection:
        connection.execute(text(change))
    wide.lead(1, "2125550101")
    with pytest.raises(ConfigurationError, match=said):
        wide.take_in()
    assert wide.count("vici_lead_links") == 0


def test_a_login_that_may_not_write_leads_is_told_the_grants(empty_brain_url: str, dialer_url: str) -> None:
    guest_name = f"guest_{uuid4().hex[:8]}"
    owner = open_brain(empty_brain_url)
    with owner.begin() as connection:
        connection.execute(text(WIDE))
        connection.execute(text(f"CREATE ROLE {guest_name} LOGIN"))
        connection.execute(text(f"GRANT USAGE, CREATE ON SCHEMA public TO {guest_name}"))
        connection.execute(text(f"GRANT SELECT ON leads TO {guest_name}"))
    guest = open_brain(make_url(empty_brain_url).set(username=guest_name))
    try:
        migrate(guest)
        with lead_site(dialer_url, guest) as site:
            site.lead(1, "2125550101")
            with pytest.raises(ConfigurationError, match=rf"GRANT INSERT ON leads TO {guest_name}"):
                site.take_in()
            with owner.begin() as connection:
                connection.execute(text(f"GRANT INSERT ON leads TO {guest_name}"))
                connection.execute(text(f"GRANT UPDATE (external_lead_id, status, meta, updated_at) ON leads TO {guest_name}"))
                connection.execute(text(f"GRANT USAGE ON SEQUENCE leads_id_seq TO {guest_name}"))
            assert site.take_in().created == 1
    finally:
        guest.dispose()
        with owner.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {guest_name} CASCADE"))
            connection.execute(text(f"DROP ROLE {guest_name}"))
        owner.dispose()
