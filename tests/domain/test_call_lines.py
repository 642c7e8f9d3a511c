"""Lines that a dialer's database wrote come out value by value as they went in, or are known not to."""

from hypothesis import given
from hypothesis import strategies as st

from vici_brain.domain.call_lines import END, NULL_MARK, SEPARATOR, copy_text, fields, holds, last_line, lines
from vici_brain.domain.call_rows import COLUMNS

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.one_of(st.none(), TEXTS, st.sampled_from(["\\N", "\\", "\t", "\n", ""]))
ROWS = st.lists(st.lists(VALUES, min_size=len(COLUMNS), max_size=len(COLUMNS)), min_size=1, max_size=4)


def page_of(rows: list[list[str | None]]) -> bytes:
    """What the database writes."""
    return END.join(SEPARATOR.join(NULL_MARK if value is None else value for value in row) for row in rows).encode()


def is_ambiguous(rows: list[list[str | None]]) -> bool:
    return any(value is not None and (END in value or SEPARATOR in value) for row in rows for value in row)


def as_postgres_reads(text: bytes) -> list[list[str | None]]:
    """COPY text by PostgreSQL's rules: a field that is the NULL mark is NULL before anything is unescaped."""
    escapes = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}

    def value(field: str) -> str | None:
        if field == NULL_MARK:
            return None
        found, at = "", 0
        while at < len(field):
            pair = field[at : at + 2]
            found += escapes.get(pair, field[at])
            at += 2 if pair in escapes else 1
        return found

    return [[value(field) for field in line.split("\t")] for line in text.decode().split("\n")[:-1]]


@given(ROWS)
def test_every_value_comes_out_as_it_went_in_on_both_ways(rows: list[list[str | None]]) -> None:
    page = page_of(rows)
    if is_ambiguous(rows):
        return
    assert holds(page, len(rows))
    expected = [[None if value == NULL_MARK else value for value in row] for row in rows]
    careful = [[None if value is None else value.decode() for value in fields(line)] for line in lines(page)]
    assert careful == expected
    assert list(fields(last_line(page))) == [None if value is None else value.encode() for value in expected[-1]]
    assert as_postgres_reads(copy_text(page, "live")) == [[*row, "live"] for row in expected]


@given(ROWS)
def test_a_page_whose_values_hold_separators_is_never_taken_for_whole(rows: list[list[str | None]]) -> None:
    if is_ambiguous(rows):
        assert not holds(page_of(rows), len(rows))


@given(ROWS, st.data())
def test_a_page_that_was_cut_short_is_never_taken_for_whole(rows: list[list[str | None]], data: st.DataObject) -> None:
    page = page_of(rows)
    cut = page[: data.draw(st.integers(0, max(0, page.rfind(SEPARATOR.encode()))))]
    assert not holds(cut, len(rows)) or is_ambiguous(rows)
