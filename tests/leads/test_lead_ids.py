"""The allocator: 13 digits, ascending, never twice, whoever asks."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from builders import add_lead, leads_of_a_crm, one
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from vici_brain.brain.database import migrate, open_brain
from vici_brain.brain.lead_ids import allocate_external_lead_ids
from vici_brain.domain.identifiers import is_external_lead_id


def test_fifty_writers_at_once_never_get_the_same_id(brain_url: str) -> None:
    engine = open_brain(brain_url)
    crowd = engine.execution_options()

    def ask_for(turn: int) -> list[str]:
        with crowd.connect() as connection:
            got = [each for _ in range(40) for each in allocate_external_lead_ids(connection)]
            # Every third writer gives up: what it was given is not given again.
            connection.rollback() if turn % 3 == 0 else connection.commit()
        return got

    with ThreadPoolExecutor(50) as pool:
        ids = [each for got in pool.map(ask_for, range(50)) for each in got]
    engine.dispose()
    assert len(ids) == len(set(ids)) == 2_000
    assert all(is_external_lead_id(each) for each in ids)


def test_two_thousand_ids_in_one_second_ascend_and_begin_now(brain: Engine) -> None:
    before = int(datetime.now(UTC).timestamp() * 1000)
    with brain.begin() as connection:
        ids = allocate_external_lead_ids(connection, 2_000)
        more = allocate_external_lead_ids(connection)
    assert len(ids) == 2_000
    assert ids == sorted(set(ids))
    assert before - 1_000 <= int(ids[0]) <= before + 60_000
    assert int(more[0]) == int(ids[-1]) + 1


def test_an_id_that_a_lead_has_already_is_passed_over(brain: Engine) -> None:
    with brain.begin() as connection:
        (first,) = allocate_external_lead_ids(connection)
        ahead = int(first) + 60_000
        connection.execute(text("SELECT setval('external_lead_ids', :ahead)"), {"ahead": ahead})
    add_lead(brain, 1, code=str(ahead + 2))
    with brain.begin() as connection:
        assert allocate_external_lead_ids(connection, 3) == [str(ahead + step) for step in (1, 3, 4)]


def test_nothing_is_given_for_nothing_and_too_much_is_refused(brain: Engine) -> None:
    with brain.begin() as connection:
        assert allocate_external_lead_ids(connection, 0) == []
    with brain.connect() as connection, pytest.raises(Exception, match="between 0 and 1,000,000"):
        allocate_external_lead_ids(connection, 1_000_001)
    ours = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    with brain.begin() as connection:
        held = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7413002 AND {ours}"
        assert connection.scalar(text(held)) == 0


@pytest.mark.parametrize("code", ["175504104100", "17550410410000", "1755041o41000"])
def test_leads_of_ours_take_no_other_form_of_id(brain: Engine, code: str) -> None:
    with pytest.raises(IntegrityError, match="13_digits"):
        add_lead(brain, 1, code=code)


def test_leads_of_ours_take_no_id_twice(brain: Engine) -> None:
    add_lead(brain, 1, code="1755041041000")
    with pytest.raises(IntegrityError, match="unique"):
        add_lead(brain, 2, code="1755041041000")
    leads_of_a_crm(brain)
    add_lead(brain, 2, code="1755041041000")


def test_leads_of_a_crm_get_no_rules(empty_brain_url: str) -> None:
    engine = open_brain(empty_brain_url)
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE leads (id bigint, external_lead_id text, phone text, created_at timestamptz, vendor_name text)")
        )
    migrate(engine)
    for lead_id in (1, 2):
        add_lead(engine, lead_id, code="175504104")
    assert one(engine, "SELECT count(*) FROM leads") == 2
    engine.dispose()
