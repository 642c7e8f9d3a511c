"""The slice of ViciDial's schema that this project reads, described by hand, with its true types, keys and indexes.

Belongs here: tables and columns as on a stock dialer (schema 1728); of the very wide tables only the columns we use.
Does not: statements (readers), what values mean (domain), rows (simulation). A dialer's schema is never migrated;
``create_tables`` is for simulated dialers only. ViciDial is AGPL, so nothing here is copied from its DDL. One long file
on purpose: whoever asks "which columns do we read?" finds all of them in one place.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import SchemaItem
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeEngine

metadata = sa.MetaData()

_STORAGE = {"mysql_engine": "MyISAM", "mysql_default_charset": "utf8mb3", "mysql_collate": "utf8mb3_unicode_ci"}
_OPTIONS = _STORAGE | {key.replace("mysql", "mariadb"): value for key, value in _STORAGE.items()}
_MYSQL = ("mysql", "mariadb")


class WallTime(sqlite.DATETIME):
    """SQLite's form of DATETIME: text to the second; what is no date comes back as text, as from PyMySQL."""

    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[Any], Any]:  # noqa: ARG002 -- an override
        return lambda value: value.strftime("%Y-%m-%d %H:%M:%S") if isinstance(value, datetime) else value

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[Any], Any]:  # noqa: ARG002
        def read(value: str | None) -> datetime | str | None:
            try:
                return None if value is None else datetime.fromisoformat(value)
            except ValueError:
                return value

        return read


_WALL_TIME: TypeEngine[datetime] = WallTime()  # type: ignore[no-untyped-call]


class _RowStamp(GenericFunction[datetime]):
    """The default of ``modify_date``: set at insert and, where the database can, at every update."""

    inherit_cache = True


@compiles(_RowStamp)
def _plain_stamp(_element: _RowStamp, _compiler: SQLCompiler, **_options: Any) -> str:
    return "CURRENT_TIMESTAMP"


@compiles(_RowStamp, "mysql", "mariadb")
def _updating_stamp(_element: _RowStamp, _compiler: SQLCompiler, **_options: Any) -> str:
    return "CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"


def _text(length: int) -> TypeEngine[str]:
    return mysql.VARCHAR(length).with_variant(sa.String(length), "sqlite")


def _whole(width: int, *, unsigned: bool = True) -> TypeEngine[int]:
    return mysql.INTEGER(width, unsigned=unsigned).with_variant(sa.Integer(), "sqlite")


def _big() -> TypeEngine[int]:
    return mysql.BIGINT(14, unsigned=True).with_variant(sa.Integer(), "sqlite")


def _small(*, unsigned: bool = True) -> TypeEngine[int]:
    return mysql.SMALLINT(5 if unsigned else 6, unsigned=unsigned).with_variant(sa.Integer(), "sqlite")


def _tiny() -> TypeEngine[int]:
    return mysql.TINYINT(3, unsigned=True).with_variant(sa.Integer(), "sqlite")


def _decimal(precision: int, scale: int) -> TypeEngine[Any]:
    decimal_text = sa.Float(asdecimal=True, decimal_return_scale=scale)
    return mysql.DECIMAL(precision, scale).with_variant(decimal_text, "sqlite")


def _one_of(*values: str) -> TypeEngine[str]:
    # The enum is the variant, not the base: copying a column rebuilds a base enum and would lose its variants.
    return sa.String(max(map(len, values))).with_variant(mysql.ENUM(*values), *_MYSQL)


def _moment() -> TypeEngine[datetime]:
    return mysql.DATETIME().with_variant(_WALL_TIME, "sqlite")


def _day() -> TypeEngine[Any]:
    return mysql.DATE().with_variant(sa.String(10), "sqlite")


def _stamp() -> TypeEngine[datetime]:
    return mysql.TIMESTAMP().with_variant(_WALL_TIME, "sqlite")


def _long_text() -> TypeEngine[str]:
    return mysql.TEXT().with_variant(sa.Text(), "sqlite")


def _yes_no(name: str, default: str = "N") -> sa.Column[str]:
    return sa.Column(name, _one_of("Y", "N"), server_default=default)


