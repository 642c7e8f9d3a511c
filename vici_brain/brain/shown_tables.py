"""Tables that statements name in SQL files only, described for the catalog, which shows their columns.

Belongs here: columns and types of tables behind assets. Does not: tables used by statements in Core (schema), or the comments
(migrations). A test compares these descriptions with a migrated database.
"""

from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Double, Integer, MetaData, Numeric, String, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

_metadata = MetaData()
_INSTANT = DateTime(timezone=True)

calls = Table(
    "calls",
    _metadata,
    Column("id", BigInteger, nullable=False),
    Column("source", String(64), nullable=False),
    Column("instance", Text),
    Column("source_table", Text),
    Column("source_key", Text),
    Column("retell_call_id", String(255)),
    Column("phone_number", Text),
    Column("direction", Text),
    Column("called_at", _INSTANT),
    Column("duration_seconds", BigInteger),
    Column("status", Text),
    Column("session_outcome", String(64)),
    Column("appointment_made", Boolean, nullable=False),
    Column("appointment_link_status", Text, nullable=False),
    Column("booking_failed", Boolean, nullable=False),
    Column("booking_failure_reason", Text),
    Column("requires_manual_processing", Boolean, nullable=False),
    Column("customer_id", BigInteger),
    Column("customer_link_status", Text, nullable=False),
    Column("customer_linked_at", _INSTANT),
    Column("customer_link_method", Text),
    Column("customer_link_confidence", Numeric(5, 2)),
    Column("vanished_at", _INSTANT),
    Column("created_at", _INSTANT, nullable=False),
    Column("updated_at", _INSTANT, nullable=False),
    Column("external_booking_id", String(255)),
)

appointments = Table(
    "appointments",
    _metadata,
    Column("id", BigInteger, nullable=False),
    Column("call_id", BigInteger),
    Column("source", String(64), nullable=False),
    Column("external_booking_id", String(255)),
    Column("retell_call_id", String(255)),
    Column("customer_id", BigInteger),
    Column("service_id", BigInteger),
    Column("status", String(32), nullable=False),
    Column("starts_at", _INSTANT),
    Column("created_at", _INSTANT, nullable=False),
    Column("updated_at", _INSTANT, nullable=False),
)

manual_review_queue = Table(
    "manual_review_queue",
    _metadata,
    Column("id", BigInteger, nullable=False),
    Column("call_id", BigInteger),
    Column("retell_call_id", String(255)),
    Column("reason", String(255), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("entity_type", String(255), nullable=False),
    Column("entity_key", Text, nullable=False),
    Column("context", JSONB, nullable=False),
    Column("assigned_to", Text),
    Column("assigned_at", _INSTANT),
    Column("resolved_at", _INSTANT),
    Column("resolution_notes", Text),
    Column("created_at", _INSTANT, nullable=False),
    Column("updated_at", _INSTANT, nullable=False),
)

outgoing_messages = Table(
    "outgoing_messages",
    _metadata,
    Column("id", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("link", Text),
    Column("created_at", _INSTANT, nullable=False),
    Column("sent_at", _INSTANT),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
)

daily_call_reports = Table(
    "daily_call_reports",
    _metadata,
    Column("day", Date, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("instance", Text, nullable=False),
    Column("starts_at", _INSTANT, nullable=False),
    Column("ends_at", _INSTANT, nullable=False),
    Column("calls", BigInteger, nullable=False),
    Column("matched", BigInteger, nullable=False),
    Column("orphaned", BigInteger, nullable=False),
    Column("answered", BigInteger, nullable=False),
    Column("contacts", BigInteger, nullable=False),
    Column("sales", BigInteger, nullable=False),
    Column("dropped", BigInteger, nullable=False),
    Column("proven_percent", Double, nullable=False),
    Column("is_proven", Boolean, nullable=False),
    Column("anomalies", ARRAY(Text), nullable=False),
    Column("figures", JSONB, nullable=False),
    Column("report", Text, nullable=False),
    Column("computed_at", _INSTANT, nullable=False),
)

daily_consistency_reports = Table(
    "daily_consistency_reports",
    _metadata,
    Column("report_date", Date, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("period_start", _INSTANT, nullable=False),
    Column("period_end", _INSTANT, nullable=False),
    Column("total_calls", BigInteger, nullable=False),
    Column("total_appointments", BigInteger, nullable=False),
    Column("total_inconsistencies", BigInteger, nullable=False),
    Column("consistency_rate", Numeric(6, 3), nullable=False),
    Column("figures", JSONB, nullable=False),
    Column("markdown", Text, nullable=False),
    Column("created_at", _INSTANT, nullable=False),
    Column("updated_at", _INSTANT, nullable=False),
)

lead_audits = Table(
    "lead_audits",
    _metadata,
    Column("id", BigInteger, nullable=False),
    Column("instance", Text, nullable=False),
    Column("taken_at", _INSTANT, nullable=False),
    Column("occasion", Text, nullable=False),
    Column("import_id", BigInteger),
    Column("figures", JSONB, nullable=False),
)
