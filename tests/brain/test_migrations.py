"""Brain's schema: the migrations make it, the descriptions in Core agree with it, and the CRM's own leads survive it."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, inspect, text

import vici_brain.brain.migrations
from vici_brain.brain.database import migrate, open_brain
from vici_brain.brain.schema import metadata, orphan_call_logs, vici_call_logs, vici_call_metrics
from vici_brain.errors import ConfigurationError


def test_migrating_an_empty_database_applies_every_revision_once(empty_brain_url: str) -> None:
    engine = open_brain(empty_brain_url)
    applied = migrate(engine)
    assert len(applied) >= 12
    assert applied == [f"{number:04}" for number in range(1, len(applied) + 1)]
    assert migrate(engine) == []
    engine.dispose()


def test_the_tables_described_in_core_are_those_of_the_migrated_database(brain: Engine) -> None:
    with brain.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_name": lambda name, kind, _parents: kind != "table" or name in metadata.tables,
                "include_object": lambda _object, _name, kind, _reflected, _compared: kind != "index",
            },
        )
        differences = [entry for entry in compare_metadata(context, metadata) if "comment" not in str(entry)]
    assert differences == []


@pytest.mark.parametrize("half", [vici_call_metrics, orphan_call_logs], ids=lambda half: half.name)
def test_both_halves_have_every_column_of_the_table_of_calls(brain: Engine, half: object) -> None:
    columns = [column["name"] for column in inspect(brain).get_columns(half.name)]  # type: ignore[attr-defined]
    assert columns == [column.name for column in vici_call_logs.columns]


def test_leads_of_the_crm_are_used_as_they_are(empty_brain_url: str) -> None:
    engine = open_brain(empty_brain_url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE leads"
                " (id bigint, external_lead_id varchar(20), phone varchar(30), created_at timestamptz, extra int)"
            )
        )
        connection.execute(text("INSERT INTO leads VALUES (7, '1755041041000', '(555) 555-0100', now(), 1)"))
    migrate(engine)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT extra FROM leads")) == 1
    engine.dispose()


def test_a_table_of_leads_without_the_columns_we_use_is_refused_and_nothing_is_made(empty_brain_url: str) -> None:
    engine = open_brain(empty_brain_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE leads (id bigint, external_lead_id text)"))
    with pytest.raises(ConfigurationError, match="leads lacks phone, created_at"):
        migrate(engine)
    assert inspect(engine).get_table_names() == ["leads"]
    engine.dispose()


def functions(connection: Connection) -> dict[str, tuple[str, str | None]]:
    """Every function of Brain, as PostgreSQL would make it again, and who may call it."""
    question = text(
        "SELECT oid::regprocedure::text AS name, pg_get_functiondef(oid) AS made, proacl::text AS rights FROM pg_proc"
        " WHERE pronamespace = current_schema()::regnamespace AND prokind = 'f'"
    )
    return {row.name: (row.made, row.rights) for row in connection.execute(question)}


def test_going_back_behind_the_open_alerts_leaves_every_function_as_it_was(empty_brain_url: str) -> None:
    engine = open_brain(empty_brain_url)
    config = Config()
    config.set_main_option("script_location", vici_brain.brain.migrations.__path__[0])
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0015")
        before = functions(connection)
        command.upgrade(config, "0016")
        after = functions(connection)
        changed = {name.partition("(")[0] for name in after if after[name] != before.get(name)}
        assert changed == {"open_alerts", "close_alerts", "drop_premature_flags", "calls_flag_changed_disagreement"}
        command.downgrade(config, "0015")
        assert functions(connection) == before
    engine.dispose()
