"""Suites of whole relations: the dialer's catalog as mirrored, and what affiliate networks report.

Belongs here: what must be true of each column. Does not: reading (brain/expectation_rows), running (expectations).

A relation that Brain does not have is said to be absent and nothing is expected of it; from its first row on its suite holds.
Columns of ``required`` must be there, so that a relation whose names are others than these is no green page; the rules of the
other columns hold where the column is there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vici_brain.brain.expectation_rows import Rows
from vici_brain.domain.statuses import FLAGS

# ViciDial's own widths: varchar(6) and varchar(8), without blanks inside.
_STATUS, _CAMPAIGN = r"^\S{1,6}$", r"^\S{1,8}$"
_PHONE = r"^[+(]?[0-9][0-9 ().-]{5,24}$"
_SWITCH = ("Y", "N", True, False)


@dataclass(frozen=True, slots=True)
class Relation:
    """``instants`` names columns by which a stretch of it is looked at, the first that is there; without any, all of it is."""

    name: str
    required: tuple[str, ...]
    key: tuple[str, ...]
    formats: Mapping[str, str] = field(default_factory=dict)
    sets: Mapping[str, Sequence[object]] = field(default_factory=dict)
    least: Mapping[str, int] = field(default_factory=dict)
    present: tuple[str, ...] = ()
    contains: Mapping[str, Sequence[str]] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    instants: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that something is expected of, once."""
        of_rules = (*self.formats, *self.sets, *self.least, *self.present, *self.contains, *self.types, *self.instants)
        return tuple(dict.fromkeys((*self.required, *self.key, *of_rules)))

    def expectations(self, gxe: Any, rows: Rows, mostly: float) -> list[Any]:
        """Of a frame whose columns are those of :attr:`columns` that the relation has."""
        expected = [gxe.ExpectColumnToExist(column=name) for name in self.required]
        if self.key and set(self.key) <= set(rows.columns):
            expected.append(gxe.ExpectCompoundColumnsToBeUnique(column_list=list(self.key)))
        expected += [each for name in rows.columns for each in self._of_column(gxe, name, mostly)]
        # An empty relation lacks everything; whether it may be empty is not this suite's question.
        for name, known in self.contains.items() if rows.rows else ():
            if name in rows.columns:
                expected.append(gxe.ExpectColumnDistinctValuesToContainSet(column=name, value_set=list(known)))
        return expected

    def _of_column(self, gxe: Any, name: str, mostly: float) -> Iterator[Any]:
        if name in self.key:
            yield gxe.ExpectColumnValuesToNotBeNull(column=name)
        if name in self.present:
            yield gxe.ExpectColumnValuesToNotBeNull(column=name, mostly=mostly)
        if name in self.formats:
            yield gxe.ExpectColumnValuesToMatchRegex(column=name, regex=self.formats[name], mostly=mostly)
        if name in self.sets:
            yield gxe.ExpectColumnValuesToBeInSet(column=name, value_set=list(self.sets[name]), mostly=mostly)
        if name in self.least:
            yield gxe.ExpectColumnValuesToBeBetween(column=name, min_value=self.least[name])
        if name in self.types:
            yield gxe.ExpectColumnValuesToBeOfType(column=name, type_=self.types[name])


STATUSES = Relation(
    "vici_statuses",
    required=("instance", "campaign_id", "status", "status_name", *FLAGS),
    key=("instance", "campaign_id", "status"),
    formats={"status": _STATUS},
    present=("status_name",),
    types=dict.fromkeys(FLAGS, "bool"),
    # Written by the dialer's own programs whatever a site edits: without them something else was read.
    contains={"status": ("DNC", "DROP", "NA", "SALE")},
)
CAMPAIGNS = Relation(
    "vici_campaigns",
    required=("instance", "campaign_id"),
    key=("instance", "campaign_id"),
    formats={"campaign_id": _CAMPAIGN},
    sets={"active": _SWITCH},
    present=("campaign_name",),
)
LISTS = Relation(
    "vici_lists",
    required=("instance", "list_id"),
    key=("instance", "list_id"),
    formats={"campaign_id": _CAMPAIGN},
    sets={"active": _SWITCH},
    least={"list_id": 1},
    present=("campaign_id", "list_name"),
)
CALLER_IDS = Relation(
    "vici_caller_ids",
    required=("instance", "phone_number"),
    key=("instance", "campaign_id", "phone_number"),
    formats={"phone_number": _PHONE, "campaign_id": _CAMPAIGN},
    sets={"active": _SWITCH},
)
PURCHASES = Relation(
    "affiliate_purchases",
    required=("network", "status", "currency", "revenue"),
    key=(),
    formats={"currency": "^[A-Z]{3}$", "country_code": "^[A-Z]{2}$"},
    sets={"status": ("pending", "approved", "approved_but_stalled", "declined", "rejected", "paid")},
    least={"sales_amount": 0, "revenue": 0, "quantity": 0},
    present=("network", "status", "currency", "revenue"),
    instants=("order_date", "purchase_date"),
)
