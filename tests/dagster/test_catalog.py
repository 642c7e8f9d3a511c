"""What the catalog shows of tables is what the databases have, and the graph of groups runs one way."""

from collections.abc import Sequence
from graphlib import TopologicalSorter
from itertools import combinations, permutations, product

import dagster as dg
from sqlalchemy import Engine, inspect
from sqlalchemy.dialects import postgresql

import definitions
from vici_brain.orchestration.asset_keys import LEADS

SPECS = [
    spec
    for asset in definitions.defs.assets or ()
    for spec in (asset.specs if isinstance(asset, dg.AssetsDefinition) else [asset])
    if isinstance(spec, dg.AssetSpec)
]
OF_NO_TABLE = {"vendor_lead_codes", "pushed_leads"}
"""Assets that stand for changes made at the dialer, not for a table."""


def _columns_shown(spec: dg.AssetSpec) -> list[tuple[str, str, bool, str | None]]:
    columns = spec.metadata["dagster/column_schema"].columns
    return [(column.name, column.type, column.constraints.nullable, column.description) for column in columns]


def test_every_asset_that_is_a_table_shows_its_columns() -> None:
    without = {spec.key.path[-1] for spec in SPECS if "dagster/column_schema" not in spec.metadata}
    assert without == OF_NO_TABLE


def test_columns_and_their_descriptions_are_those_of_a_migrated_database(brain: Engine) -> None:
    dialect, found = postgresql.dialect(), inspect(brain)  # type: ignore[no-untyped-call]
    compared = 0
    for spec in SPECS:
        if "mariadb" in spec.kinds and "postgres" not in spec.kinds:
            continue
        table = spec.metadata["dagster/table_name"]
        is_view = table in found.get_view_names()
        comments = {each["name"]: each["comment"] for each in found.get_columns("vici_call_logs" if is_view else table)}
        actual = [
            (
                each["name"],
                each["type"].compile(dialect).removesuffix(' COLLATE "C"').lower().replace(", 0)", ")"),
                each["nullable"],
                comments[each["name"]],
            )
            for each in found.get_columns(table)
        ]
        shown = _columns_shown(spec)
        if spec.key == LEADS:
            # The CRM's own: only what is required of it is shown, and types are the CRM's to choose.
            assert {column[0] for column in shown} <= {column[0] for column in actual}
        elif is_view:
            # PostgreSQL knows no NOT NULL of a view's columns.
            assert [(name, kind, text) for name, kind, _, text in shown] == [(name, kind, text) for name, kind, _, text in actual]
        else:
            assert shown == actual, table
        compared += 1
    assert compared >= 12


def _groups() -> dict[str, set[str]]:
    """Each group with those before it."""
    group_of = {spec.key: spec.group_name for spec in SPECS}
    upstream: dict[str, set[str]] = {}
    for spec in SPECS:
        before = {group_of[dep.asset_key] for dep in spec.deps if group_of[dep.asset_key] != spec.group_name}
        upstream.setdefault(str(spec.group_name), set()).update(map(str, before))
    return upstream


def test_the_graph_of_groups_runs_from_left_to_right() -> None:
    order = list(TopologicalSorter(_groups()).static_order())
    assert set(order) == {"vici_dialer", "leads", "vici_calls", "vici_write_back", "consistency", "reports"}


def test_the_graph_of_groups_can_be_drawn_without_two_lines_that_cross() -> None:
    upstream = _groups()
    place: dict[str, int] = {}
    for group in TopologicalSorter(upstream).static_order():
        place[group] = 1 + max((place[before] for before in upstream[group]), default=-1)
    # A line over several columns passes through each of them, at a point that takes part in their order.
    columns: list[list[str]] = [[] for _ in range(max(place.values()) + 1)]
    for group, column in place.items():
        columns[column].append(group)
    steps: list[list[tuple[str, str]]] = [[] for _ in columns]
    for group, before in ((group, before) for group, all_before in upstream.items() for before in all_before):
        points = [before, *(f"{before} to {group}, {column}" for column in range(place[before] + 1, place[group])), group]
        for offset, point in enumerate(points[1:], 1):
            column = place[before] + offset
            steps[column].append((points[offset - 1], point))
            if point != group:
                columns[column].append(point)
    assert min(_crossings(drawn, steps) for drawn in product(*(permutations(column) for column in columns))) == 0


def test_one_line_alone_is_longer_than_a_column() -> None:
    # The UI draws each as one curve, behind whatever stands in its way.
    upstream = _groups()
    place: dict[str, int] = {}
    for group in TopologicalSorter(upstream).static_order():
        place[group] = 1 + max((place[before] for before in upstream[group]), default=-1)
    longer = {(before, group) for group in upstream for before in upstream[group] if place[group] - place[before] > 1}
    assert longer == {("vici_dialer", "vici_calls")}


def _crossings(drawn: Sequence[Sequence[str]], steps: Sequence[Sequence[tuple[str, str]]]) -> int:
    height = {point: row for column in drawn for row, point in enumerate(column)}
    return sum(
        (height[one[0]] - height[other[0]]) * (height[one[1]] - height[other[1]]) < 0
        for lines in steps
        for one, other in combinations(lines, 2)
    )