def _keys(table: sa.Table, *keys: str) -> None:
    """KEYs named as ViciDial's are; SQLite's index names are global, so there the table's name goes in front."""
    for key in keys:
        columns = key.split("+")
        name = columns[0] if len(columns) == 1 else "_".join(columns)
        indexed = [table.c[column] for column in columns]
        for dialect in _MYSQL:
            sa.Index(name, *indexed).ddl_if(dialect=dialect)
        sa.Index(f"{table.name}_{name}", *indexed).ddl_if(dialect="sqlite")


def _table(name: str, *columns: SchemaItem, keys: tuple[str, ...] = ()) -> sa.Table:
    options: dict[str, Any] = dict(_OPTIONS)
    table = sa.Table(name, metadata, *columns, **options)
    _keys(table, *keys)
    return table


def _archive(source: sa.Table, *more: SchemaItem, keys: tuple[str, ...] = ()) -> sa.Table:
    """What an administrator makes with LIKE: the same columns and keys, without AUTO_INCREMENT."""
    columns = [column._copy() for column in source.columns]  # noqa: SLF001 -- SQLAlchemy offers no public copy of a column
    for column in columns:
        column.autoincrement = False
    return _table(f"{source.name}_archive", *columns, *more, keys=keys)


_OUTBOUND_REASONS = ("CALLER", "AGENT", "QUEUETIMEOUT", "ABANDON", "AFTERHOURS", "NONE", "SYSTEM")
_INBOUND_REASONS = (
    *("CALLER", "AGENT", "QUEUETIMEOUT", "ABANDON", "AFTERHOURS", "HOLDRECALLXFER", "HOLDTIME", "NOAGENT", "NONE"),
    *("MAXCALLS", "ACFILTER", "CLOSETIME", "SYSTEM"),
)
_LOG_KEYS = ("lead_id", "call_date")
_CLOSER_KEYS = ("lead_id", "call_date", "campaign_id", "uniqueid", "phone_number", "call_date+user")
_CALLER_CODE_KEYS = ("caller_code", "call_date")

# -- calls --

vicidial_log = _table(
    "vicidial_log",
    sa.Column("uniqueid", _text(20), primary_key=True),
    sa.Column("lead_id", _whole(9), nullable=False),
    sa.Column("list_id", _big()),
    sa.Column("campaign_id", _text(8)),
    sa.Column("call_date", _moment()),
    sa.Column("start_epoch", _whole(10)),
    sa.Column("end_epoch", _whole(10)),
    sa.Column("length_in_sec", _whole(10, unsigned=False)),
    sa.Column("status", _text(6)),
    sa.Column("phone_code", _text(10)),
    sa.Column("phone_number", _text(18)),
    sa.Column("user", _text(20)),
    sa.Column("comments", _text(255)),
    sa.Column("processed", _one_of("Y", "N")),
    sa.Column("user_group", _text(20)),
    sa.Column("term_reason", _one_of(*_OUTBOUND_REASONS), server_default="NONE"),
    sa.Column("alt_dial", _text(6), server_default="NONE"),
    sa.Column("called_count", _small(), server_default="0"),
    keys=_LOG_KEYS,
)
vicidial_log_archive = _archive(vicidial_log, keys=_LOG_KEYS)

vicidial_closer_log = _table(
    "vicidial_closer_log",
    sa.Column("closecallid", _whole(9), primary_key=True, autoincrement=True),
    sa.Column("lead_id", _whole(9), nullable=False),
    sa.Column("list_id", _big()),
    sa.Column("campaign_id", _text(20)),
    sa.Column("call_date", _moment()),
    sa.Column("start_epoch", _whole(10)),
    sa.Column("end_epoch", _whole(10)),
    sa.Column("length_in_sec", _whole(10, unsigned=False)),
    sa.Column("status", _text(6)),
    sa.Column("phone_code", _text(10)),
    sa.Column("phone_number", _text(18)),
    sa.Column("user", _text(20)),
    sa.Column("comments", _text(255)),
    sa.Column("processed", _one_of("Y", "N")),
    sa.Column("queue_seconds", _decimal(7, 2), server_default="0"),
    sa.Column("user_group", _text(20)),
    sa.Column("xfercallid", _whole(9)),
    sa.Column("term_reason", _one_of(*_INBOUND_REASONS), server_default="NONE"),
    sa.Column("uniqueid", _text(20), nullable=False, server_default=""),
    sa.Column("agent_only", _text(20), server_default=""),
    sa.Column("queue_position", _small(), server_default="1"),
    sa.Column("called_count", _small(), server_default="0"),
    keys=_CLOSER_KEYS,
)
vicidial_closer_log_archive = _archive(vicidial_closer_log, keys=_CLOSER_KEYS)

