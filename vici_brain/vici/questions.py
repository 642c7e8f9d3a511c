"""A statement for a dialer that is built once, and the values it is asked with this time.

Belongs here: the pair, and how a statement names its values. Does not: any statement (call_reader, proof_reader).

Building an expression of twenty columns costs a client more than fetching its page, and a history asks the same few thousands of
times: so each is built once for each table, and its windows are bound parameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Integer, Select, String, bindparam


@dataclass(frozen=True, slots=True)
class Question:
    """A statement and its values; ``values`` names every parameter of the statement that has none of its own."""

    statement: Select[*tuple[Any, ...]]
    values: Mapping[str, object]

    def bound(self) -> Select[*tuple[Any, ...]]:
        """The statement with its values in it, for EXPLAIN; costs a copy of the whole expression."""
        return self.statement.params(**self.values)


def wall(name: str) -> BindParameter[str]:
    """A wall time, compared with a column as text."""
    return bindparam(name, type_=String)


def number(name: str) -> BindParameter[int]:
    return bindparam(name, type_=Integer)
