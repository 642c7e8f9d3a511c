"""Arriving leads become leads of Brain: found or made, coded, linked, and written down so that it can be taken back.

Belongs here: writes to leads and lead_import_items, set-based, in the caller's transaction. Does not: what arrives (lead_mirror,
lead_files), which of several wins (domain/lead_import), or the shape of leads (lead_columns).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from vici_brain.brain.lead_columns import LeadColumns
from vici_brain.brain.reviews import ReviewItem, put_up_for_review
from vici_brain.brain.sql import load
from vici_brain.domain.lead_import import DO_NOT_CALL, VICI_ORIGIN
from vici_brain.errors import DifferenceError

_VALID = "l.external_lead_id ~ '^[0-9]{13}$'"
_CLASHES = text("SELECT ref, leader, phone, clash, lead_id FROM arriving_leads WHERE clash IS NOT NULL ORDER BY ref")
# Over lead_call_restrictions_forbidden: what was forbidden for a number holds for whoever comes with it, from wherever.
_FORBIDDEN = text("""
    UPDATE arriving_leads AS arriving SET status = :do_not_call
    FROM lead_call_restrictions AS held
    WHERE held.restriction = 'DO_NOT_CALL' AND held.phone_key = arriving.phone_key AND status IS DISTINCT FROM :do_not_call
""")
_KEEP_NEW = text("""
    INSERT INTO lead_import_items (import_id, action, lead_id, after)
    SELECT :import_id, 'created', l.id, to_jsonb(l) FROM arriving_leads AS a JOIN leads AS l ON l.id = a.lead_id WHERE a.created
""")
_ANSWERED = text("""
    SELECT entity_key FROM manual_review_queue
    WHERE reason = 'lead_deleted_in_brain' AND entity_type = 'lead' AND entity_key = ANY(:keys)
      AND status NOT IN ('pending', 'in_progress')
""")
# Over manual_review_queue_by_entity.
_ANSWERED_CLASHES = text("""
    SELECT entity_key, context ->> 'vendor_lead_code' AS code FROM manual_review_queue
    WHERE reason = 'vendor_code_of_another_lead' AND entity_type = 'lead' AND entity_key = ANY(:keys)
      AND status IN ('resolved', 'dismissed')
