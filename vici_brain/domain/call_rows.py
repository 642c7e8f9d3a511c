"""One call row as the dialer's database gave it, made fit for PostgreSQL without losing anything.

Belongs here: the replicated columns, what each may hold, and the reasons a value is set aside. Does not: when a call happened or
whom it belongs to (both decided in SQL, brain/sql), nor reading or writing rows.

ViciDial itself needs a lenient server and writes zero dates, blank enums and numbers of any size, so no value is trusted.
A value that PostgreSQL cannot hold becomes NULL or is stripped in the row, and the original goes to quarantine with its reason.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

# The order of a staged row; brain's staging table and the reader's SELECT both follow it. The caller ID comes last, because a
# line is given it behind what the dialer's database wrote.
COLUMNS = (
    "source_key",
    "uniqueid",
    "vici_lead_id",
    "list_id",
    "campaign_id",
    "call_date",
    "start_epoch",
    "end_epoch",
    "length_in_sec",
    "status",
    "phone_code",
    "phone_number",
    "agent_user",
    "user_group",
    "comments",
    "term_reason",
    "alt_dial",
    "called_count",
    "queue_seconds",
    "vendor_lead_code",
    "row_crc",
    "outbound_cid",
)
INTEGERS = frozenset({"vici_lead_id", "list_id", "start_epoch", "end_epoch", "length_in_sec", "called_count", "row_crc"})
_BIGINT = range(-(2**63), 2**63)
_TIMESTAMP = re.compile(r"(?!0000)\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}")
_DECIMAL = re.compile(r"-?[0-9]{1,9}(\.[0-9]+)?\Z")
_NUL = "\x00"

Value = str | int | None
Raw = str | bytes | int | float | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row, or a value in it, could not be kept as it was: the reasons by column, and the row as it came."""

    source_key: str
    reasons: tuple[str, ...]
    raw: Mapping[str, str | None]


@dataclass(slots=True)
class CleanRows:
    """Rows ready for staging, in :data:`COLUMNS` order, and what had to be set aside on the way."""

    rows: list[tuple[Value, ...]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


def clean(raw_rows: Sequence[Sequence[Raw]]) -> CleanRows:
    """``raw_rows`` (each in :data:`COLUMNS` order) with every value in a form that PostgreSQL takes.

    No row is dropped: one that cannot land for want of any usable time is told apart after staging.
    """
    result = CleanRows()
    for raw in raw_rows:
        reasons: list[str] = []
        row = tuple(_clean_value(name, value, reasons) for name, value in zip(COLUMNS, raw, strict=True))
        result.rows.append(row)
        if reasons:
            shown = {name: _shown(value) for name, value in zip(COLUMNS, raw, strict=True)}
            result.refusals.append(Refusal(str(row[0]), tuple(reasons), shown))
    return result


def _clean_value(name: str, value: Raw, reasons: list[str]) -> Value:
    if value is None:
        return None
    if name in INTEGERS:
        return _integer(name, value, reasons)
    text = _text(name, value, reasons)
    if name == "source_key" and reasons:
        # Two keys that differ only in what PostgreSQL cannot hold must not become one.
        return _shown(value)
    if name == "call_date":
        return _timestamp(text, reasons)
    if name == "queue_seconds" and not _DECIMAL.match(text):
        reasons.append("queue_seconds is no number")
        return None
    return text


def _integer(name: str, value: Raw, reasons: list[str]) -> int | None:
    try:
        number = int(value if isinstance(value, int) else _plain(value))  # True is an int, but COPY would write t
    except ValueError:
        reasons.append(f"{name} is no whole number")
        return None
    if number in _BIGINT:
        return number
    reasons.append(f"{name} is out of range")
    return None


def _timestamp(text: str, reasons: list[str]) -> str | None:
    if _TIMESTAMP.match(text):
        try:
            return datetime.fromisoformat(text).isoformat(" ")
        except ValueError:
            pass
    reasons.append("call_date is zero or partial")
    return None


def _text(name: str, value: Raw, reasons: list[str]) -> str:
    if isinstance(value, str) and not value.isascii():
        value = _escaped_bytes(value) or value
    if isinstance(value, bytes):
        try:
            text = value.decode()
        except UnicodeDecodeError:
            reasons.append(f"{name} holds undecodable bytes")
            text = value.decode(errors="replace")
    else:
        text = str(value)
    if _NUL in text:
        reasons.append(f"{name} holds a NUL")
        text = text.replace(_NUL, "")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        reasons.append(f"{name} holds a lone surrogate")
        text = text.encode("utf-8", "replace").decode()
    return text


def _escaped_bytes(text: str) -> bytes | None:
    """The bytes behind a text that the reader could decode only with surrogateescape; ``None`` for any other text."""
    if not any("\udc80" <= letter <= "\udcff" for letter in text):
        return None
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None


def _plain(value: Raw) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)


def _shown(value: Raw) -> str | None:
    r"""The original in a form JSON can hold: bytes and texts that are not clean as ``\x…`` hexadecimal, the rest as text."""
    if value is None:
        return None
    if isinstance(value, str) and (_NUL in value or not value.isascii()):
        value = _escaped_bytes(value) or value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes):
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return "\\x" + value.hex()
        return "\\x" + value.hex() if _NUL in text else text
    return str(value)
