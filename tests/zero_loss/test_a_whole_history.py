"""Ninety days of a misbehaving dialer on MariaDB (MyISAM), more than a hundred thousand calls, landed in Brain: compared call by
call and column by column with SQL that shares nothing with the reader."""

from datetime import UTC, datetime, timedelta

import pytest
from oracle import Oracle
from sqlalchemy import Engine, create_engine, text

from vici_brain.brain.leads import LeadStore
from vici_brain.domain.windows import Window, floor_to
from vici_brain.flows.sync_calls import fetch_history
from vici_brain.flows.syncing import Syncing
from vici_brain.simulation.dialer import SimulatedDialer
from vici_brain.simulation.profile import DialerProfile
from vici_brain.vici.dialer import Dialer

ZONE = "America/New_York"


@pytest.mark.mariadb
def test_ninety_days_of_calls_land_whole_and_a_second_run_changes_nothing(mariadb_url: str, brain: Engine) -> None:
    # F004 F006 F008 F009 F014 F015 F021 F022 F023 F030 F047
    until = floor_to(datetime.now(UTC), timedelta(minutes=5))
    first = (until - timedelta(days=90)).date()
    engine = create_engine(mariadb_url)
    site = SimulatedDialer(engine, DialerProfile(first_day=first, time_zone=ZONE, calls_per_day=1750, leads=15_000))
    site.create()
    site.load_history(until)
    LeadStore(brain).insert(site.brain_leads(None, until), source="simulation")
    engine.dispose()
    dialer = Dialer("vici", mariadb_url, ZONE)
    sync = Syncing(dialer, brain, lambda: datetime.now(UTC))
    window = Window(until - timedelta(days=91), until)
    oracle = Oracle(mariadb_url, brain, ZONE)

    batches = list(fetch_history(sync, "test", window))

    assert len(batches) == 13
    assert sum(read.rows_new for read, _ in batches) > 100_000
    assert oracle.differences() == []
    before = oracle.fingerprint()
    again = [read for read, _ in fetch_history(sync, "test", window)]
    assert sum(read.rows_new + read.rows_updated + read.rows_vanished for read in again) == 0
    assert oracle.fingerprint() == before
    assert all(read.buckets_differing == 0 and read.buckets_proven > 0 for read in again)
    with brain.connect() as connection:
        per_day = connection.execute(
            text(
                "SELECT sum(calls) AS calls, count(*) AS days FROM (SELECT date(call_date) AS day, count(*) AS calls"
                " FROM (SELECT call_date FROM vici_call_metrics UNION ALL SELECT call_date FROM orphan_call_logs) AS halves"
                " GROUP BY 1) AS daily"
            )
        ).one()
    assert per_day.calls == len(oracle.held())
    assert per_day.days >= 78
    dialer.engine.dispose()
    oracle.close()
