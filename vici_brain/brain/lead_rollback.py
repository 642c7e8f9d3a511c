"""Taking an import back: what it created, and only that.

Belongs here: which of an import's leads may go, and their going, in the caller's transaction. Does not: the snapshot file or the
switch (flows/rollback_import).

A lead that the import created may go if it still is as syncs left it and nothing else refers to it; one that somebody changed or
uses stays and is told. Changes to leads that were there before are undone where nobody changed them since.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from vici_brain.brain.sql import load
from vici_brain.errors import ConfigurationError

# Ours, whose rows follow the lead; every other table with a lead_id, or with a foreign key to leads, is a use of it.
_OURS = [
    *("vici_call_logs", "purged_orphan_calls", "vici_lead_links", "lead_import_items"),
    # What was written to dialers keeps its own record of codes; a lead that is imported again finds its code there.
    *("vendor_code_writes", "vendor_code_checks", "lead_call_restrictions", "lead_pushes"),
]
# Foreign keys count wherever they come from: one that deletes in cascade would take rows of the CRM along.
_USES = text("""
    WITH referring AS (
        SELECT k.conrelid AS oid,
            array_agg(quote_ident(own.attname) ORDER BY pair.place) AS columns,
            array_agg(quote_ident(of.attname) ORDER BY pair.place) AS of_leads
        FROM pg_constraint AS k CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS pair (own, of, place)
        JOIN pg_attribute AS own ON own.attrelid = k.conrelid AND own.attnum = pair.own
        JOIN pg_attribute AS of ON of.attrelid = k.confrelid AND of.attnum = pair.of
        WHERE k.contype = 'f' AND k.confrelid = 'leads'::regclass GROUP BY k.oid, k.conrelid
        UNION
        SELECT c.oid, ARRAY['lead_id'], ARRAY['id'] FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE c.relkind IN ('r', 'p') AND c.oid <> 'leads'::regclass
          AND c.relnamespace = ANY(SELECT oid FROM pg_namespace WHERE nspname = ANY(current_schemas(false)))
          AND a.attname = 'lead_id' AND a.atttypid IN ('bigint'::regtype, 'integer'::regtype) AND NOT a.attisdropped
    )
    SELECT c.oid::regclass::text AS relation, c.oid = 'leads'::regclass AS is_leads, referring.columns, referring.of_leads,
        has_table_privilege(c.oid, 'SELECT') AS readable
    FROM referring JOIN pg_class AS c USING (oid)
    WHERE NOT (c.relname = ANY(:ours)
        AND c.relnamespace = ANY(SELECT oid FROM pg_namespace WHERE nspname = ANY(current_schemas(false))))
    ORDER BY 1, 3
""")
_MAY_DELETE = text("SELECT has_table_privilege('leads', 'DELETE') AS may, current_user AS who")
_DOOMED = text("CREATE TEMPORARY TABLE doomed_leads (lead_id bigint PRIMARY KEY, kept_because text, state jsonb) ON COMMIT DROP")
_CHANGED = text("""
    UPDATE doomed_leads AS doomed SET kept_because = 'changed since' FROM lead_import_items AS item
    WHERE item.import_id = :import_id AND item.action = 'created' AND item.lead_id = doomed.lead_id AND item.after <> doomed.state
""")
_ELSEWHERE = text("""
    UPDATE doomed_leads AS doomed SET kept_because = coalesce(kept_because, 'linked since') FROM vici_lead_links AS link
    WHERE link.lead_id = doomed.lead_id AND link.import_id IS DISTINCT FROM :import_id
""")
_COUNTS = text("""
    SELECT coalesce(sum(leads) FILTER (WHERE kept_because IS NULL), 0)::bigint AS cleared,
        coalesce(jsonb_object_agg(kept_because, leads) FILTER (WHERE kept_because IS NOT NULL), '{}') AS kept
    FROM (SELECT kept_because, count(*) AS leads FROM doomed_leads GROUP BY kept_because) AS grouped
""")
_SNAPSHOT = text("""
    SELECT 'created' AS action, lead_id, state FROM doomed_leads WHERE kept_because IS NULL
    UNION ALL
    SELECT action, lead_id, jsonb_build_object(
        'before', before, 'after', after, 'instance', instance, 'vici_lead_id', vici_lead_id
    )
    FROM lead_import_items WHERE import_id = :import_id AND action <> 'created'
    ORDER BY 1, 2
""")
_MARK = text("""
    UPDATE lead_imports SET rolled_back_at = clock_timestamp(), rolled_back_by = :actor, snapshot = :snapshot
    WHERE id = :import_id
