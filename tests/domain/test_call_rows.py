"""Cleaning a call: whatever a dialer's database holds lands or is set aside with its reason, and the original is kept."""

from decimal import Decimal
from typing import Any

import psycopg
import pytest
from builders import NOON, land, raw_row
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, make_url

from vici_brain.brain.calls import _staging
from vici_brain.domain.call_rows import COLUMNS, INTEGERS, clean

BIG = 2**63
# column, what the driver gave, what lands, the reason (None: nothing is wrong), the original as it is kept
NASTY: list[tuple[str, Any, Any, str | None, str | None]] = [
    ("comments", "a\x00b", "ab", "comments holds a NUL", "\\x610062"),
    ("comments", b"a\x00b", "ab", "comments holds a NUL", "\\x610062"),
    ("comments", "lone \ud800 surrogate", "lone ? surrogate", "comments holds", "\\x6c6f6e6520eda08020737572726f67617465"),
    ("comments", b"\xff\xfe", "\ufffd\ufffd", "comments holds undecodable bytes", "\\xfffe"),
    # What the reader decoded with surrogateescape: bytes that are no UTF-8.
    ("comments", "ABC\udced\udca0\udc80", "ABC\ufffd\ufffd\ufffd", "comments holds undecodable bytes", "\\x414243eda080"),
    ("comments", "JosÃ©", "JosÃ©", None, None),
    ("comments", b"plain", "plain", None, None),
    ("comments", "\\N", "\\N", None, None),
    ("comments", "tab\tnew\nline\\", "tab\tnew\nline\\", None, None),
    ("comments", 7, "7", None, None),
    ("status", "", "", None, None),
    ("term_reason", "", "", None, None),
    ("call_date", "0000-00-00 00:00:00", None, "call_date is zero or partial", "0000-00-00 00:00:00"),
    ("call_date", "2024-02-00 00:00:00", None, "call_date is zero or partial", "2024-02-00 00:00:00"),
    ("call_date", "2024-00-15 10:00:00", None, "call_date is zero or partial", "2024-00-15 10:00:00"),
    ("call_date", "2024-02-31 10:00:00", None, "call_date is zero or partial", "2024-02-31 10:00:00"),
    ("call_date", "", None, "call_date is zero or partial", ""),
    ("call_date", "٢٠٢٤-٠٢-٠١ ١٠:٠٠:٠٠", None, "call_date is zero or partial", None),
    ("call_date", "2024-02-29 10:00:00", "2024-02-29 10:00:00", None, None),
    ("call_date", b"2024-02-29 10:00:00", "2024-02-29 10:00:00", None, None),
    ("call_date", "2024-02-29 10:00:00.5", "2024-02-29 10:00:00.500000", None, None),
    ("call_date", None, None, None, None),
    ("start_epoch", "1700000000", 1700000000, None, None),
    ("start_epoch", b"1700000000", 1700000000, None, None),
    ("start_epoch", True, 1, None, None),
    ("length_in_sec", -3, -3, None, None),
    ("length_in_sec", 90000, 90000, None, None),
    ("end_epoch", None, None, None, None),
    ("end_epoch", 4294967295, 4294967295, None, None),
    ("list_id", BIG - 1, BIG - 1, None, None),
    ("list_id", BIG, None, "list_id is out of range", str(BIG)),
    ("list_id", 2**64 - 1, None, "list_id is out of range", str(2**64 - 1)),
    ("list_id", -BIG - 1, None, "list_id is out of range", str(-BIG - 1)),
    ("called_count", "", None, "called_count is no whole number", ""),
    ("called_count", "1.5", None, "called_count is no whole number", "1.5"),
    ("called_count", b"\xff", None, "called_count is no whole number", "\\xff"),
    ("called_count", "9" * 5000, None, "called_count is no whole number", "9" * 5000),
    ("queue_seconds", Decimal("12.50"), "12.50", None, None),
    ("queue_seconds", "-1", "-1", None, None),
    ("queue_seconds", "1e9", None, "queue_seconds is no number", "1e9"),
    ("queue_seconds", "NaN", None, "queue_seconds is no number", "NaN"),
    ("queue_seconds", "٣", None, "queue_seconds is no number", None),
    ("queue_seconds", "٣.٥", None, "queue_seconds is no number", None),
    ("queue_seconds", "1" * 13, None, "queue_seconds is no number", "1" * 13),
]