""")
DELETED = "lead_deleted_in_brain"


@dataclass(frozen=True, slots=True)
class WriteCounts:
    """What became of arriving numbers."""

    leads: int = 0
    created: int = 0
    updated: int = 0
    linked: int = 0
    conflicts: int = 0
    """Vendor codes that another lead has already: put up for review, and another id allocated."""
    withheld: int = 0
    """Numbers whose lead somebody deleted in Brain: not made again, and put up for review once."""

    def __add__(self, other: "WriteCounts") -> "WriteCounts":
        mine, theirs = asdict(self), asdict(other)
        return WriteCounts(**{name: mine[name] + theirs[name] for name in mine})


def stage(connection: Connection) -> None:
    """An empty table for arriving leads, until the transaction ends."""
    connection.execute(text("DROP TABLE IF EXISTS arriving_leads"))
    connection.execute(load("stage_arriving_leads"))


class LeadWriter:
    """Writes what is staged; ``source`` and ``origin`` mark new leads."""

    def __init__(self, connection: Connection, import_id: int, *, source: str, origin: str = VICI_ORIGIN) -> None:
        self._connection, self._columns = connection, LeadColumns(connection)
        self._scope: dict[str, object] = {"import_id": import_id, "source": source, "origin": origin}

    def write(self, at: datetime, *, overwrite: bool = False, touch: bool = True, withhold: str | None = None) -> WriteCounts:
        """Finds or makes the lead of each arriving one.

        ``overwrite``: name and address of a found lead become those that arrive; without ``touch`` a found lead stays as it is.
        ``withhold`` names the dialer whose leads are not made again where Brain deleted them.
        """
        run, scope = self._connection.execute, self._scope | {"at": at}
        run(text("ANALYZE arriving_leads"))
        run(load("resolve_arriving_leads"))
        withheld = self._withhold(withhold, at) if withhold is not None else 0
        run(_FORBIDDEN, {"do_not_call": DO_NOT_CALL})
        run(load("clashing_codes"))
        run(load("allocate_codes"))
        updated = self._update(scope, overwrite=overwrite) if touch else 0
        created = self._insert(scope)
        total = int(self._connection.scalar(text("SELECT count(*) FROM arriving_leads")) or 0)
        return WriteCounts(total, created, updated, 0, self._review(at), withheld)

    def link(self, instance: str, at: datetime) -> int:
        """Links the dialer's leads of the arriving numbers; how many were linked otherwise before."""
        scope = self._scope | {"instance": instance, "at": at}
        linked = self._connection.execute(load("link_arriving_leads"), scope).rowcount
        self._connection.execute(load("settle_groups"), scope)
        return linked

    def _insert(self, scope: Mapping[str, object]) -> int:
        values = self._columns.of_new()
        statement = text(f"""
            WITH made AS (
                INSERT INTO leads ({", ".join(values)})
                SELECT {", ".join(values.values())} FROM arriving_leads AS a
                WHERE a.lead_id IS NULL ORDER BY a.leader, a.line, a.ref
                RETURNING id, external_lead_id
            )
            UPDATE arriving_leads AS a SET lead_id = made.id, created = true
            FROM made WHERE made.external_lead_id = a.code AND a.lead_id IS NULL
        """)  # noqa: S608 - names from the catalog, expressions from lead_columns
        waiting = int(self._connection.scalar(text("SELECT count(*) FROM arriving_leads WHERE lead_id IS NULL")) or 0)
        made = self._connection.execute(statement, dict(scope)).rowcount if waiting else 0
        if made != waiting:
            raise DifferenceError(
                f"{waiting} new leads were written and {made} have the id that they were given: a trigger on leads changes "
                "external_lead_id; have it leave 13-digit ids alone. Nothing was written"
            )
        self._connection.execute(_KEEP_NEW, dict(scope))
        return made

    def _update(self, scope: Mapping[str, object], *, overwrite: bool) -> int:
        sets, differs = self._changes(overwrite=overwrite)
        statement = text(f"""
            WITH arriving AS MATERIALIZED (
                SELECT DISTINCT ON (lead_id) * FROM arriving_leads WHERE lead_id IS NOT NULL ORDER BY lead_id, ref
            ), old AS MATERIALIZED (
                SELECT l.id, to_jsonb(l) AS state FROM leads AS l JOIN arriving AS a ON a.lead_id = l.id
                WHERE {" OR ".join(differs)}
            ), changed AS (
                UPDATE leads AS l SET {", ".join(sets)} FROM arriving AS a, old WHERE a.lead_id = l.id AND old.id = l.id
                RETURNING l.id, to_jsonb(l) AS state
            ), followed AS (
                UPDATE lead_import_items AS item SET after = changed.state FROM changed JOIN old USING (id)
                WHERE item.lead_id = changed.id AND item.action IN ('created', 'updated') AND item.after = old.state
            )
            INSERT INTO lead_import_items AS item (import_id, action, lead_id, before, after)
            SELECT :import_id, 'updated', changed.id, old.state, changed.state FROM changed JOIN old USING (id)
            ON CONFLICT (import_id, action, lead_id, instance, vici_lead_id) DO UPDATE SET after = excluded.after
        """)  # noqa: S608 - names from the catalog, expressions from here and lead_columns
        values = {"do_not_call": DO_NOT_CALL, "vici_origin": VICI_ORIGIN}
        return self._connection.execute(statement, {**scope, **values}).rowcount

    def _changes(self, *, overwrite: bool) -> tuple[list[str], list[str]]:
        """What is set on a lead that Brain has already, and when: in most columns Brain is the source of truth."""
        columns = self._columns
        code = columns.cast("external_lead_id", "a.code")
        news = {"external_lead_id": f"CASE WHEN {_VALID} THEN l.external_lead_id ELSE {code} END"}
        if "status" in columns:
            news["status"] = columns.cast("status", _STATUS if "meta" in columns else _STATUS_WITHOUT_META)
        if overwrite:
            news |= {name: f"coalesce({value}, l.{name})" for name, value in columns.of_profile().items() if name != "name"}
        sets = [f"{name} = {value}" for name, value in news.items()]
        differs = [f"l.{name} IS DISTINCT FROM {value}" for name, value in news.items()]
        if "meta" in columns:
            old = "coalesce(CAST(l.meta AS jsonb), '{}')"
            fresh = f"{old} || a.meta || jsonb_build_object('synced_at', CAST(:at AS timestamptz))"
            sets.append(f"meta = {columns.cast('meta', fresh)}")
            differs.append(f"NOT {old} @> a.meta")
        if "updated_at" in columns:
            sets.append(f"updated_at = {columns.cast('updated_at', ':at')}")
        return sets, differs

    def _withhold(self, instance: str, at: datetime) -> int:
        """Asks once about each deleted lead: what a person has answered is not asked again."""
        rows = self._connection.execute(load("withhold_deleted_leads"), {"instance": instance}).all()
        answered = set(self._connection.scalars(_ANSWERED, {"keys": [str(row.lead_id) for row in rows]})) if rows else set()
        items = [
            ReviewItem(
                DELETED,
                "lead",
                str(row.lead_id),
                context={"instance": instance, "vici_lead_id": row.leader, "phone": row.phone},
            )
            for row in rows
            if str(row.lead_id) not in answered
        ]
        put_up_for_review(self._connection, items, at)
        return len(rows)

    def _review(self, at: datetime) -> int:
        """Asks about each code of another lead; what a person has answered of it is not asked again."""
        rows = self._connection.execute(_CLASHES).all()
        keys = {"keys": [str(row.lead_id) for row in rows]}
        answered = {(row.entity_key, row.code) for row in self._connection.execute(_ANSWERED_CLASHES, keys)} if rows else set()
        items = [
            ReviewItem(
                "vendor_code_of_another_lead",
                "lead",
                str(row.lead_id),
                context={"vici_lead_id": row.leader, "phone": row.phone, "vendor_lead_code": row.clash},
            )
            for row in rows
            if (str(row.lead_id), row.clash) not in answered
        ]
        put_up_for_review(self._connection, items, at)
        return len(rows)


# The rule of domain/lead_import.status_after; what an import wrote is remembered as meta.import_status.
_STATUS = (
    "CASE WHEN l.status = :do_not_call OR a.status = :do_not_call THEN :do_not_call"
    " WHEN l.meta ->> 'origin' = :vici_origin AND l.meta ->> 'import_status' = l.status"
    " THEN coalesce(a.status, l.status) ELSE l.status END"
)
_STATUS_WITHOUT_META = "CASE WHEN l.status = :do_not_call OR a.status = :do_not_call THEN :do_not_call ELSE l.status END"
