"""Trap 9 for what is asked before a write or a push: every statement is bound by an index of the dialer's big tables."""

from typing import Any

import pytest
from builders import NOON
from sqlalchemy import event, text
from writable_dialer import WritableDialer

from vici_brain.vici.lead_lookup import LeadLookup
from vici_brain.vici.sql_writer import SqlCodeWriter

pytestmark = pytest.mark.mariadb
BIG = ("vicidial_list", "vicidial_list_alt_phones", "vicidial_dnc", "vicidial_campaign_dnc", "vicidial_hopper")
ROWS = 3_000


def test_every_read_before_a_write_walks_an_index(mariadb_url: str) -> None:
    dialer = WritableDialer(mariadb_url)
    # MariaDB's sequence engine makes the rows where they are kept.
    for table, columns, values in (
        ("vicidial_list", "lead_id, list_id, phone_number", "seq, 101, CONCAT('212', 2000000 + seq)"),
        ("vicidial_list_alt_phones", "lead_id, phone_number", "seq, CONCAT('312', 2000000 + seq)"),
        ("vicidial_dnc", "phone_number", "CONCAT('415', 2000000 + seq)"),
        ("vicidial_campaign_dnc", "phone_number, campaign_id", "CONCAT('415', 2000000 + seq), 'SOLAR'"),
        ("vicidial_hopper", "lead_id, status", "seq, 'READY'"),
    ):
        dialer.run(f"INSERT INTO {table} ({columns}) SELECT {values} FROM seq_1_to_{ROWS}")
    dialer.run(f"ANALYZE TABLE {', '.join(BIG)}")
    source, asked = dialer.dialer(now=NOON), list[tuple[str, Any]]()
    event.listen(source.engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    ids = list(range(1, 201))
    with source.session(lambda: NOON) as session:
        asked.clear()
        lookup = LeadLookup(session)
        assert len(lookup.leads(ids)) == len(lookup.other_numbers(ids)) == len(ids)
        assert lookup.on_the_phone(ids) == set()
        assert len(lookup.do_not_call("SOLAR", [f"415{2_000_000 + number}" for number in ids])) == len(ids)
        lookup.require_list(101, "solar")
    source.engine.dispose()
    writer = SqlCodeWriter("vici", mariadb_url)
    event.listen(writer.engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    assert writer.write_code(7, "1755041041007").outcome == "written"
    writer.close()
    seen = set()
    with dialer.engine.connect() as connection:
        for statement, values in asked:
            if not statement.lstrip().startswith(("SELECT", "UPDATE")):
                continue
            for step in connection.exec_driver_sql("EXPLAIN " + statement, values).mappings():
                if step["table"] in BIG:
                    seen.add(step["table"])
                    assert step["type"] in {"const", "eq_ref", "ref", "range"}, (statement, dict(step))
                    assert int(step["rows"]) <= 4 * len(ids), (statement, dict(step))
        # What the rows say is what was written, and nothing beside it.
        assert connection.scalar(text("SELECT count(*) FROM vicidial_list WHERE vendor_lead_code <> ''")) == 1
    assert seen == set(BIG)
    dialer.close()
