"""Every way in which a dialer misleads occurs where it is asked for, and nowhere else."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa
from simulated_dialers import new_dialer, small, sqlite_engine, utc, values

from vici_brain.simulation.dialer import SimulatedDialer
from vici_brain.simulation.profile import Behaviours

NOW = utc("2025-10-29 20:30:00")  # a Wednesday, 16:30 on the dialer, just before the cleanup
ALL = Behaviours(**dict.fromkeys(Behaviours().as_dict(), 0.2))

# rows that exist only where the behaviour does
SIGNS = {
    "key_rewrites": "SELECT caller_code FROM vicidial_log_extended GROUP BY caller_code HAVING count(*) > 1",
    "fake_ids": "SELECT uniqueid FROM vicidial_log WHERE uniqueid LIKE '%.000000___'",
    "missed_starts": "SELECT uniqueid FROM vicidial_log "
    "WHERE comments = 'MANUAL' AND length_in_sec = 0 AND length(uniqueid) < 20",
    "local_twins": "SELECT uniqueid FROM vicidial_log WHERE status = 'PU' AND end_epoch > 0",
    "late_no_answers": "SELECT uniqueid FROM vicidial_log WHERE comments = 'AUTONA'",
    "late_machines": "SELECT uniqueid FROM vicidial_log WHERE status = 'AA' AND length_in_sec = 3",
    "stuck_calls": "SELECT uniqueid FROM vicidial_log WHERE status = 'INCALL' AND call_date LIKE '2025-10-28%'",
    "slow_dispositions": "SELECT uniqueid FROM vicidial_log WHERE status = 'DISPO' AND end_epoch < 1761769800 - 120",
    "late_edits": "SELECT uniqueid FROM vicidial_log l JOIN vicidial_log_archive a USING (uniqueid) WHERE a.status <> l.status",
    "alt_dials": "SELECT uniqueid FROM vicidial_log WHERE alt_dial = 'ALT'",
    "transfers": "SELECT uniqueid FROM vicidial_closer_log GROUP BY uniqueid HAVING count(*) > 2",
    "digit_handoffs": "SELECT l.uniqueid FROM vicidial_log l JOIN vicidial_closer_log c USING (uniqueid, lead_id, start_epoch)",
    "night_calls": "SELECT uniqueid FROM vicidial_closer_log WHERE status = 'AFTHRS'",
    "missing_caller_ids": "SELECT uniqueid FROM vicidial_log l LEFT JOIN vicidial_log_extended e USING (uniqueid) "
    "WHERE e.uniqueid IS NULL AND l.status = 'NA'",
    "blank_term_reasons": "SELECT uniqueid FROM vicidial_log WHERE term_reason = ''",
    "zero_dates": "SELECT uniqueid FROM vicidial_log_archive WHERE call_date = '0000-00-00 00:00:00'",
    "null_ends": "SELECT uniqueid FROM vicidial_log WHERE status = 'NA' AND end_epoch IS NULL",
    "negative_lengths": "SELECT uniqueid FROM vicidial_log WHERE length_in_sec < 0",
    "huge_lengths": "SELECT uniqueid FROM vicidial_log WHERE length_in_sec > 86400",
    "missing_lists": "SELECT uniqueid FROM vicidial_log WHERE list_id = 0",
    "blank_statuses": "SELECT uniqueid FROM vicidial_log WHERE status = ''",
    "unknown_statuses": "SELECT uniqueid FROM vicidial_log WHERE status IN ('na', 'ZZTOP', 'HUC20')",
    "year_epochs": "SELECT uniqueid FROM vicidial_closer_log WHERE start_epoch = 2025",
    "anonymous_callers": "SELECT uniqueid FROM vicidial_closer_log WHERE phone_number = 'anonymous'",
    "raw_callers": "SELECT uniqueid FROM vicidial_closer_log WHERE length(phone_number) = 11",
    "shared_phones": "SELECT phone_number FROM vicidial_list GROUP BY 1 HAVING count(*) > 1",
    "missing_vendor_codes": "SELECT lead_id FROM vicidial_list WHERE coalesce(length(vendor_lead_code), 0) <> 13",
    "list_moves": "SELECT lead_id FROM vicidial_list WHERE list_id <> entry_list_id",
    "lead_archives": "SELECT lead_id FROM vicidial_list_archive",
    "lead_deletes": "SELECT l.lead_id FROM vicidial_list l LEFT JOIN vicidial_list p ON p.lead_id = l.lead_id - 1 "
    "LEFT JOIN vicidial_list_archive a ON a.lead_id = l.lead_id - 1 "
    "WHERE l.lead_id > 1 AND p.lead_id IS NULL AND a.lead_id IS NULL",
}
IN_BRAIN = {"unknown_to_brain", "late_in_brain", "without_external_id"}


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, sa.Engine]:
    folder, found = tmp_path_factory.mktemp("behaviours"), {}
    for name, behaviours in (("odd", ALL), ("good", Behaviours.none())):
        found[name] = sqlite_engine(folder, name)
        profile = small(behaviours=behaviours, calls_per_day=900, leads=900, new_leads_per_day=5)
        new_dialer(found[name], profile).load_history(NOW)
    return found


def test_every_behaviour_has_a_sign() -> None:
    assert set(SIGNS) | IN_BRAIN == set(Behaviours().as_dict())


@pytest.mark.parametrize("behaviour", SIGNS)
def test_a_behaviour_occurs_when_it_is_asked_for_and_never_otherwise(behaviour: str, engines: dict[str, sa.Engine]) -> None:
    assert values(engines["odd"], SIGNS[behaviour])
    assert not values(engines["good"], SIGNS[behaviour])


def test_brain_knows_all_leads_before_they_are_called_unless_told_otherwise(engines: dict[str, sa.Engine]) -> None:
    profile = small(new_leads_per_day=0)
    good = SimulatedDialer(engines["good"], replace(profile, behaviours=Behaviours.none()))
    odd = SimulatedDialer(engines["odd"], replace(profile, behaviours=ALL))
    leads = list(good.brain_leads(None, good.opens_at))
    assert len({lead.external_lead_id for lead in leads}) == len(leads) == 400
    assert len({lead.phone[-4:] + lead.phone[:5] for lead in leads}) > 350
    late = list(odd.brain_leads(odd.opens_at, NOW))
    early = list(odd.brain_leads(None, odd.opens_at))
    assert late
    assert 250 < len(early) + len(late) < 350
    assert any(lead.external_lead_id is None for lead in early)
    assert {lead.phone[0] for lead in early} > {"+", "("}


def test_brain_hears_of_each_lead_once_however_often_it_asks(engines: dict[str, sa.Engine]) -> None:
    dialer = SimulatedDialer(engines["odd"], small(behaviours=ALL, new_leads_per_day=5))
    whole = list(dialer.brain_leads(None, NOW))
    halves = [*dialer.brain_leads(None, NOW - timedelta(days=3)), *dialer.brain_leads(NOW - timedelta(days=3), NOW)]
    assert halves == whole
    assert all(first.created_at <= second.created_at for first, second in pairwise(whole))


def test_a_call_goes_through_its_states_and_its_twin_disappears(tmp_path: Path) -> None:
    behaviours = replace(Behaviours.none(), local_twins=1.0, key_rewrites=1.0)
    engine = sqlite_engine(tmp_path)
    dialer = new_dialer(engine, small(behaviours=behaviours, calls_per_day=900, manual_share=0.3, first_day=NOW.date()))
    dialer.load_history(NOW)
    states: dict[tuple[int, int], set[str]] = {}
    keys: dict[tuple[int, int], set[str]] = {}
    for step in range(250):
        dialer.advance(NOW + timedelta(seconds=3 * step))
        with engine.connect() as connection:
            query = "SELECT lead_id, called_count, uniqueid, status FROM vicidial_log WHERE start_epoch > 1761769800"
            for lead, count, key, status in connection.exec_driver_sql(query):
                states.setdefault((lead, count), set()).add(status)
                keys.setdefault((lead, count), set()).add(key)
    assert any({"PU", "INCALL", "DISPO"} < seen for seen in states.values())
    assert any({"INCALL", "DISPO"} < seen and "PU" not in seen for seen in states.values())
    assert any(len(found) == 2 for found in keys.values())
    twins = "SELECT uniqueid FROM vicidial_log WHERE status = 'PU' AND end_epoch BETWEEN 1761769800 AND 1761770400"
    assert values(engine, twins)
    dialer.advance(NOW + timedelta(hours=2))
    assert not values(engine, twins)
    engine.dispose()


def test_shares_outside_0_and_1_are_refused() -> None:
    with pytest.raises(ValueError, match="late_edits"):
        Behaviours(late_edits=1.5)
