"""Leads of a file on their way into Brain.

Belongs here: staging them, with what the dialers have of their numbers. Does not: reading the file (flows/import_csv) or writing
leads (brain/lead_writer).
"""

import json
from collections.abc import Sequence
from typing import cast

import psycopg
from sqlalchemy import Connection, text

from vici_brain.brain.lead_writer import stage
from vici_brain.brain.sql import load
from vici_brain.domain.lead_files import FileLead
from vici_brain.domain.lead_import import CRM_STATUS, DO_NOT_CALL, UNKNOWN

_STAGED = text("""
    CREATE TEMPORARY TABLE staged_file_leads (line bigint, phone text, phone_key text COLLATE "C", code text, profile jsonb)
    ON COMMIT DROP
""")
_COPY = "COPY staged_file_leads (line, phone, phone_key, code, profile) FROM STDIN"
_DIALERS = text("""
    SELECT DISTINCT kept.instance FROM arriving_leads AS arriving CROSS JOIN LATERAL (
        SELECT instance, seen_at FROM vici_lead_links WHERE vici_lead_links.phone_key = arriving.phone_key OFFSET 0
    ) AS kept
    WHERE kept.seen_at IS NOT NULL ORDER BY 1
""")
_FOUND = text("SELECT count(*) FROM arriving_leads WHERE leader IS NOT NULL")
# In the database and not in a set of Python's, whose size the file's would decide; and as numbers, which take half the room.
_NO_NUMBERS = text("DROP TABLE IF EXISTS file_numbers")
_NUMBERS = text("CREATE TEMPORARY TABLE file_numbers (number bigint PRIMARY KEY) ON COMMIT PRESERVE ROWS")
_REMEMBER = text("""
    INSERT INTO file_numbers SELECT number FROM unnest(CAST(:numbers AS bigint[])) AS seen (number) ORDER BY 1
    ON CONFLICT DO NOTHING
""")


def forget_numbers(connection: Connection) -> None:
    """Before the first batch of a file: none of its numbers was seen."""
    connection.execute(_NO_NUMBERS)
    connection.execute(_NUMBERS)


def remember_numbers(connection: Connection, leads: Sequence[FileLead]) -> None:
    """Later rows of these numbers are repetitions, in whatever batch they come."""
    connection.execute(_REMEMBER, {"numbers": [int(lead.phone_key) for lead in leads]})


def stage_file_leads(connection: Connection, leads: Sequence[FileLead], *, match_vici: bool) -> None:
    """Makes ``leads`` the arriving ones, one for each number that was not seen yet; a status only where a dialer gives one."""
    stage(connection)
    connection.execute(text("DROP TABLE IF EXISTS staged_file_leads"))
    connection.execute(_STAGED)
    driver = cast("psycopg.Connection[tuple[object, ...]]", connection.connection.driver_connection)
    with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
        for lead in leads:
            copy.write_row((lead.line, lead.phone_number, lead.phone_key, lead.code, json.dumps(dict(lead.profile))))
    connection.execute(text("ANALYZE staged_file_leads"))
    words = {"statuses": json.dumps(dict(CRM_STATUS)), "do_not_call": DO_NOT_CALL, "unknown": UNKNOWN}
    connection.execute(load("stage_file_leads"), words | {"match_vici": match_vici})


def dialers_of_arriving(connection: Connection) -> list[str]:
    """The dialers that have one of the arriving numbers."""
    return list(connection.scalars(_DIALERS))


def found_at_dialers(connection: Connection) -> int:
    """How many of the arriving numbers a dialer has."""
    return int(connection.scalar(_FOUND) or 0)
