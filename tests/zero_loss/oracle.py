"""The oracle: what the dialer shows and what Brain holds, compared by key and content with SQL of its own.

Belongs here: the verdict on two databases. Does not: anything of the reader, the merge or the proof; their rules are written once
more here, in Python, so that a mistake in them cannot hide itself.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pymysql
from sqlalchemy import Engine, make_url, text

Row = dict[str, str | None]
Key = tuple[str, str]

TABLES = {"vicidial_log": "uniqueid", "vicidial_closer_log": "closecallid"}
_BRAIN_NAMES = {"lead_id": "vici_lead_id", "user": "agent_user"}
_SHARED = (
    *("uniqueid", "lead_id", "list_id", "campaign_id", "call_date", "start_epoch", "end_epoch", "length_in_sec", "status"),
    *("phone_code", "phone_number", "user", "user_group", "comments", "term_reason", "called_count"),
)
REPLICATED = {"vicidial_log": (*_SHARED, "alt_dial"), "vicidial_closer_log": (*_SHARED, "queue_seconds")}
_KEYS = "SELECT source_table, source_key FROM"


class Oracle:
    """Independent eyes on one dialer and one Brain."""

    def __init__(self, url: str, brain: Engine, zone: str, instance: str = "vici") -> None:
        parsed = make_url(url)
        self._brain, self._zone, self._instance = brain, ZoneInfo(zone), instance
        # Without converters every value arrives as the text that the server prints.
        self._source = pymysql.connect(
            host=parsed.host or "127.0.0.1",
            port=parsed.port or 3306,
            user=parsed.username,
            password=parsed.password or "",
            database=parsed.database,
            charset="utf8mb4",
            conv={},
            autocommit=True,
        )
        self.shown: dict[Key, set[str]] = {}
        """Every content that a call was ever seen with, by :meth:`watch`."""

    def close(self) -> None:
        self._source.close()

    # -- both sides

    def source(self) -> dict[Key, Row]:
        """Live rows, then archived ones whose key is not live."""
        found: dict[Key, Row] = {}
        for table, key in TABLES.items():
            columns = ", ".join(f"`{name}`" for name in REPLICATED[table])
            for copy in (table, f"{table}_archive"):
                for row in self.ask_source(f"SELECT `{key}`, {columns} FROM {copy}"):
                    found.setdefault((table, str(row[0])), dict(zip(REPLICATED[table], row[1:], strict=True)))
        return found

    def present_keys(self) -> list[Key]:
        """Of every call that the dialer shows now."""
        copies = [(table, key, copy) for table, key in TABLES.items() for copy in (table, f"{table}_archive")]
        return [(table, str(row[0])) for table, key, copy in copies for row in self.ask_source(f"SELECT {key} FROM {copy}")]

    def archived_only(self) -> set[Key]:
        found: set[Key] = set()
        for table, key in TABLES.items():
            rows = self.ask_source(f"SELECT a.{key} FROM {table}_archive a WHERE a.{key} NOT IN (SELECT {key} FROM {table})")
            found.update((table, str(row[0])) for row in rows)
        return found

    def ask_source(self, statement: str, *values: str) -> list[tuple[str | None, ...]]:
        """Rows of the dialer as texts, over a connection of the oracle's own."""
        with self._source.cursor() as cursor:
            cursor.execute(statement, values or None)
            return [tuple(row) for row in cursor.fetchall()]

    def held(self, *, gone: bool = False) -> dict[Key, Row]:
        """The calls that Brain holds as present (or ``gone``), with the columns' names of the dialer."""
        found: dict[Key, Row] = {}
        for table, names in REPLICATED.items():
            columns = ", ".join(f"{_BRAIN_NAMES.get(name, name)}::text" for name in names)
            rows = self._ask(
                f"SELECT source_key, {columns} FROM vici_call_logs WHERE instance = :instance AND source_table = '{table}'"
                f" AND vanished_at IS {'NOT' if gone else ''} NULL"
            )
            found |= {(table, row[0]): dict(zip(names, row[1:], strict=True)) for row in rows}
        return found

    def watch(self) -> None:
        """Remembers what the dialer shows now: an archive may later forget it, and Brain may not."""
        for key, row in self.source().items():
            self.shown.setdefault(key, set()).add(repr(_expected(row)))

    # -- verdicts

    def differences(self) -> list[str]:
        """Everything in which Brain is not what the dialer shows; nothing means equal."""
        source, held, aside = self.source(), self.held(), self._set_aside()
        found = [f"{key}: missing in Brain" for key in source if key not in held and key not in aside]
        found += [f"{key}: in Brain, but gone at the dialer" for key in held if key not in source]
        found += [f"{key}: set aside, but gone at the dialer" for key in aside if key not in source]
        excused = self._excused(held)
        found += contents_that_differ({key: row for key, row in source.items() if key not in excused}, held)
        return sorted([*found, *self._misplaced(source), *self._halves()])

    def unequal_buckets(self, until: datetime) -> set[tuple[str, datetime]]:
        """Source table and start of each bucket before ``until`` in which the two sides differ by key or content."""
        source, held = self.source(), self.held()
        excused = self._excused(held)
        found = set()
        for key in source.keys() | held.keys():
            shown, kept = source.get(key), held.get(key)
            if shown is not None and kept is not None and (key in excused or not contents_that_differ({key: shown}, {key: kept})):
                continue
            instants = {instant for row in (shown, kept) if row is not None and (instant := self.instant(row)) is not None}
            found |= {(key[0], datetime.fromtimestamp(instant // 300 * 300, UTC)) for instant in instants}
        return {(table, start) for table, start in found if start < until}

    def _excused(self, held: dict[Key, Row]) -> set[Key]:
        """Calls whose archive copy is known to be older than what Brain holds, which the dialer once showed."""
        flagged = "WHERE instance = :instance AND 'archive_copy_stale' = ANY(row_flags)"
        stale = self._keys(f"{_KEYS} vici_call_logs {flagged}")
        return {key for key in stale & self.archived_only() if key in held and repr(held[key]) in self.shown.get(key, ())}

    def unproven(self, since: datetime, until: datetime) -> list[str]:
        """Buckets of ``[since, until)`` that the ledger does not call proven with the dialer's own count."""
        counts = Counter((key[0], bucket) for key, bucket in self.buckets().items())
        rows = self._ask(
            "SELECT source_table, bucket_start, state, source_count, brain_count FROM call_log_proofs WHERE instance = :instance"
        )
        ledger = {(row[0], row[1]): row[2:] for row in rows}
        found = []
        for (table, bucket), count in sorted(counts.items()):
            if since <= bucket < until and ledger.get((table, bucket)) != ("proven", count, count):
                found.append(f"{table} {bucket:%d %H:%M}: {count} calls, but the ledger says {ledger.get((table, bucket))}")
        open_ones = [(key, row[0]) for key, row in ledger.items() if since <= key[1] < until and row[0] != "proven"]
        return found + [f"{key[0]} {key[1]:%d %H:%M}: {state}" for key, state in open_ones]

    def buckets(self) -> dict[Key, datetime]:
        """The bucket that each call of the dialer belongs to, by this file's own rule; rows without any time have none."""
        found = {}
        for key, row in self.source().items():
            instant = self.instant(row)
            if instant is not None:
                found[key] = datetime.fromtimestamp(instant // 300 * 300, UTC)
        return found

    def instant(self, row: Row) -> int | None:
        """UTC seconds: start_epoch if within 15 h of the wall time, else the wall time, else the head of the uniqueid."""
        epoch = int(row["start_epoch"] or 0)
        try:
            wall = datetime.fromisoformat(row["call_date"] or "").replace(tzinfo=self._zone)
        except ValueError:
            head = (row["uniqueid"] or "").partition(".")[0]
            named = int(head) if head.isdigit() and len(head) == 10 else None
            return epoch if epoch >= 946_684_800 else named
        near = abs(wall.timestamp() - epoch) <= 15 * 3600
        return epoch if near else int(wall.timestamp())

    def first_call(self) -> datetime | None:
        """The oldest instant that either side has a call at."""
        rows = (self.source() | self.held() | self.held(gone=True)).values()
        instants = [instant for row in rows if (instant := self.instant(row))]
        return datetime.fromtimestamp(min(instants), UTC) if instants else None

    def fingerprint(self) -> str:
        """Of all that Brain holds of calls, earlier states included."""
        digest = hashlib.sha256()
        for table in ("vici_call_logs", "vici_call_log_history"):
            for row in self._ask(f"SELECT to_jsonb(t)::text FROM {table} AS t ORDER BY 1"):
                digest.update(row[0].encode())
        return digest.hexdigest()

    def _misplaced(self, source: dict[Key, Row]) -> Iterable[str]:
        rows = self._ask(
            "SELECT source_table, source_key, CAST(extract(epoch FROM called_at) AS bigint) FROM vici_call_logs"
            " WHERE instance = :instance"
        )
        for table, key, epoch in rows:
            row = source.get((table, key))
            if row is not None and self.instant(row) != epoch:
                yield f"{(table, key)}: Brain places it at {epoch}, it happened at {self.instant(row)}"

    def _halves(self) -> Iterable[str]:
        halves = [
            Counter((row[0], row[1]) for row in self._ask(f"{_KEYS} {view} WHERE instance = :instance"))
            for view in ("vici_call_metrics", "orphan_call_logs")
        ]
        both = halves[0] + halves[1]
        calls = self._keys(
            f"{_KEYS} vici_call_logs WHERE instance = :instance AND (vanished_at IS NULL OR vanish_reason = 'expired')"
        )
        yield from (f"{key}: {count} times in the two halves" for key, count in both.items() if count > 1)
        yield from (f"{key}: in no half" for key in calls - both.keys())
        yield from (f"{key}: in a half, but no call" for key in both.keys() - calls)

    def _set_aside(self) -> set[Key]:
        return self._keys(f"{_KEYS} quarantined_call_logs WHERE instance = :instance AND NOT landed")

    def _keys(self, statement: str) -> set[Key]:
        return {(row[0], row[1]) for row in self._ask(statement)}

    def _ask(self, statement: str) -> list[Any]:
        with self._brain.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), {"instance": self._instance})]


def contents_that_differ(source: dict[Key, Row], held: dict[Key, Row]) -> list[str]:
    """Calls that both sides have, with unequal content, and in which columns."""
    found = []
    for key in source.keys() & held.keys():
        expected, kept = _expected(source[key]), held[key]
        unequal = [f"{name}: {expected[name]!r} != {kept[name]!r}" for name in expected if expected[name] != kept[name]]
        if unequal:
            found.append(f"{key}: other content in Brain: {', '.join(unequal)}")
    return found


def _expected(row: Row) -> Row:
    """A source row as Brain should show it: what is no date is no date."""
    try:
        datetime.fromisoformat(row["call_date"] or "")
    except ValueError:
        return row | {"call_date": None}
    return row