@pytest.mark.parametrize(("column", "given_value", "lands", "reason", "original"), NASTY)
def test_a_nasty_value_lands_in_a_usable_form_and_its_original_is_kept(
    column: str, given_value: Any, lands: Any, reason: str | None, original: str | None
) -> None:
    result = clean([raw_row(**{column: given_value})])
    (row,) = result.rows
    assert row[COLUMNS.index(column)] == lands
    assert type(row[COLUMNS.index(column)]) is type(lands)
    if reason is None:
        assert result.refusals == []
    else:
        (refusal,) = result.refusals
        assert len(refusal.reasons) == 1
        assert reason in refusal.reasons[0]
        assert set(refusal.raw) == set(COLUMNS)
        if original is not None:
            assert refusal.raw[column] == original


def test_every_fault_of_a_row_is_named() -> None:
    (refusal,) = clean([raw_row(call_date="0000-00-00 00:00:00", list_id=BIG, comments="\x00")]).refusals
    assert set(refusal.reasons) == {"call_date is zero or partial", "list_id is out of range", "comments holds a NUL"}


def test_two_keys_that_differ_only_in_what_postgresql_cannot_hold_stay_two_rows() -> None:
    result = clean([raw_row(key="1700000000.1"), raw_row(source_key="1700000000.1\x00"), raw_row(source_key=b"1700000000.1\xff")])
    assert len({row[0] for row in result.rows}) == 3


texts = st.one_of(st.text(max_size=20), st.binary(max_size=20), st.text(st.characters(), max_size=10))
anything: st.SearchStrategy[Any] = st.one_of(
    *(st.none(), texts, st.integers(), st.booleans(), st.floats(), st.decimals()),
    *(st.from_regex(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}"), st.from_regex(r"-?\d{1,12}(\.\d+)?")),
)
rows = st.fixed_dictionaries(
    {name: st.one_of(anything, st.just("7")) for name in COLUMNS if name not in {"source_key", "row_crc"}}
)


def test_whatever_a_dialer_holds_can_be_merged_into_brain(brain: Engine) -> None:
    @settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(rows, min_size=1, max_size=3))
    def lands(drawn: list[dict[str, Any]]) -> None:
        counts = land(brain, [raw_row(NOON, **values, source_key=f"k{n}") for n, values in enumerate(drawn)], dry_run=True)
        assert counts.read == len(drawn)
        # A row lands, or it is set aside; it may be both.
        assert counts.new + counts.quarantined >= len(drawn)

    lands()


def test_cleaned_rows_keep_their_values_through_copy(brain: Engine) -> None:
    kept = st.fixed_dictionaries(
        {"comments": st.text(st.characters(codec="utf-8", exclude_characters="\x00")), "list_id": st.integers()}
    )
    url = make_url(brain.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(str(_staging("UTC")).encode())

        @settings(derandomize=True, deadline=None, max_examples=100)
        @given(kept)
        def survives(values: dict[str, Any]) -> None:
            (row,) = clean([raw_row(**values)]).rows
            cursor.execute("TRUNCATE staged_calls")
            names = ", ".join((*COLUMNS, "source_copy"))
            with cursor.copy(f"COPY staged_calls ({names}) FROM STDIN".encode()) as copy:
                copy.write_row((*row, "live"))
            cursor.execute("SELECT comments, list_id FROM staged_calls")
            in_range = values["list_id"] if -BIG <= values["list_id"] < BIG else None
            assert cursor.fetchone() == (values["comments"], in_range)

        survives()


def test_integers_are_columns() -> None:
    assert set(COLUMNS) >= INTEGERS