vicidial_log_extended = _table(
    "vicidial_log_extended",
    sa.Column("uniqueid", _text(50), primary_key=True),
    sa.Column("server_ip", _text(15)),
    sa.Column("call_date", _moment()),
    sa.Column("lead_id", _whole(9)),
    sa.Column("caller_code", _text(30), nullable=False),
    sa.Column("custom_call_id", _text(100)),
    keys=("lead_id", "caller_code", "call_date"),
)
vicidial_log_extended_archive = _archive(vicidial_log_extended, keys=("lead_id", "caller_code", "call_date"))

vicidial_dial_cid_log = _table(
    "vicidial_dial_cid_log",
    sa.Column("caller_code", _text(30), nullable=False),
    sa.Column("call_date", _moment()),
    sa.Column("call_type", _one_of("OUT", "OUTBALANCE", "MANUAL", "OVERRIDE", "3WAY"), server_default="OUT"),
    sa.Column("call_alt", _text(20), server_default=""),
    sa.Column("outbound_cid", _text(20), server_default=""),
    sa.Column("outbound_cid_type", _text(20), server_default=""),
    keys=_CALLER_CODE_KEYS,
)
vicidial_dial_cid_log_archive = _archive(
    vicidial_dial_cid_log, sa.UniqueConstraint("caller_code", "call_date", name="vdcla"), keys=_CALLER_CODE_KEYS
)

vicidial_callbacks = _table(
    "vicidial_callbacks",
    sa.Column("callback_id", _whole(9), primary_key=True, autoincrement=True),
    sa.Column("lead_id", _whole(9)),
    sa.Column("list_id", _big()),
    sa.Column("campaign_id", _text(8)),
    sa.Column("status", _text(10)),
    sa.Column("entry_time", _moment()),
    sa.Column("callback_time", _moment()),
    sa.Column("modify_date", _stamp(), server_default=_RowStamp(), nullable=False),
    sa.Column("user", _text(20)),
    sa.Column("recipient", _one_of("USERONLY", "ANYONE")),
    sa.Column("comments", _text(255)),
    sa.Column("user_group", _text(20)),
    sa.Column("lead_status", _text(6), server_default="CALLBK"),
    keys=("lead_id", "status", "callback_time"),
)

# -- leads --

_LEAD_KEYS = (
    *("phone_number", "list_id", "called_since_last_reset", "status", "gmt_offset_now", "postal_code"),
    *("last_local_call_time", "rank", "owner", "phone_number+list_id", "list_id+phone_number", "list_id+status"),
)
_RESET_MARKS = ("Y", "N", *(f"Y{n}" for n in range(1, 11)), "D")

