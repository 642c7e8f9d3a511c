"""What a created dialer holds besides calls, and the truth that tests compare copies with."""

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from simulated_dialers import new_dialer, small, sqlite_engine, utc, values

from vici_brain.simulation.catalog import SYSTEM_STATUSES
from vici_brain.simulation.dialer import SimulatedDialer
from vici_brain.vici import schema

NOW = utc("2025-10-29 17:40:00")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[sa.Engine, SimulatedDialer]:
    engine = sqlite_engine(tmp_path_factory.mktemp("contents"))
    dialer = new_dialer(engine, small(archive_after_days=4))
    dialer.load_history(NOW)
    return engine, dialer


def test_the_catalog_is_that_of_a_stock_dialer(filled: tuple[sa.Engine, SimulatedDialer]) -> None:
    engine, _ = filled
    assert len(set(SYSTEM_STATUSES)) == len(values(engine, "SELECT status FROM vicidial_statuses")) == 50
    human = "SELECT count(*) FROM vicidial_statuses WHERE human_answered = 'Y'"
    assert values(engine, human) == [22]
    assert values(engine, "SELECT answering_machine FROM vicidial_statuses WHERE status = 'AA'") == ["N"]
    assert values(engine, "SELECT local_gmt FROM servers") == ["-5.00"]
    assert values(engine, "SELECT db_schema_version FROM system_settings") == [1728]
    homeless = "SELECT list_id FROM vicidial_lists LEFT JOIN vicidial_campaigns USING (campaign_id) WHERE campaign_name IS NULL"
    assert not values(engine, homeless)


def test_every_call_row_refers_to_the_catalog(filled: tuple[sa.Engine, SimulatedDialer]) -> None:
    engine, _ = filled
    campaigns = set(values(engine, "SELECT campaign_id FROM vicidial_campaigns"))
    assert set(values(engine, "SELECT DISTINCT campaign_id FROM vicidial_log")) == campaigns
    groups = set(values(engine, "SELECT group_id FROM vicidial_inbound_groups"))
    assert set(values(engine, "SELECT DISTINCT campaign_id FROM vicidial_closer_log")) == groups
    users = set(values(engine, "SELECT user FROM vicidial_users"))
    assert set(values(engine, "SELECT DISTINCT user FROM vicidial_log")) <= users


def test_the_caller_id_chain_leads_from_the_call_to_a_number_of_its_campaign(
    filled: tuple[sa.Engine, SimulatedDialer],
) -> None:
    engine, _ = filled
    chain = (
        "SELECT l.uniqueid FROM vicidial_log l JOIN vicidial_log_extended e USING (uniqueid, lead_id) "
        "JOIN vicidial_dial_cid_log d ON d.caller_code = e.caller_code "
        "JOIN vicidial_campaign_cid_areacodes a ON a.outbound_cid = d.outbound_cid AND a.campaign_id = l.campaign_id"
    )
    linked, all_calls = len(set(values(engine, chain))), values(engine, "SELECT count(*) FROM vicidial_log")[0]
    assert 0.8 * all_calls < linked < all_calls


def test_leads_show_their_last_call(filled: tuple[sa.Engine, SimulatedDialer]) -> None:
    engine, _ = filled
    assert values(engine, "SELECT count(*) FROM vicidial_list WHERE called_count > 0 AND status <> 'NEW'")[0] > 200
    assert not values(engine, "SELECT lead_id FROM vicidial_list WHERE called_count = 0 AND status <> 'NEW'")
    assert values(engine, "SELECT lead_id FROM vicidial_list WHERE lead_id > 400")  # came after the opening
    assert values(engine, "SELECT phone_number FROM vicidial_dnc")
    assert all(phone[3:6] == "555" for phone in values(engine, "SELECT phone_number FROM vicidial_list"))


def test_truth_is_the_live_tables_and_what_only_the_archive_still_holds(
    filled: tuple[sa.Engine, SimulatedDialer],
) -> None:
    engine, dialer = filled
    for table, key in (("vicidial_log", "uniqueid"), ("vicidial_closer_log", "closecallid")):
        truth = {row.source_key: row for row in dialer.truth(dialer.opens_at, NOW) if row.source_table == table}
        live = {str(value) for value in values(engine, f"SELECT {key} FROM {table}")}
        archived = {str(value) for value in values(engine, f"SELECT {key} FROM {table}_archive")}
        assert {key for key, row in truth.items() if row.is_live} == live
        assert set(truth) == live | archived
        assert archived - live
        with engine.connect() as connection:
            for found, status in connection.exec_driver_sql(f"SELECT {key}, status FROM {table}"):
                assert truth[str(found)].status == status


def test_truth_takes_only_the_calls_of_the_span(filled: tuple[sa.Engine, SimulatedDialer]) -> None:
    _, dialer = filled
    start = NOW - timedelta(hours=2)
    rows = list(dialer.truth(start, NOW))
    assert rows
    assert all(start <= row.called_at < NOW for row in rows)


def test_required_and_optional_tables_are_all_that_are_described() -> None:
    assert not set(schema.REQUIRED_TABLES) & set(schema.OPTIONAL_TABLES)
    assert set(schema.REQUIRED_TABLES) | set(schema.OPTIONAL_TABLES) == set(schema.metadata.tables)


def test_sqlite_returns_dates_as_the_mariadb_driver_does(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path)
    schema.create_tables(engine)
    moment = utc("2025-10-20 09:00:00").replace(tzinfo=None)
    rows = [
        {"uniqueid": "1", "lead_id": 1, "call_date": moment},
        {"uniqueid": "2", "lead_id": 1, "call_date": "0000-00-00 00:00:00"},
    ]
    with engine.begin() as connection:
        connection.execute(schema.vicidial_log.insert(), rows)
        dates = connection.scalars(sa.select(schema.vicidial_log.c.call_date).order_by(schema.vicidial_log.c.uniqueid)).all()
        after = connection.scalars(sa.select(schema.vicidial_log.c.uniqueid).where(schema.vicidial_log.c.call_date >= moment))
        assert list(after) == ["1"]
    assert dates == [moment, "0000-00-00 00:00:00"]
    engine.dispose()


@pytest.mark.mariadb
@pytest.mark.parametrize("storage", ["MyISAM", "InnoDB"])
def test_mariadb_gets_the_real_types_keys_and_engine(mariadb_url: str, storage: str) -> None:
    engine = sa.create_engine(mariadb_url)
    schema.create_tables(engine, mysql_engine=storage, skip=("vicidial_list_archive",))
    found = set(values(engine, "SELECT table_name FROM information_schema.tables WHERE table_schema = database()"))
    assert found == set(schema.metadata.tables) - {"vicidial_list_archive"}
    engines = "SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema = database()"
    assert values(engine, engines) == [storage]
    keys = "SELECT DISTINCT index_name FROM information_schema.statistics WHERE table_schema = database() AND table_name = "
    assert set(values(engine, f"{keys}'vicidial_log'")) == {"PRIMARY", "lead_id", "call_date"}
    extra = "SELECT extra FROM information_schema.columns WHERE table_schema = database() AND column_name = 'closecallid'"
    assert sorted(values(engine, extra)) == ["", "auto_increment"]
    engine.dispose()
