"""The tables of Brain as SQLAlchemy sees them, for the statements written in Core.

Belongs here: columns and types. Does not: making or changing them (migrations, where the comments and indexes live). A test
compares these descriptions with a migrated database.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from vici_brain.domain.statuses import FLAGS

metadata = MetaData()
_INSTANT = DateTime(timezone=True)


def _key() -> Column[str]:
    return Column("instance", Text(collation="C"), primary_key=True)


def _call_columns() -> list[Column[object]]:
    """The columns that the table of calls and its two halves share."""
    return [
        Column("instance", Text(collation="C"), primary_key=True),
        Column("source_table", Text(collation="C"), primary_key=True),
        Column("source_key", Text(collation="C"), primary_key=True),
        Column("uniqueid", Text(collation="C")),
        Column("vici_lead_id", BigInteger),
        Column("list_id", BigInteger),
        Column("campaign_id", Text),
        Column("call_date", TIMESTAMP),
        Column("called_at", _INSTANT, nullable=False),
        Column("start_epoch", BigInteger),
        Column("end_epoch", BigInteger),
        Column("length_in_sec", BigInteger),
        Column("status", Text),
        Column("phone_code", Text),
        Column("phone_number", Text),
        Column("phone_key", Text(collation="C")),
        Column("agent_user", Text),
        Column("user_group", Text),
        Column("comments", Text),
        Column("term_reason", Text),
        Column("alt_dial", Text),
        Column("called_count", BigInteger),
        Column("queue_seconds", Numeric(12, 2)),
        Column("vendor_lead_code", Text(collation="C")),
        Column("outbound_cid", Text),
        Column("row_crc", BigInteger, nullable=False),
        Column("row_flags", ARRAY(Text)),
        Column("source_copy", Text, nullable=False),
        Column("read_at", _INSTANT, nullable=False),
        Column("first_seen_at", _INSTANT, nullable=False),
        Column("changed_at", _INSTANT, nullable=False),
        Column("vanished_at", _INSTANT),
        Column("lead_id", BigInteger),
        Column("matched_by", Text),
        Column("matched_at", _INSTANT),
        Column("match_candidates", Integer),
        Column("vanish_reason", Text),
        Column("successor_key", Text(collation="C")),
        Column("hidden_at", _INSTANT),
    ]


vici_call_logs = Table("vici_call_logs", metadata, *_call_columns())

vici_call_log_history = Table(
    "vici_call_log_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("instance", Text(collation="C"), nullable=False),
    Column("source_table", Text(collation="C"), nullable=False),
    Column("source_key", Text(collation="C"), nullable=False),
    Column("vici_lead_id", BigInteger),
    Column("end_epoch", BigInteger),
    Column("length_in_sec", BigInteger),
    Column("status", Text),
    Column("agent_user", Text),
    Column("term_reason", Text),
    Column("row_crc", BigInteger, nullable=False),
    Column("state", JSONB, nullable=False),
    Column("seen_from", _INSTANT, nullable=False),
    Column("seen_until", _INSTANT, nullable=False),
)

quarantined_call_logs = Table(
    "quarantined_call_logs",
    metadata,
    _key(),
    Column("source_table", Text(collation="C"), primary_key=True),
    Column("source_key", Text(collation="C"), primary_key=True),
    Column("reasons", ARRAY(Text), nullable=False),
    Column("raw", JSONB, nullable=False),
    Column("landed", Boolean, nullable=False),
    Column("first_seen_at", _INSTANT, nullable=False),
    Column("changed_at", _INSTANT, nullable=False),
)

call_log_proofs = Table(
    "call_log_proofs",
    metadata,
    _key(),
    Column("source_table", Text(collation="C"), primary_key=True),
    Column("bucket_start", _INSTANT, primary_key=True),
    Column("state", Text, nullable=False),
    Column("read_at", _INSTANT, nullable=False),
    Column("source_count", BigInteger, nullable=False),
    Column("source_crc_sum", Numeric(30), nullable=False),
    Column("brain_count", BigInteger, nullable=False),
    Column("brain_crc_sum", Numeric(30), nullable=False),
    Column("proven_at", _INSTANT),
)

vici_statuses = Table(
    "vici_statuses",
    metadata,
    _key(),
    Column("campaign_id", Text, primary_key=True),
    Column("status", Text, primary_key=True),
    Column("status_name", Text),
    *(Column(flag, Boolean, nullable=False) for flag in FLAGS),
    Column("synced_at", _INSTANT, nullable=False),
    Column("removed_at", _INSTANT),
)

sync_logs = Table(
    "sync_logs",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("instance", Text(collation="C"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("started_at", _INSTANT, nullable=False),
    Column("finished_at", _INSTANT),
    Column("seconds", Float(53)),
    Column("window_start", _INSTANT),
    Column("window_end", _INSTANT),
    *(
        Column(name, BigInteger, nullable=False, server_default="0")
        for name in (
            "rows_read",
            "rows_new",
            "rows_updated",
            "rows_unchanged",
            "rows_matched",
            "rows_orphaned",
            "rows_quarantined",
        )
    ),
    Column("peak_memory_mb", Float(53)),
    Column("error", Text),
    Column("run_id", Text),
    Column("details", JSONB, nullable=False, server_default="{}"),
)

vici_lead_links = Table(
    "vici_lead_links",
    metadata,
    _key(),
    Column("vici_lead_id", BigInteger, primary_key=True, autoincrement=False),
    Column("lead_id", BigInteger),
    Column("linked_at", _INSTANT),
    Column("list_id", BigInteger),
    Column("campaign_id", Text),
    Column("status", Text),
    Column("vendor_lead_code", Text(collation="C")),
    Column("phone_code", Text),
    Column("phone_number", Text),
    Column("phone_key", Text(collation="C")),
    Column("called_count", BigInteger),
    Column("last_local_call_time", TIMESTAMP),
    Column("entered_at", _INSTANT),
    Column("profile", JSONB),
    Column("origin", Text),
    Column("seen_at", _INSTANT),
    Column("archived_at", _INSTANT),
    Column("removed_at", _INSTANT),
    Column("needs_merge", Boolean, nullable=False),
    Column("import_id", BigInteger),
    Column("group_key", Text(collation="C")),
)

orphan_purges = Table(
    "orphan_purges",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("instance", Text(collation="C"), nullable=False),
    Column("mode", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("acted_at", _INSTANT, nullable=False),
    Column("cutoff", _INSTANT, nullable=False),
    Column("calls", BigInteger, nullable=False),
    Column("exported_calls", BigInteger, nullable=False),
    Column("first_called_at", _INSTANT, nullable=False),
    Column("last_called_at", _INSTANT, nullable=False),
    Column("file", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("restored_at", _INSTANT),
    Column("restored_by", Text),
    Column("restored_calls", BigInteger),
    UniqueConstraint("instance", "acted_at"),
)

purged_orphan_calls = Table(
    "purged_orphan_calls",
    metadata,
    Column("purge_id", BigInteger, ForeignKey("orphan_purges.id"), nullable=False),
    *_call_columns(),
)

data_consistency_alerts = Table(
    "data_consistency_alerts",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("alert_type", String(255), nullable=False),
    Column("severity", Text, nullable=False, server_default="warning"),
    Column("entity_type", String(255), nullable=False),
    Column("entity_id", BigInteger),
    Column("description", Text, nullable=False),
    Column("metadata", JSONB),
    Column("detected_at", _INSTANT, nullable=False),
    Column("auto_corrected", Boolean, nullable=False, server_default="false"),
    Column("corrected_at", _INSTANT),
    Column("resolution_notes", Text),
    Column("created_at", _INSTANT, nullable=False, server_default=func.now()),
    Column("updated_at", _INSTANT, nullable=False, server_default=func.now()),
    Column("held_back", Integer, nullable=False, server_default="0"),
    Column("last_seen_at", _INSTANT),
    Column("told_at", _INSTANT),
    Column("message_id", BigInteger),
    Column("false_positive", Boolean, nullable=False, server_default="false"),
)

# The CRM's own table: only the columns that are used here, and only these are required of it.
leads = Table(
    "leads",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("external_lead_id", Text),
    Column("phone", Text),
    Column("created_at", _INSTANT),
)

# The two halves of vici_call_logs are views of the same shape; kept out of the metadata that migrations are compared with.
_halves = MetaData()
vici_call_metrics = Table("vici_call_metrics", _halves, *_call_columns())
orphan_call_logs = Table("orphan_call_logs", _halves, *_call_columns())
