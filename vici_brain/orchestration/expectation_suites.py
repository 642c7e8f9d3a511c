"""The suites of expectations: which rows each looks at, and what must be true of them.

Belongs here: SUITES, to which the suite of another table is added. Does not: running them or their pages (expectations).

Each suite names the columns of its frame; a function of great-expectations' own vocabulary (``gxe``) keeps the import away from
everything that only wants to know which suites there are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from vici_brain.brain.daily_calls import DailyCalls
from vici_brain.brain.expectation_rows import CALL_TYPES, LEAD_COLUMNS, ExpectationRows, Rows
from vici_brain.domain.call_report import DayCalls
from vici_brain.domain.drift import stability_index
from vici_brain.domain.expectation_policy import ExpectationPolicy
from vici_brain.domain.statuses import PREFIXES_WITHOUT_ROW, WITHOUT_ROW
from vici_brain.domain.windows import Window
from vici_brain.orchestration.relation_suites import CALLER_IDS, CAMPAIGNS, LISTS, PURCHASES, STATUSES, Relation
from vici_brain.vici.call_tables import CALL_TABLES

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

_PHONE = r"^[+(]?[0-9][0-9 ().-]{5,24}$"
_MIXES = ("status", "campaign", "hour")


@dataclass(frozen=True, slots=True)
class Look:
    """What a suite is held against: one dialer (blank: none), one stretch, and when."""

    engine: Engine
    instance: str
    window: Window
    policy: ExpectationPolicy
    now: datetime

    @property
    def rows(self) -> ExpectationRows:
        return ExpectationRows(self.engine)


@dataclass(frozen=True, slots=True)
class Suite:
    """``read`` gives the frame, ``expect`` what is expected of it; a suite that only warns has ``is_error`` False."""

    name: str
    description: str
    of_each_dialer: bool
    read: Callable[[Look], Rows]
    expect: Callable[[Any, Look, Rows], "list[Expectation]"]
    is_error: bool = True


def _calls(look: Look) -> Rows:
    return look.rows.calls(look.instance, look.window, look.policy.most_rows)


def _expect_of_calls(gxe: Any, look: Look, rows: Rows) -> "list[Expectation]":
    from great_expectations.expectations.row_conditions import Column  # noqa: PLC0415 - only who runs a suite pays for it

    mostly = look.policy.mostly
    present = ("instance", "source_table", "source_key", "called_at", "row_crc", "source_copy")
    return [
        gxe.ExpectTableColumnsToMatchOrderedList(column_list=list(CALL_TYPES)),
        *(gxe.ExpectColumnValuesToNotBeNull(column=name) for name in present),
        *(gxe.ExpectColumnValuesToNotBeNull(column=name, mostly=mostly) for name in ("campaign_id", "status", "phone_number")),
        gxe.ExpectCompoundColumnsToBeUnique(column_list=["instance", "source_table", "source_key"]),
        gxe.ExpectColumnValuesToBeInSet(column="source_table", value_set=[table.name for table in CALL_TABLES]),
        gxe.ExpectColumnValuesToBeInSet(column="source_copy", value_set=["live", "archive"]),
        gxe.ExpectColumnValuesToBeInSet(column="matched_by", value_set=["vendor_lead_code", "vici_lead_link", "phone"]),
        gxe.ExpectColumnValuesToBeInSet(column="status", value_set=_known(look, rows), mostly=mostly),
        gxe.ExpectColumnValuesToBeBetween(column="called_at", min_value=look.window.start, max_value=look.window.end),
        gxe.ExpectColumnValuesToBeBetween(column="length_in_sec", min_value=0, max_value=86_400, mostly=mostly),
        gxe.ExpectColumnValuesToBeBetween(column="row_crc", min_value=0, max_value=2**32 - 1),
        gxe.ExpectColumnValuesToBeBetween(column="match_candidates", min_value=1),
        gxe.ExpectColumnValuesToMatchRegex(column="phone_number", regex=_PHONE, mostly=mostly),
        # Where it found the lead; otherwise it is a dialer's free text, and sites write what they like into it.
        gxe.ExpectColumnValuesToMatchRegex(
            column="vendor_lead_code",
            regex=r"^[0-9]{13}$",
            row_condition=Column("matched_by") == "vendor_lead_code",
        ),
    ]


def _known(look: Look, rows: Rows) -> list[str]:
    """Statuses of the frame that somebody defines, and all that the dialer does."""
    place = rows.columns.index("status")
    defined = look.rows.statuses(look.instance) | WITHOUT_ROW
    used = {row[place] for row in rows.rows if row[place] is not None}
    fine = {each for each in used if each.strip().upper() in defined or each.strip().upper().startswith(PREFIXES_WITHOUT_ROW)}
    return sorted(fine | defined)


def _call_columns(look: Look) -> Rows:
    """A frame of Python values has no SQL types; the catalog has."""
    found = look.rows.column_types("vici_call_logs")
    return Rows(("column_and_type",), [(f"{name} {data_type}",) for name, data_type in found.rows], found.is_cut)


def _expect_of_columns(gxe: Any, _look: Look, _rows: Rows) -> "list[Expectation]":
    return [
        gxe.ExpectColumnDistinctValuesToContainSet(column="column_and_type", value_set=[f"{name} {data_type}"])
        for name, data_type in CALL_TYPES.items()
    ]


def _leads(look: Look) -> Rows:
    return look.rows.leads(look.window, look.policy.most_rows)


def _expect_of_leads(gxe: Any, look: Look, _rows: Rows) -> "list[Expectation]":
    mostly = look.policy.mostly
    return [
        gxe.ExpectTableColumnsToMatchOrderedList(column_list=list(LEAD_COLUMNS)),
        gxe.ExpectColumnValuesToNotBeNull(column="id"),
        gxe.ExpectColumnValuesToBeUnique(column="id"),
        gxe.ExpectColumnValuesToNotBeNull(column="external_lead_id", mostly=mostly),
        gxe.ExpectColumnValuesToBeUnique(column="external_lead_id"),
        gxe.ExpectColumnValuesToMatchRegex(column="external_lead_id", regex=r"^[0-9]{13}$", mostly=mostly),
        gxe.ExpectColumnValuesToNotBeNull(column="phone", mostly=mostly),
        gxe.ExpectColumnValuesToMatchRegex(column="phone", regex=_PHONE, mostly=mostly),
        gxe.ExpectColumnValuesToNotBeNull(column="created_at"),
        gxe.ExpectColumnValuesToBeOfType(column="created_at", type_="datetime"),
        gxe.ExpectColumnValuesToBeBetween(column="created_at", min_value=look.window.start, max_value=look.window.end),
    ]


def _drift(look: Look) -> Rows:
    """One row a mix: how far it has moved from the same stretch of the trailing weeks; blank where calls are too few."""
    counted = DailyCalls(look.engine, look.instance, [table.name for table in CALL_TABLES])
    seen, usual = counted.calls(look.window, "UTC"), DayCalls()
    for week in range(1, look.policy.trailing_weeks + 1):
        back = timedelta(weeks=week)
        usual += counted.calls(Window(look.window.start - back, look.window.end - back), "UTC")
    rows = []
    for mix in _MIXES:
        before, now = ({name: float(each.calls) for name, each in day.of(mix).items()} for day in (usual, seen))
        rows.append((mix, stability_index(before, now), int(sum(now.values())), int(sum(before.values()))))
    return Rows(("mix", "stability_index", "calls", "usual_calls"), rows, is_cut=False)


def _expect_of_drift(gxe: Any, look: Look, _rows: Rows) -> "list[Expectation]":
    return [gxe.ExpectColumnValuesToBeBetween(column="stability_index", min_value=0, max_value=look.policy.most_drift)]


def _of(relation: Relation, description: str, *, of_each_dialer: bool = True) -> Suite:
    def read(look: Look) -> Rows:
        return look.rows.relation(
            relation.name,
            relation.columns,
            instance=look.instance,
            window=look.window,
            instants=relation.instants,
            most=look.policy.most_rows,
        )

    def expect(gxe: Any, look: Look, rows: Rows) -> "list[Expectation]":
        return relation.expectations(gxe, rows, look.policy.mostly)

    return Suite(f"{relation.name}_meet_expectations", description, of_each_dialer, read, expect)


SUITES = (
    Suite(
        "call_logs_meet_expectations",
        "Calls of the day have their columns, keys, sets, ranges and formats. If not: the page names column and values",
        *(True, _calls, _expect_of_calls),
    ),
    Suite(
        "call_log_columns_have_their_types",
        "vici_call_logs has the columns and types that everything here reads. If not: run `vici-brain migrate`",
        *(False, _call_columns, _expect_of_columns),
    ),
    Suite(
        "call_mix_is_stable",
        "Statuses, campaigns and hours are mixed as on the same days of weeks before. If not: somebody changed the dialer, or "
        "part of its calls is missing",
        *(True, _drift, _expect_of_drift),
        is_error=False,
    ),
    Suite(
        "leads_meet_expectations",
        "Leads created on the day have unique 13-digit ids, phones and times. If not: the page names the column and shows values",
        *(False, _leads, _expect_of_leads),
    ),
    _of(STATUSES, "The dialer's statuses have keys, widths and flags, and the stock ones are there. If not: the page says which"),
    _of(CAMPAIGNS, "Campaigns have unique ids and names, once Brain mirrors them. If not: the page names column and values"),
    _of(LISTS, "Lists have unique numbers and a campaign, once Brain mirrors them. If not: the page names column and values"),
    _of(CALLER_IDS, "Caller IDs are numbers, once each, once Brain mirrors them. If not: the page names column and values"),
    _of(
        PURCHASES,
        "Purchases of the day have a known status, an amount and a currency, once networks are synced. If not: the page names "
        "column and values",
        of_each_dialer=False,
    ),
)
"""Every suite there is. One for another table needs a reader of its rows and what is expected of them, and nothing else."""
