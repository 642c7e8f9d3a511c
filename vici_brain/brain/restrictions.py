"""Why a lead may not be called, kept as separate facts: do not call, and called lately.

Belongs here: lead_call_restrictions, and the same said on the CRM's own row where it has the columns and grants the right. Does
not: the verdict (domain/recent_calls).
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from vici_brain.domain.recent_calls import DO_NOT_CALL, RECENTLY_CALLED, Verdict

# A repeated finding keeps the first day and, of DO_NOT_CALL, the first reason: that one was true even if its row is gone now.
_KEEP = text("""
    INSERT INTO lead_call_restrictions AS held
        (lead_id, restriction, reason, phone_key, last_call_at, callable_after, first_seen_at, last_seen_at)
    VALUES (:lead, :restriction, :reason, :phone, :last_call_at, :callable_after, :now, :now)
    ON CONFLICT (lead_id, restriction) DO UPDATE SET
        reason = CASE WHEN held.restriction = 'DO_NOT_CALL' THEN held.reason ELSE excluded.reason END,
        last_call_at = excluded.last_call_at, callable_after = excluded.callable_after, last_seen_at = excluded.last_seen_at
""")
_FORBIDDEN = text(
    "SELECT lead_id, reason FROM lead_call_restrictions WHERE restriction = 'DO_NOT_CALL' AND lead_id = ANY(:leads)"
)
# Over lead_call_restrictions_forbidden: what was forbidden for a number stays so when its lead was deleted or imported anew.
_FORBIDDEN_NUMBERS = text(
    "SELECT phone_key, reason FROM lead_call_restrictions WHERE restriction = 'DO_NOT_CALL' AND phone_key = ANY(:keys)"
)
_MARKED_NUMBERS = text("""
    SELECT DISTINCT asked.key FROM unnest(CAST(:keys AS text[])) AS asked (key) CROSS JOIN LATERAL (
        SELECT status FROM leads WHERE normalised_phone('1'::text, leads.phone::text) = asked.key OFFSET 0
    ) AS same
    WHERE upper(same.status) = 'DO_NOT_CALL'
""")
_COLUMNS = text("""
    SELECT column_name, data_type FROM information_schema.columns
    WHERE table_schema = current_schema() AND table_name = 'leads' AND column_name IN ('status', 'meta')
      AND has_column_privilege('leads', column_name, 'UPDATE') AND has_column_privilege('leads', column_name, 'SELECT')
""")
_HAS_STATUS = text("""
    SELECT EXISTS (SELECT 1 FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = 'leads' AND column_name = 'status')
""")
_STATUS = text("""
    UPDATE leads SET status = :status WHERE id = :lead AND upper(coalesce(status, '')) <> 'DO_NOT_CALL'
      AND (:status = 'DO_NOT_CALL' OR lower(coalesce(status, '')) IN ('', 'new', 'received')) AND status IS DISTINCT FROM :status
""")
_FREED = text("UPDATE leads SET status = 'new' WHERE id = :lead AND status = 'recently_called'")


@dataclass(frozen=True, slots=True)
class Restricted:
    lead_id: int
    verdict: Verdict
    phone_key: str | None
    last_call_at: datetime | None


def forbidden_leads(connection: Connection, leads: Collection[int]) -> dict[int, str]:
    """Leads that must not be called whatever the dialer's lists say today, with the reason: sticky, here or in the CRM."""
    found = {row.lead_id: row.reason for row in connection.execute(_FORBIDDEN, {"leads": list(leads)})}
    if connection.scalar(_HAS_STATUS):
        marked = text("SELECT id FROM leads WHERE id = ANY(:leads) AND upper(status) = 'DO_NOT_CALL'")
        found |= {lead: "the CRM's status" for lead in connection.scalars(marked, {"leads": list(leads)}) if lead not in found}
    return found


def forbidden_numbers(connection: Connection, keys: Collection[str]) -> dict[str, str]:
    """Phone keys that must not be called, because a lead of theirs, there still or not, must not be."""
    values = {"keys": sorted(keys)}
    found = {row.phone_key: row.reason for row in connection.execute(_FORBIDDEN_NUMBERS, values)}
    if connection.scalar(_HAS_STATUS):
        found |= {key: "the CRM's status" for key in connection.scalars(_MARKED_NUMBERS, values) if key not in found}
    return found


def keep_restrictions(connection: Connection, restricted: Iterable[Restricted], now: datetime) -> None:
    """Writes down every fact of each verdict; ``unknown`` is no fact about a lead and is left out."""
    columns = {row.column_name: row.data_type for row in connection.execute(_COLUMNS)}
    for each in restricted:
        facts = [(fact, why) for fact, why in each.verdict.facts if fact in {DO_NOT_CALL, RECENTLY_CALLED}]
        for fact, why in facts:
            recent = fact == RECENTLY_CALLED
            values = {"lead": each.lead_id, "restriction": fact, "reason": why, "phone": each.phone_key, "now": now}
            times = {"last_call_at": each.last_call_at, "callable_after": each.verdict.callable_after}
            connection.execute(_KEEP, values | (times if recent else dict.fromkeys(times)))
        if facts and "status" in columns:
            connection.execute(_STATUS, {"lead": each.lead_id, "status": facts[0][0]})
        if facts and columns.get("meta") in {"json", "jsonb"}:
            _tell_meta(connection, each, facts, columns["meta"], now)


def freed(connection: Connection, lead_id: int) -> None:
    """Takes the mark ``recently_called`` off a lead whose 30 days are over; the record of it stays."""
    if any(row.column_name == "status" for row in connection.execute(_COLUMNS)):
        connection.execute(_FREED, {"lead": lead_id})


def _tell_meta(connection: Connection, each: Restricted, facts: Sequence[tuple[str, str]], kind: str, now: datetime) -> None:
    told = {fact: {"reason": why, "since": now.isoformat()} for fact, why in facts}
    if RECENTLY_CALLED in told and each.verdict.callable_after is not None:
        told[RECENTLY_CALLED]["callable_after"] = each.verdict.callable_after.isoformat()
    # One key for each fact, so that none is written over another; what was told already keeps its first day.
    statement = text(f"""
        UPDATE leads SET meta = CAST(
            jsonb_set(coalesce(CAST(meta AS jsonb), '{{}}'), '{{call_restrictions}}',
                CAST(:told AS jsonb) || coalesce(CAST(meta AS jsonb) -> 'call_restrictions', '{{}}')) AS {kind})
        WHERE id = :lead AND NOT coalesce(CAST(meta AS jsonb) -> 'call_restrictions', '{{}}') ?& CAST(:facts AS text[])
    """)  # noqa: S608 - json or jsonb
    connection.execute(statement, {"lead": each.lead_id, "told": json.dumps(told), "facts": list(told)})
