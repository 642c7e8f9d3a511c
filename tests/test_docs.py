"""The documents say what the code holds, no more and no less: STYLE 17."""

import ast
import re
from pathlib import Path

import dagster as dg
import pytest
import typer
from sqlalchemy import Engine, inspect

from definitions import definitions_for
from vici_brain.cli.main import app
from vici_brain.settings import PROJECT, load_settings

README = (PROJECT / "README.md").read_text()
FEATURES = [
    f"F{number:03}"
    for span in (
        (1, 4),
        (5, 7),
        (8, 12),
        (14, 24),
        (30, 49),
        (53, 81),
        (112, 113),
        (124, 161),
    )
    for number in range(*span)
]
KINDS = ("Assets", "Checks", "Sensors", "Schedules", "Jobs", "Commands", "Relations in Brain")


def table(kind: str) -> dict[str, str]:
    """What one table of the README's last section names, each with its line."""
    section = README.split("## What is in it")[1]
    part = section.split(f"### {kind}\n")[1].split("\n### ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", part, re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a name stands twice"
    assert len(rows) == part.count("\n|") - 2 + part.startswith("|"), "a row that is no `name` | line"
    return dict(rows)


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    """The code location with one dialer, called vici."""
    return definitions_for(load_settings({})).get_repository_def()


def placeheld(name: str) -> str:
    return re.sub(r"(?<![a-z])vici(?=/|$|_every|_hourly|_nightly|_weekly|_daily)", "<instance>", name)


def described(repository: dg.RepositoryDefinition, kind: str) -> dict[str, str | None]:
    """Every definition of a kind in the code, with its description."""
    graph = repository.asset_graph
    match kind:
        case "Assets":
            return {key.to_user_string(): graph.get(key).description for key in graph.get_all_asset_keys()}
        case "Checks":
            return {key.name: graph.get_check_spec(key).description for key in graph.asset_check_keys}
        case "Sensors":
            return {each.name: each.description for each in repository.sensor_defs}
        case "Schedules":
            return {each.name: each.description for each in repository.schedule_defs}
        case "Jobs":
            return {each.name: each.description for each in repository.get_all_jobs() if not each.name.startswith("__")}
    commands = typer.main.get_command(app)
    assert isinstance(commands, typer.core.TyperGroup)
    return {f"vici-brain {name}": command.help for name, command in commands.commands.items()}


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_the_readme_names_every_definition_and_none_in_vain(repository: dg.RepositoryDefinition, kind: str) -> None:
    found = described(repository, kind)
    assert set(table(kind)) == {placeheld(name) for name in found}
    assert found


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_every_definition_says_what_it_is_for(repository: dg.RepositoryDefinition, kind: str) -> None:
    assert [name for name, text in described(repository, kind).items() if not (text or "").strip()] == []


def test_every_option_of_every_command_says_what_it_is_for() -> None:
    commands = typer.main.get_command(app)
    assert isinstance(commands, typer.core.TyperGroup)
    silent = [
        f"{name} {option.name}"
        for name, command in commands.commands.items()
        for option in command.params
        if not getattr(option, "help", None)
    ]
    assert silent == []


def test_the_readme_names_every_relation_that_the_migrations_make(brain: Engine) -> None:
    inspector = inspect(brain)
    made = {*inspector.get_table_names(), *inspector.get_view_names()} - {"vici_brain_migrations"}
    assert set(table("Relations in Brain")) == made


@pytest.mark.parametrize("kind", KINDS)
def test_every_line_of_the_tables_is_short(kind: str) -> None:
    assert all(0 < len(line) <= 120 for line in table(kind).values())


def variables_read() -> set[str]:
    """Names that settings.py looks up in what it was given."""
    tree = ast.parse((PROJECT / "vici_brain" / "settings.py").read_text())
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in strings if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", text)}


def test_every_variable_that_is_read_is_documented_and_none_in_vain() -> None:
    read = variables_read()
    assert {"BRAIN_DATABASE_URL", "VICI_TIME_ZONE", "ALERT_URLS"} <= read
    example = set(re.findall(r"^#?([A-Z][A-Z_]+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE))
    documented = set(re.findall(r"^\| `([A-Z_]+)`", (PROJECT / "docs" / "configuration.md").read_text(), re.MULTILINE))
    assert example == read
    assert documented == read


def test_every_setting_of_the_file_is_documented() -> None:
    from vici_brain.domain.alert_policy import AlertPolicy  # noqa: PLC0415 - only here
    from vici_brain.domain.expectation_policy import ExpectationPolicy  # noqa: PLC0415
    from vici_brain.domain.lead_policy import LeadPolicy  # noqa: PLC0415
    from vici_brain.domain.report_policy import ReportPolicy  # noqa: PLC0415
    from vici_brain.domain.write_back_policy import PushPolicy, WriteBackPolicy  # noqa: PLC0415
    from vici_brain.settings_file import ConfigFile, DialerTable, ProofTier  # noqa: PLC0415

    text = (PROJECT / "docs" / "configuration.md").read_text()
    policies = (LeadPolicy, ReportPolicy, AlertPolicy, ExpectationPolicy, WriteBackPolicy, PushPolicy)
    for model in (ConfigFile, DialerTable, ProofTier, *policies):
        for name in model.model_fields:
            assert re.search(rf"^\[*(dialers\.(write_back\.)?)?{name}\b", text, re.MULTILINE), f"{model.__name__}.{name}"


def test_every_target_of_the_makefile_has_a_line_of_help_and_is_no_file() -> None:
    text = (PROJECT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    assert set(re.findall(r"^([a-z-]+):.*## \S", text, re.MULTILINE)) == targets
    (phony,) = re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    assert set(phony.split()) == targets
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", README, re.MULTILINE))
    assert {"demo", "dev", "test"} <= named <= targets


@pytest.mark.parametrize(
    "document",
    ["README.md", "docs/configuration.md", "docs/leads.md", "docs/runbook.md", "deploy/README.md", "CHANGELOG.md"],
)
def test_every_link_leads_somewhere(document: str) -> None:
    path = PROJECT / document
    links = re.findall(r"(?<!!)\[[^\]]*\]\(([^)#\s]+)\)", path.read_text())
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []


def test_every_picture_is_there() -> None:
    assert [file for file in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", README) if not (PROJECT / file).exists()] == []


def test_the_changelog_knows_this_version() -> None:
    (version,) = re.findall(r'^version = "(.+)"', (PROJECT / "pyproject.toml").read_text(), re.MULTILINE)
    assert f"## [{version}]" in (PROJECT / "CHANGELOG.md").read_text()


def claimed(folder: Path) -> set[str]:
    """Features that a comment beside a test names."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for comment in re.findall(r"#((?: F\d{3},?)+)", path.read_text()):
            found |= set(re.findall(r"F\d{3}", comment))
    return found


@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_is_named_by_a_test_that_proves_it(feature: str) -> None:
    assert feature in claimed(PROJECT / "tests")