""")
_RESTORED = (
    "external_lead_id",
    "status",
    "meta",
    "updated_at",
    "first_name",
    "last_name",
    "email",
    "address",
    "city",
    "state",
    "zip_code",
)


@dataclass(frozen=True, slots=True)
class RollbackCounts:
    """``kept``: leads that stay, by reason; ``restored``: leads that are again as they were before."""

    cleared: int
    kept: dict[str, int]
    restored: int
    unlinked: int
    orphaned_calls: int


class LeadRollback:
    """One import on its way out, inside the caller's transaction; the leads concerned stay locked until it ends."""

    def __init__(self, connection: Connection, import_id: int) -> None:
        self._connection, self._scope = connection, {"import_id": import_id}
        row = connection.execute(_MAY_DELETE).one()
        if not row.may:
            raise ConfigurationError(f"{row.who} may not take leads away: as their owner, GRANT DELETE ON leads TO {row.who}")
        connection.execute(text("DROP TABLE IF EXISTS doomed_leads"))
        connection.execute(_DOOMED)
        connection.execute(load("doom_leads"), self._scope)
        connection.execute(text("ANALYZE doomed_leads"))
        connection.execute(_CHANGED, self._scope)
        connection.execute(_ELSEWHERE, self._scope)
        self._keep_used(row.who)

    def _keep_used(self, who: str) -> None:
        """Keeps what any other table refers to; raises ConfigurationError for one of which that cannot be seen."""
        uses = self._connection.execute(_USES, {"ours": _OURS}).all()
        unseen = sorted({use.relation for use in uses if not use.readable})
        if unseen:
            raise ConfigurationError(
                f"{who} may not see whether {', '.join(unseen)} use leads that would go: as their owner, "
                f"GRANT SELECT ON {', '.join(unseen)} TO {who}. Nothing was cleared"
            )
        for use in uses:
            same = " AND ".join(f"other.{own} = l.{of}" for own, of in zip(use.columns, use.of_leads, strict=True))
            # A lead that goes itself keeps none.
            staying = "AND NOT EXISTS (SELECT FROM doomed_leads AS gone WHERE gone.lead_id = other.id)" if use.is_leads else ""
            used = text(f"""
                UPDATE doomed_leads AS doomed SET kept_because = :reason FROM leads AS l
                WHERE kept_because IS NULL AND l.id = doomed.lead_id
                  AND EXISTS (SELECT FROM {use.relation} AS other WHERE {same} {staying})
            """)  # noqa: S608 - the names come from the catalog, quoted where they need it
            self._connection.execute(used, {"reason": f"used by {use.relation}"})

    def snapshot(self) -> Iterator[tuple[str, int, str]]:
        """What will go or change: ``(action, lead_id, JSON)``, in order; however many, they are never all in memory."""
        for row in self._connection.execute(_SNAPSHOT, self._scope, execution_options={"yield_per": 2_000}):
            yield row.action, row.lead_id, json.dumps(row.state, sort_keys=True)

    def clear(self) -> RollbackCounts:
        """Lets it go: calls wait again, links are as before, changed leads are restored, created ones deleted."""
        orphaned = self._run("orphan_calls_of_doomed") + self._run("orphan_calls_of_links")
        unlinked = self._run("unlink_import")
        restored = self._restore()
        counts = self._connection.execute(_COUNTS).one()
        self._run("delete_doomed_leads")
        return RollbackCounts(counts.cleared, dict(counts.kept), restored, unlinked, orphaned)

    def mark(self, actor: str, snapshot: str) -> None:
        self._connection.execute(_MARK, self._scope | {"actor": actor, "snapshot": snapshot})

    def _restore(self) -> int:
        present = set(
            self._connection.scalars(text("SELECT attname FROM pg_attribute WHERE attrelid = 'leads'::regclass AND attnum > 0"))
        )
        sets = ", ".join(f"{name} = (jsonb_populate_record(l, item.before)).{name}" for name in _RESTORED if name in present)
        # What other imports remember as left by a sync follows, or this way back would look like somebody's change.
        statement = text(f"""
            WITH mine AS MATERIALIZED (
                SELECT lead_id, before, after FROM lead_import_items WHERE import_id = :import_id AND action = 'updated'
            ), restored AS (
                UPDATE leads AS l SET {sets} FROM mine AS item WHERE l.id = item.lead_id AND to_jsonb(l) = item.after
                RETURNING l.id, item.after, to_jsonb(l) AS state
            ), followed AS (
                UPDATE lead_import_items AS other SET after = restored.state FROM restored
                WHERE other.lead_id = restored.id AND other.import_id <> :import_id AND other.action IN ('created', 'updated')
                  AND other.after = restored.after
            )
            SELECT count(*) FROM restored
        """)  # noqa: S608 - the names are the constant above
        return int(self._connection.execute(statement, self._scope).scalar_one())

    def _run(self, name: str) -> int:
        return self._connection.execute(load(name), self._scope).rowcount