vicidial_list = _table(
    "vicidial_list",
    sa.Column("lead_id", _whole(9), primary_key=True, autoincrement=True),
    sa.Column("entry_date", _moment()),
    sa.Column("modify_date", _stamp(), server_default=_RowStamp(), nullable=False),
    sa.Column("status", _text(6)),
    sa.Column("user", _text(20)),
    sa.Column("vendor_lead_code", _text(20)),
    sa.Column("source_id", _text(50)),
    sa.Column("list_id", _big(), nullable=False, server_default="0"),
    sa.Column("gmt_offset_now", _decimal(4, 2), server_default="0.00"),
    sa.Column("called_since_last_reset", _one_of(*_RESET_MARKS), server_default="N"),
    sa.Column("phone_code", _text(10)),
    sa.Column("phone_number", _text(18), nullable=False),
    sa.Column("title", _text(4)),
    sa.Column("first_name", _text(30)),
    sa.Column("middle_initial", _text(1)),
    sa.Column("last_name", _text(30)),
    sa.Column("address1", _text(100)),
    sa.Column("address2", _text(100)),
    sa.Column("address3", _text(100)),
    sa.Column("city", _text(50)),
    sa.Column("state", _text(2)),
    sa.Column("province", _text(50)),
    sa.Column("postal_code", _text(10)),
    sa.Column("country_code", _text(3)),
    sa.Column("gender", _one_of("M", "F", "U"), server_default="U"),
    sa.Column("date_of_birth", _day()),
    sa.Column("alt_phone", _text(12)),
    sa.Column("email", _text(70)),
    sa.Column("security_phrase", _text(100)),
    sa.Column("comments", _text(255)),
    sa.Column("called_count", _small(), server_default="0"),
    sa.Column("last_local_call_time", _moment()),
    sa.Column("rank", _small(unsigned=False), nullable=False, server_default="0"),
    sa.Column("owner", _text(20), server_default=""),
    sa.Column("entry_list_id", _big(), nullable=False, server_default="0"),
    keys=_LEAD_KEYS,
)
vicidial_list_archive = _archive(vicidial_list, keys=_LEAD_KEYS)

vicidial_list_alt_phones = _table(
    "vicidial_list_alt_phones",
    sa.Column("alt_phone_id", _whole(9), primary_key=True, autoincrement=True),
    sa.Column("lead_id", _whole(9), nullable=False),
    sa.Column("phone_code", _text(10)),
    sa.Column("phone_number", _text(18)),
    sa.Column("alt_phone_note", _text(30)),
    sa.Column("alt_phone_count", _small()),
    sa.Column("active", _one_of("Y", "N"), server_default="Y"),
    keys=("lead_id", "phone_number"),
)

vicidial_dnc = _table("vicidial_dnc", sa.Column("phone_number", _text(18), primary_key=True))
vicidial_campaign_dnc = _table(
    "vicidial_campaign_dnc",
    sa.Column("phone_number", _text(18), nullable=False),
    sa.Column("campaign_id", _text(8), nullable=False),
    sa.UniqueConstraint("phone_number", "campaign_id", name="phonecamp"),
    keys=("phone_number",),
)

# -- what writing to leads has to know: who is on the phone, and what is about to be dialled --

vicidial_live_agents = _table(
    "vicidial_live_agents",
    sa.Column("live_agent_id", _whole(9), primary_key=True, autoincrement=True),
    sa.Column("user", _text(20), unique=True),
    sa.Column("status", _one_of("READY", "QUEUE", "INCALL", "PAUSED", "CLOSER", "MQUEUE"), server_default="PAUSED"),
    sa.Column("lead_id", _whole(9), nullable=False, server_default="0"),
    sa.Column("campaign_id", _text(8)),
)
_HOPPER_STATES = ("READY", "QUEUE", "INCALL", "DONE", "HOLD", "DNC", "RHOLD", "RQUEUE")
vicidial_hopper = _table(
    "vicidial_hopper",
    sa.Column("hopper_id", _whole(9), primary_key=True, autoincrement=True),
    sa.Column("lead_id", _whole(9)),
    sa.Column("campaign_id", _text(8)),
    sa.Column("status", _one_of(*_HOPPER_STATES), server_default="READY"),
    sa.Column("list_id", _big(), nullable=False, server_default="0"),
    sa.Column("vendor_lead_code", _text(20), server_default=""),
    keys=("lead_id",),
)

# -- catalog --

