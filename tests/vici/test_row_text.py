"""A row's text, and so its checksum, is what a CAST around every column would give, whatever the columns are made of."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, cast, create_engine, func, literal, select, text
from sqlalchemy.types import NullType

from vici_brain.vici.row_text import RowText

pytestmark = pytest.mark.mariadb
TEXTS = [
    *("", " ", "a", "A ", "\\N", "\\", "\x1f", "\x00", "\t", "'\"", "é", "Zoë", "ÿ€", "日本", "ß", "z" * 20, "é" * 20),
    *("𝄞", "😀 call back", "e\u0301"),
]
DATES = ["2025-06-10 12:00:00", "0000-00-00 00:00:00", "2025-00-00 00:00:00", "2025-06-00 10:00:00", "9999-12-31 23:59:59"]
REASONS = ["CALLER", "NONE", "", "no such reason"]
NUMBERS = [0, 1, -1, 4_294_967_295, 18_446_744_073_709_551_615, 65_535, -2_147_483_648, 2_147_483_647]
DECIMALS = ["0", "4", "-0.01", "99999.99", "-99999.99", "1.005"]
COLLATIONS = {
    "latin1": ("latin1_swedish_ci",),
    "utf8mb3": ("utf8mb3_unicode_ci",),
    "utf8mb4": ("utf8mb4_unicode_ci",),
    "utf8mb3 in two collations": ("utf8mb3_unicode_ci", "utf8mb3_general_ci"),
    "latin1 beside utf8mb3": ("latin1_swedish_ci", "utf8mb3_unicode_ci"),
    "utf8mb3 beside utf8mb4": ("utf8mb3_general_ci", "utf8mb4_bin"),
    "three that do not mix": ("latin1_swedish_ci", "greek_general_ci", "latin2_general_ci"),
    "two bytes a letter": ("ucs2_general_ci", "latin1_bin"),
    "bytes beside letters": ("binary", "utf8mb3_unicode_ci"),
}


@pytest.fixture
def lenient(mariadb_url: str) -> Iterator[Engine]:
    engine = create_engine(mariadb_url, connect_args={"charset": "utf8mb4", "init_command": "SET sql_mode=''"})
    yield engine
    engine.dispose()


def old_text(*values: Any) -> Any:
    """The text as every checksum in a Brain was made with."""
    return func.concat_ws(literal("\x1f"), *(func.coalesce(cast(value, String), "\\N") for value in values))


def odd_table(engine: Engine, collations: tuple[str, ...]) -> Table:
    """A table like one of calls with a hundred odd rows, whose columns of text have ``collations`` in turn."""
    kinds = {
        **{f"text_{n}": "varchar(20)" for n in range(4)},
        "large": "text",
        "reason": "enum('CALLER','NONE')",
        "moment": "datetime",
        "stamp": "timestamp null",
        "day": "date",
        "small": "smallint(5) unsigned",
        "whole": "int(9) unsigned",
        "signed": "int(10)",
        "big": "bigint(14) unsigned",
        "amount": "decimal(7,2)",
        "part": "float",
        "zeros": "int(9) unsigned zerofill",
    }
    described = []
    for number, (name, kind) in enumerate(kinds.items()):
        collation = collations[number % len(collations)]
        if not name.startswith(("text", "large", "reason")) or (collation == "binary" and kind.startswith("enum")):
            described.append(f"{name} {kind}")
        elif collation == "binary":
            described.append(f"{name} {'varbinary(20)' if kind.startswith('varchar') else 'blob'}")
        else:
            described.append(f"{name} {kind} COLLATE {collation}")
    table = Table("odd", MetaData(), Column("id", Integer), *(Column(name, NullType()) for name in kinds))
    values: dict[str, list[Any]] = {
        **{f"text_{n}": TEXTS[n:] + TEXTS[:n] for n in range(4)},
        "large": TEXTS,
        "reason": REASONS,
        "moment": DATES,
        "stamp": DATES,
        "day": [date[:10] for date in DATES],
        "small": NUMBERS,
        "whole": NUMBERS,
        "signed": NUMBERS,
        "big": NUMBERS,
        "amount": DECIMALS,
        "part": DECIMALS,
        "zeros": NUMBERS,
    }
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE odd (id int PRIMARY KEY, {', '.join(described)}) ENGINE=MyISAM"))
        for row in range(100):
            odd = {name: some[row % len(some)] if (row + n) % 11 else None for n, (name, some) in enumerate(values.items())}
            connection.execute(table.insert().values(id=row, **odd))
        if collations[0].startswith("utf8mb3"):
            connection.execute(text("UPDATE odd SET text_0 = _utf8mb3 x'414243EDA080' WHERE id % 10 = 7"))
    return table


def both(engine: Engine, table: Table) -> list[Any]:
    columns = [column for column in table.c if column.name != "id"]
    old, new = old_text(*columns), RowText("\x1f", "\\N", *columns)
    shown = [func.hex(func.convert(each.op("USING")(text("utf8mb4")))) for each in (old, new)]
    with engine.connect() as connection:
        return list(connection.execute(select(*shown, func.crc32(old), func.crc32(new)).order_by(table.c.id)))


@pytest.mark.parametrize("collations", COLLATIONS.values(), ids=list(COLLATIONS))
def test_odd_rows_have_the_text_that_a_cast_of_each_column_gives(lenient: Engine, collations: tuple[str, ...]) -> None:
    found = both(lenient, odd_table(lenient, collations))
    assert len({row[0] for row in found}) == 100
    assert [row[1] for row in found] == [row[0] for row in found]
    assert [row[3] for row in found] == [row[2] for row in found]
