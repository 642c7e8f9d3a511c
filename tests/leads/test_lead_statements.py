"""Trap 9: every statement about leads is bound by an index, on the dialer and in Brain, and names only columns that are there."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from builders import exchange
from lead_sites import LeadSite
from sqlalchemy import Connection, Engine, Table, text

from vici_brain.brain.lead_files import forget_numbers, stage_file_leads
from vici_brain.brain.lead_groups import merge_groups
from vici_brain.brain.lead_mirror import IN_ORDER, LeadMirror
from vici_brain.brain.lead_writer import stage
from vici_brain.brain.sql import load
from vici_brain.domain.lead_files import FileLead
from vici_brain.domain.lead_import import CRM_STATUS
from vici_brain.errors import ConfigurationError
from vici_brain.flows.import_leads import BATCH
from vici_brain.vici import lead_reader, schema

ROWS, FRESH = 3_000, 30_000


@pytest.fixture
def dialer(mariadb_url: str, brain: Engine) -> Iterator[LeadSite]:
    with exchange(mariadb_url) as opened:
        site = LeadSite(opened, brain)
        rows = [{"lead_id": n, "phone_number": f"212555{n:04}", "list_id": 101, "phone_code": "1"} for n in range(1, ROWS + 1)]
        for table in ("vicidial_list", "vicidial_list_archive"):
            site.site.put(table, *rows)
        site.site.run("ANALYZE TABLE vicidial_list, vicidial_list_archive, vicidial_lists")
        yield site


@pytest.mark.mariadb
@pytest.mark.parametrize("table", [schema.vicidial_list, schema.vicidial_list_archive], ids=lambda table: table.name)
def test_no_statement_reads_all_leads_of_a_dialer(dialer: LeadSite, table: Table) -> None:
    statements = {
        "first page": (lead_reader.page_statement(table, 0, None, 100), "PRIMARY"),
        "last page": (lead_reader.page_statement(table, ROWS - 100, None, 100), "PRIMARY"),
        "stretch": (lead_reader.page_statement(table, 100, 200, 100), "PRIMARY"),
        "by id": (lead_reader.ids_statement(table, [5, 6, 7]), "PRIMARY"),
        "by number": (lead_reader.phone_statement(table, ["2125550005", "12125550005"]), "phone_number"),
    }
    with dialer.site.engine.connect() as connection:
        for name, (statement, key) in statements.items():
            sql = statement.compile(dialer.site.engine, compile_kwargs={"literal_binds": True}).string
            steps = [dict(row) for row in connection.execute(text("EXPLAIN " + sql.replace(":", "\\:"))).mappings()]
            (step,) = [each for each in steps if each["table"] == table.name]
            assert (step["type"], str(step["key"]).removesuffix("_list_id")) == ("range", key), (name, step)
            assert "filesort" not in (step["Extra"] or ""), (name, step)


@pytest.mark.mariadb
def test_a_login_that_may_not_read_leads_is_told_the_grants(mariadb_url: str, brain: Engine) -> None:
    with exchange(mariadb_url) as opened:  # without vicidial_lists
        dialer = opened.dialer()
        said = r"GRANT SELECT \(list_id, campaign_id\) ON vicidial_lists"
        with dialer.session(lambda: datetime.now(UTC)) as session, pytest.raises(ConfigurationError, match=said):
            lead_reader.require_lead_tables(session)
        dialer.engine.dispose()


@pytest.fixture(params=["never analysed", "analysed when it held a hundred leads"])
def full_brain(brain: Engine, request: pytest.FixtureRequest) -> Engine:
    """Brain whose leads and mirror have just grown by 30,000 rows: the planner has not heard of it, or believes otherwise."""
    stale = request.param != "never analysed"
    with brain.begin() as connection:
        for table in ("leads", "vici_lead_links"):
            connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
        for first, last in ((1, 100), (101, FRESH)):
            scope = {"first": first, "last": last}
            connection.execute(
                text(
                    "INSERT INTO leads (id, external_lead_id, phone)"
                    " SELECT n, (1600000000000 + n)::text, '212' || lpad(n::text, 7, '0')"
                    " FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) n"
                ),
                scope,
            )
            connection.execute(
                text(
                    "INSERT INTO vici_lead_links (instance, vici_lead_id, phone_key, phone_number, status, called_count, seen_at,"
                    " needs_merge, campaign_id, profile, lead_id)"
                    " SELECT 'vici', n, '1212' || lpad(n::text, 7, '0'), '212' || lpad(n::text, 7, '0'), 'NEW', 0, now(),"
                    " true, 'AUTO2', '{}', n FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) n"
                ),
                scope,
            )
            if stale and last < FRESH:
                connection.execute(text("ANALYZE leads, vici_lead_links"))
    return brain


def plan_of(connection: Connection, name: str, scope: dict[str, object]) -> str:
    """How the statement would be carried out with values that the planner knows."""
    statement = load(name).text
    bound = {key: value for key, value in scope.items() if f":{key}" in statement}
    return "\n".join(row[0] for row in connection.execute(text(f"EXPLAIN {statement}"), bound))


def is_bound(plan: str) -> None:
    for table in ("leads", "vici_lead_links"):
        assert f"Seq Scan on {table}" not in plan, plan
    # Walking one dialer's whole mirror by its key is no better than reading all of it.
    assert "Index Cond: (instance = 'vici'::text)\n" not in plan + "\n", plan


STATEMENTS = (
    *("resolve_arriving_leads", "withhold_deleted_leads", "clashing_codes", "allocate_codes", "link_arriving_leads"),
    *("settle_groups", "merge_lead_groups"),
)


def test_no_statement_reads_all_leads_of_brain(full_brain: Engine) -> None:
    # As many as a batch of the import.
    keys = [f"1212{n:07}" for n in range(1, BATCH + 1)]
    scope: dict[str, object] = {
        **dict.fromkeys(("unknown", "do_not_call"), "U"),
        "instance": "vici",
        "at": "2025-06-10",
        "import_id": 1,
        "keys": keys,
        "statuses": "{}",
        "campaign": "auto2",
        "after": "12120010000",
        "only": None,
        "limit": BATCH,
    }
    with full_brain.connect() as connection:
        stage(connection)
        merge_groups(connection, "vici", keys, CRM_STATUS)
        connection.execute(text("ANALYZE arriving_leads"))
        plans = {name: plan_of(connection, name, scope) for name in STATEMENTS}
        connection.execute(IN_ORDER)
        walks = [plan_of(connection, f"pending_groups_{name}", scope) for name in ("of_campaign", "with_a_lead")]
        connection.rollback()
        with full_brain.connect() as filing:
            forget_numbers(filing)
            numbers = [FileLead(n, f"212{n:07}", keys[n - 1], None, {}) for n in range(1, BATCH + 1)]
            stage_file_leads(filing, numbers, match_vici=True)
            plans["stage_file_leads"] = plan_of(filing, "stage_file_leads", scope | {"match_vici": True})
            filing.rollback()
    for plan in (*plans.values(), *walks):
        is_bound(plan)
    for plan in walks:
        # In the order of the index, so that the limit stops the walk.
        assert "Sort" not in plan, plan


def test_pages_land_over_the_key_of_the_mirror(full_brain: Engine) -> None:
    from vici_brain.domain.lead_import import ViciLead  # noqa: PLC0415 - only here

    leads = [ViciLead(n, f"212{n:07}", vendor_lead_code=f"{1600000000000 + n}") for n in range(1, 200)]
    with full_brain.connect() as connection:
        mirror = LeadMirror(connection, "vici", "America/New_York")
        connection.execute(load("stage_vici_leads"))
        mirror._copy(leads)
        connection.execute(text("ANALYZE staged_vici_leads"))
        scope = {"instance": "vici", "zone": "UTC", "at": "2025-06-10", "after": 0, "until": 500}
        for name in ("moved_vici_leads", "mirror_vici_leads", "gone_vici_leads"):
            is_bound(plan_of(connection, name, scope))
        connection.rollback()
