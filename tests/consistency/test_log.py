"""The consistency log: a file of its own, lines that can be searched, rotation by several processes, and no secrets."""

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from builders import NOON
from crm import appointment, call, untriggered, write
from sqlalchemy import Engine

from vici_brain.brain.breakers import Breaker
from vici_brain.brain.consistency_log import keep_log, log_file, rule_broken, validation_failed
from vici_brain.brain.database import brain_now
from vici_brain.domain.breaker import BreakerPolicy
from vici_brain.domain.consistency_policy import ConsistencyPolicy
from vici_brain.errors import RetriableError
from vici_brain.flows.book_appointment import roll_back, validate_appointment_creation
from vici_brain.flows.guarding import guarded
from vici_brain.flows.watch_consistency import sweep
from vici_brain.settings import PROJECT, load_settings

PAGE = (PROJECT / "docs" / "consistency.md").read_text()
# As the page prints them: grep -E 'PATTERN' …
PATTERNS = dict(re.findall(r"^\| ([^|]+) \| `grep -E '([^']+)'` \|$", PAGE.replace("\\|", "¦"), re.MULTILINE))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    keep_log(tmp_path)
    yield tmp_path
    keep_log(tmp_path / "afterwards")


def lines(home: Path) -> list[str]:
    path = log_file(home)
    return path.read_text().splitlines() if path.exists() else []


def test_everything_that_happens_has_a_line_with_its_prefix(brain: Engine, home: Path) -> None:  # F150
    wrong, booked = call(brain, session_outcome="appointment_booked"), call(brain)
    appointment(brain, booked, external_booking_id="b1")
    sweep(brain, brain_now(brain) + timedelta(minutes=2), ConsistencyPolicy())
    validate_appointment_creation(brain, wrong, NOON)
    roll_back(brain, wrong, "appointment_not_found", NOON)
    roll_back(brain, booked, "appointment_too_old", NOON)
    at = [NOON]
    breaker = Breaker(brain, "service/7", BreakerPolicy(), lambda: at[0])
    for _ in range(3):
        with pytest.raises(RetriableError), guarded(breaker):
            raise RetriableError("no way to\nmysql://u:hunter2@h/db")
    with guarded(Breaker(brain, "service/8", BreakerPolicy(), lambda: at[0])):
        at[0] += timedelta(seconds=10, milliseconds=100)
    for _ in range(2):
        at[0] += timedelta(seconds=30)
        with guarded(breaker):
            pass
    said = [line.split(" ", 1)[1] for line in lines(home)]
    assert said == [
        f"ERROR RULE rule=session_outcome_mismatch severity=critical found=1 new=0 corrected=0 sample={wrong}",
        f"ERROR VALIDATION_FAILED call={wrong} appointment=- reason=appointment_not_found",
        f"ERROR ROLLBACK call={wrong} reason=appointment_not_found",
        f"ERROR ROLLBACK_REFUSED call={booked} reason=appointment_too_old",
        'ERROR BREAKER key=service/7 change=closed->open failures=3 error="RetriableError: no way to mysql://u:***@h/db"',
        "WARNING BREAKER_SLOW key=service/8 seconds=10.1 allowed=10",
        "INFO BREAKER key=service/7 change=open->half_open failures=3 error=-",
        "INFO BREAKER key=service/7 change=half_open->closed failures=0 error=-",
    ]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in lines(home))
    assert len(PATTERNS) == 7
    for what, pattern in PATTERNS.items():
        assert [line for line in lines(home) if re.search(pattern.replace("¦", "|"), line)], what


def test_a_site_without_findings_and_a_sweep_that_failed_leave_no_line(brain: Engine, home: Path) -> None:
    sweep(brain, brain_now(brain), ConsistencyPolicy())
    untriggered(brain, "INSERT INTO calls (session_outcome, direction) VALUES ('appointment_booked', 'inbound')")
    write(brain, "ALTER TABLE outgoing_messages ADD CHECK (severity <> 'critical')")
    with pytest.raises(Exception, match="violates check"):
        sweep(brain, brain_now(brain) + timedelta(minutes=2), ConsistencyPolicy())
    assert lines(home) == []


PROCESS = """
import sys
from pathlib import Path
from vici_brain.brain.consistency_log import keep_log, validation_failed
keep_log(Path(sys.argv[1]), most_bytes=4000)
for number in range(60):
    validation_failed(number, int(sys.argv[2]), "appointment_not_found")
"""


def test_processes_that_write_and_rotate_at_once_lose_no_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROCESS, str(tmp_path)]
    running = [subprocess.Popen([*command, str(number)]) for number in range(3)]
    assert [each.wait(timeout=30) for each in running] == [0, 0, 0]
    files = list(log_file(tmp_path).parent.glob("consistency.log*"))
    found = [line for file in files for line in file.read_text().splitlines()]
    assert 1 < len(files) <= 6
    assert len(found) == len(set(re.findall(r"call=\d+ appointment=\d+", "\n".join(found)))) == 180
    assert all(file.stat().st_size <= 4000 for file in files)


def test_a_disk_that_cannot_be_written_stops_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").write_text("no folder")
    keep_log(tmp_path)
    rule_broken("missing_direction", "warning", found=1, new=1, corrected=1, sample=[1])
    keep_log(tmp_path / "afterwards")
    assert "Logging error" in capsys.readouterr().err


def test_whoever_opens_brain_keeps_the_log_at_home(brain_url: str, tmp_path: Path) -> None:
    settings = load_settings({"BRAIN_DATABASE_URL": brain_url, "VICI_BRAIN_HOME": str(tmp_path)})
    settings.open_brain().dispose()
    validation_failed(7, None, "appointment_not_found")
    keep_log(tmp_path / "afterwards")
    assert len(lines(tmp_path)) == 1
