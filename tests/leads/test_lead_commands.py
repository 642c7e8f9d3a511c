"""The commands about leads as a shell starts them, over the simulated dialer and over one of a test's own."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from builders import ask, one
from lead_sites import lead_site
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from vici_brain.cli.main import app
from vici_brain.flows.simulate_site import SimulatedSite, SiteSize, days_back


class Shell:
    """Commands over one Brain and the dialer ``vici`` in a folder."""

    def __init__(self, brain_url: str, folder: Path) -> None:
        self.environment = {
            "BRAIN_DATABASE_URL": brain_url,
            "VICI_DATABASE_URL": f"sqlite:///{folder}/dialer.db",
            "VICI_TIME_ZONE": "America/New_York",
            "VICI_BRAIN_HOME": str(folder),
            "COLUMNS": "200",
        }

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env=self.environment)


def figure(result: Result, name: str) -> int:
    (line,) = [line for line in result.output.splitlines() if line.strip().startswith(f"{name} ")]
    return int(line.rsplit(maxsplit=1)[-1].replace(",", ""))


def test_the_order_of_a_first_import_at_the_keyboard(brain: Engine, brain_url: str, tmp_path: Path) -> None:  # F072, F073, F074
    run = Shell(brain_url, tmp_path)
    with lead_site(f"sqlite:///{tmp_path}/dialer.db", brain) as site:
        for lead_id in range(1, 9):
            site.lead(lead_id, f"212555010{lead_id}")
        assert figure(run("import-to-brain", "--campaigns", "Auto2,Autodial", "--dry-run"), "leads created") == 8
        assert site.count("leads") == 0
        assert figure(run("import-to-brain", "--campaigns", "auto2", "--limit", "3"), "leads created") == 3
        assert figure(run("import-to-brain", "--campaigns", "auto2", "--phone", "2125550108"), "leads created") == 1
        assert figure(run("import-to-brain", "--campaigns", " Auto2 , Autodial"), "leads created") == 4
        assert "no lead of Brain changed" in run("import-to-brain", "--campaigns", "Auto2").output
        audited = run("audit").output
        assert "AUTO2" in audited
        assert "import 3" in audited or "import 4" in audited
        assert "through Brain first since" in run("lead-intake", "brain-first").output
        assert [line.split()[0] for line in run("rollback-import").output.splitlines()[1:]][-1] in {"1", "2"}
        last = str(one(brain, "SELECT max(id) FROM lead_imports"))
        tried = run("rollback-import", last)
        assert figure(tried, "leads cleared") == 4, tried.output
        assert site.count("leads") == 8
        back = run("rollback-import", last, "--apply")
        assert (figure(back, "leads cleared"), site.count("leads")) == (4, 4)
        assert len(list((tmp_path / "lead-snapshots").glob("*.parquet"))) == 1
        refused = run("import-to-brain", "--campaigns", "Auto2")
        assert refused.exit_code == 2
        assert "vici-only" in run("lead-intake").output
        run("lead-intake", "open")
        assert figure(run("import-to-brain", "--campaigns", "Auto2"), "leads created") == 4


def test_a_file_at_the_keyboard(brain: Engine, brain_url: str, tmp_path: Path) -> None:  # F060
    run, file = Shell(brain_url, tmp_path), tmp_path / "leads.csv"
    file.write_text("Phone,Colour\n2125550101,red\nnobody,blue\n")
    with lead_site(f"sqlite:///{tmp_path}/dialer.db", brain) as site:
        site.lead(1, "2125550101")
        done = run("import-csv", str(file), "--match-vici")
        assert (figure(done, "leads created"), figure(done, "rows rejected")) == (1, 1)
        assert "columns that mean nothing here: Colour" in done.output
        assert (tmp_path / "leads.csv.rejects.csv").exists()
        file.write_text("Telefon;Colour\n2125550102;red\n")
        said = run("import-csv", str(file), "--column", "Telefon=phone", "--column", "Colour=city", "--encoding", "utf-8")
        assert (figure(said, "leads created"), "mean nothing here" in said.output) == (1, False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("import-to-brain", "--campaigns", " , "), "names none"),
        (("import-to-brain", "--campaigns", "A", "--limit", "1", "--phone", "1"), "either --limit or --phone"),
        (("import-to-brain", "--campaigns", "A", "--phone", "Ada"), "'Ada' is no phone number"),
        (("lead-intake", "ajar"), "can be turned to open"),
        (("import-csv", "leads.csv", "--column", "phone"), "names no column"),
    ],
)
def test_a_wrong_option_is_said(brain_url: str, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    result = Shell(brain_url, tmp_path)(*arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_the_simulated_dialer_serves_the_command_of_the_readme(brain: Engine, brain_url: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    size = SiteSize(days_back(now, 3), calls_per_day=20, leads=400)
    home = SimulatedSite(
        f"sqlite:///{tmp_path}/dialer-vici.sqlite3", tmp_path / "dialer-vici.json", "vici", "America/New_York", size
    )
    home.open_doors(now)
    home.tell_brain(brain, None, now)
    home.close()
    run = Shell(brain_url, tmp_path)
    run.environment.pop("VICI_DATABASE_URL")
    before = one(brain, "SELECT count(*) FROM leads")
    done = run("import-to-brain", "--campaigns", "Auto2,Autodial")
    assert done.exit_code == 0, done.output
    assert figure(done, "leads created") > 0
    assert one(brain, "SELECT count(*) FROM leads") == before + figure(done, "leads created")
    assert "no lead of Brain changed" in run("import-to-brain", "--campaigns", "Auto2,Autodial").output
    doubled = ask(
        brain,
        "SELECT count(*) FROM (SELECT FROM leads WHERE meta ->> 'origin' = 'vici_import'"
        " GROUP BY normalised_phone('1', phone) HAVING count(*) > 1) AS d",
    )
    assert doubled == [(0,)]
    unlinked = "SELECT count(*) FROM vici_lead_links WHERE campaign_id IN ('AUTO2', 'AUTODIAL') AND lead_id IS NULL"
    assert one(brain, unlinked) == 0
