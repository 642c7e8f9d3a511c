"""The indexes that a first history is read without: gone while an empty table fills, back whatever happens after."""

from uuid import uuid4

import pytest
from builders import NOON, land, raw_row
from sqlalchemy import Engine, create_engine, make_url, text

from vici_brain.brain.call_indexes import AFTERWARDS, made_afterwards, make_missing

_DEFINED = text("""
    SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'vici_call_logs' AND indexname = ANY (:names)
""")


def defined(brain: Engine) -> dict[str, str]:
    with brain.connect() as connection:
        rows = connection.execute(_DEFINED, {"names": list(AFTERWARDS)})
        return {row.indexname: row.indexdef for row in rows}


def test_an_empty_table_fills_without_them_and_has_them_afterwards_as_the_migrations_made_them(brain: Engine) -> None:
    before = defined(brain)
    assert before.keys() == AFTERWARDS.keys()
    with made_afterwards(brain):
        assert defined(brain) == {}
        land(brain, [raw_row(NOON, source_key="k1")])
    assert defined(brain) == before


def test_a_table_that_holds_calls_keeps_them(brain: Engine) -> None:
    land(brain, [raw_row(NOON, source_key="k1")])
    with made_afterwards(brain):
        assert defined(brain).keys() == AFTERWARDS.keys()


def test_what_a_fetch_that_ended_early_left_missing_is_made_by_the_next_who_looks(brain: Engine) -> None:
    before = defined(brain)

    def interrupted() -> None:
        with made_afterwards(brain):
            land(brain, [raw_row(NOON, source_key="k1")])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert defined(brain) == {}
    make_missing(brain)
    assert defined(brain) == before


def test_one_whose_making_was_interrupted_is_made_again(brain: Engine) -> None:
    name = next(iter(AFTERWARDS))
    invalid = text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = CAST(:name AS regclass)")
    usable = text("SELECT indisvalid FROM pg_index WHERE indexrelid = CAST(:name AS regclass)")
    with brain.begin() as connection:
        connection.execute(invalid, {"name": name})
    make_missing(brain)
    with brain.connect() as connection:
        assert connection.scalar(usable, {"name": name})


def test_nobody_makes_them_while_another_fills_the_table(brain: Engine) -> None:
    with made_afterwards(brain):
        make_missing(brain)
        with made_afterwards(brain):
            pass
        assert defined(brain) == {}


def test_a_table_that_somebody_reads_for_long_keeps_them(brain: Engine) -> None:
    with brain.connect() as reader:
        reader.execute(text("SELECT FROM vici_call_logs"))
        with made_afterwards(brain):
            assert defined(brain).keys() == AFTERWARDS.keys()


def test_where_the_table_belongs_to_another_role_its_indexes_are_left_to_that_role(brain: Engine) -> None:
    role = f"reader_{uuid4().hex[:8]}"
    with brain.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role} LOGIN PASSWORD 'simulated'"))
        connection.execute(text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"))
    guest = create_engine(make_url(brain.url).set(username=role, password="simulated"))
    try:
        with made_afterwards(guest):
            assert defined(brain).keys() == AFTERWARDS.keys()
        with brain.begin() as connection:
            connection.execute(text(f"DROP INDEX {next(iter(AFTERWARDS))}"))
        make_missing(guest)
        assert len(defined(brain)) == len(AFTERWARDS) - 1
    finally:
        guest.dispose()
        with brain.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {role}"))
            connection.execute(text(f"DROP ROLE {role}"))