vicidial_lists = _table(
    "vicidial_lists",
    sa.Column("list_id", _big(), primary_key=True, autoincrement=False),
    sa.Column("list_name", _text(30)),
    sa.Column("campaign_id", _text(8)),
    sa.Column("active", _one_of("Y", "N")),
    sa.Column("list_description", _text(255)),
    sa.Column("list_changedate", _moment()),
    sa.Column("list_lastcalldate", _moment()),
    sa.Column("campaign_cid_override", _text(20), server_default=""),
    sa.Column("expiration_date", _day(), server_default="2099-12-31"),
    sa.Column("local_call_time", _text(10), nullable=False, server_default="campaign"),
    sa.Column("resets_today", _small(), server_default="0"),
    sa.Column("cache_count", _whole(9), server_default="0"),
    sa.Column("cache_count_new", _whole(9), server_default="0"),
    sa.Column("cache_date", _moment()),
    sa.Column("cid_group_id", _text(20), server_default="---DISABLED---"),
)

_DIAL_METHODS = ("MANUAL", "RATIO", "ADAPT_HARD_LIMIT", "ADAPT_TAPERED", "ADAPT_AVERAGE", "INBOUND_MAN")
_CUSTOM_CID = ("Y", "N", "AREACODE", *(f"USER_CUSTOM_{n}" for n in range(1, 6)))

vicidial_campaigns = _table(
    "vicidial_campaigns",
    sa.Column("campaign_id", _text(8), primary_key=True),
    sa.Column("campaign_name", _text(40)),
    sa.Column("campaign_description", _text(255)),
    sa.Column("active", _one_of("Y", "N")),
    sa.Column("dial_method", _one_of(*_DIAL_METHODS), server_default="MANUAL"),
    sa.Column("auto_dial_level", _text(6), server_default="0"),
    sa.Column("dial_statuses", _text(255), server_default=" NEW -"),
    sa.Column("dial_timeout", _tiny(), server_default="60"),
    sa.Column("local_call_time", _text(10), server_default="9am-9pm"),
    sa.Column("campaign_cid", _text(20), server_default="0000000000"),
    sa.Column("use_custom_cid", _one_of(*_CUSTOM_CID), server_default="N"),
    sa.Column("cid_group_id", _text(20), server_default="---DISABLED---"),
    sa.Column("use_internal_dnc", _one_of("Y", "N", "AREACODE"), server_default="N"),
    sa.Column("use_campaign_dnc", _one_of("Y", "N", "AREACODE"), server_default="N"),
    sa.Column("use_other_campaign_dnc", _text(8), server_default=""),
    sa.Column("auto_alt_dial", _text(50), server_default="NONE"),
    _yes_no("disable_alter_custdata"),
    _yes_no("hopper_vlc_dup_check"),
    sa.Column("campaign_changedate", _moment()),
    sa.Column("campaign_calldate", _moment()),
    sa.Column("campaign_logindate", _moment()),
    sa.Column("user_group", _text(20), server_default="---ALL---"),
    sa.Column("dispo_call_url", _long_text()),
    sa.Column("na_call_url", _long_text()),
)

vicidial_inbound_groups = _table(
    "vicidial_inbound_groups",
    sa.Column("group_id", _text(20), primary_key=True),
    sa.Column("group_name", _text(30)),
    sa.Column("active", _one_of("Y", "N")),
    sa.Column("queue_priority", mysql.TINYINT(2).with_variant(sa.Integer(), "sqlite"), server_default="0"),
    sa.Column("drop_call_seconds", _small(), server_default="360"),
    sa.Column("call_time_id", _text(20), server_default="24hours"),
    sa.Column("user_group", _text(20), server_default="---ALL---"),
)

_FLAGS = (
    *("selectable", "human_answered", "sale", "dnc", "customer_contact", "not_interested", "unworkable"),
    *("scheduled_callback", "completed", "answering_machine"),
)


def _status_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("status_name", _text(30)),
        *(_yes_no(flag) for flag in _FLAGS),
        sa.Column("category", _text(20), server_default="UNDEFINED"),
        sa.Column("min_sec", _whole(5), server_default="0"),
        sa.Column("max_sec", _whole(5), server_default="0"),
    ]


vicidial_statuses = _table("vicidial_statuses", sa.Column("status", _text(6), primary_key=True), *_status_columns())
vicidial_campaign_statuses = _table(
    "vicidial_campaign_statuses",
    sa.Column("status", _text(6), nullable=False),
    sa.Column("campaign_id", _text(20), nullable=False),
    *_status_columns(),
    sa.UniqueConstraint("status", "campaign_id", name="vicidial_campaign_statuses_key"),
    keys=("campaign_id",),
)

vicidial_campaign_cid_areacodes = _table(
    "vicidial_campaign_cid_areacodes",
    sa.Column("campaign_id", _text(20), nullable=False),
    sa.Column("areacode", _text(5), nullable=False),
    sa.Column("outbound_cid", _text(20), nullable=False),
    sa.Column("active", _one_of("Y", "N", ""), server_default=""),
    sa.Column("cid_description", _text(50)),
    sa.Column("call_count_today", _whole(7), server_default="0"),
    sa.UniqueConstraint("campaign_id", "areacode", "outbound_cid", name="campareacode"),
)
vicidial_cid_groups = _table(
    "vicidial_cid_groups",
    sa.Column("cid_group_id", _text(20), primary_key=True),
    sa.Column("cid_group_notes", _text(255), server_default=""),
    sa.Column("cid_group_type", _one_of("AREACODE", "STATE", "NONE"), server_default="AREACODE"),
)

# Passwords and rights stay where they are: this description is all that a reader can select.
vicidial_users = _table(
    "vicidial_users",
    sa.Column("user_id", _whole(9), primary_key=True, autoincrement=True),
    sa.Column("user", _text(20), nullable=False, unique=True),
    sa.Column("full_name", _text(50)),
    sa.Column("user_level", _tiny(), server_default="1"),
    sa.Column("user_group", _text(20)),
    sa.Column("active", _one_of("Y", "N"), server_default="Y"),
)

servers = _table(
    "servers",
    sa.Column("server_id", _text(10), nullable=False),
    sa.Column("server_description", _text(255)),
    sa.Column("server_ip", _text(15), nullable=False),
    sa.Column("active", _one_of("Y", "N")),
    sa.Column("asterisk_version", _text(20)),
    sa.Column("local_gmt", _text(6), server_default="-5.00"),
    sa.UniqueConstraint("server_id", name="server_id"),
)
system_settings = _table(
    "system_settings",
    sa.Column("version", _text(50)),
    sa.Column("svn_version", _text(20)),
    sa.Column("db_schema_version", _whole(8), server_default="0"),
    sa.Column("slave_db_server", _text(50), server_default=""),
    sa.Column("reports_use_slave_db", _text(4000), server_default=""),
    sa.Column("default_local_gmt", _text(6), server_default="-5.00"),
    sa.Column("use_non_latin", _one_of("0", "1"), server_default="0"),
    _yes_no("noanswer_log"),
    sa.Column("oldest_logs_date", _moment()),
)

OPTIONAL_TABLES: tuple[str, ...] = (
    *("vicidial_log_archive", "vicidial_closer_log_archive", "vicidial_log_extended", "vicidial_log_extended_archive"),
    *("vicidial_dial_cid_log", "vicidial_dial_cid_log_archive", "vicidial_list_archive", "vicidial_list_alt_phones"),
    *(
        "vicidial_callbacks",
        "vicidial_dnc",
        "vicidial_campaign_dnc",
        "vicidial_campaign_cid_areacodes",
        "vicidial_cid_groups",
    ),
    *("vicidial_users", "servers"),
    *("vicidial_live_agents", "vicidial_hopper"),
)
REQUIRED_TABLES: tuple[str, ...] = tuple(name for name in metadata.tables if name not in OPTIONAL_TABLES)


def create_tables(engine: sa.Engine, *, mysql_engine: str = "MyISAM", skip: Collection[str] = ()) -> None:
    """Make a simulated dialer's tables, but not those named in ``skip``; real dialers bring their own."""
    tables = [table for name, table in metadata.tables.items() if name not in skip]
    with engine.begin() as connection:
        metadata.create_all(connection, tables=tables)
        if engine.dialect.name in _MYSQL and mysql_engine != "MyISAM":
            for table in tables:
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ENGINE = {mysql_engine}")
