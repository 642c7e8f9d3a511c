"""Situations of docs/runbook.md as seen on call: a message comes, a check is red, the remedy is typed, it is over.

They happen now and not on a day of the tests' own: a dialer whose clock is elsewhere is refused, rightly.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import dagster as dg
import pytest
from builders import minutes, one
from pydantic import SecretStr
from sqlalchemy import Engine

from vici_brain.brain.database import migrate, open_brain
from vici_brain.domain.gaps import stretch_name
from vici_brain.domain.windows import BUCKET, Window, floor_to
from vici_brain.errors import ConfigurationError
from vici_brain.flows.sync_calls import fetch_history, sync_incremental
from vici_brain.orchestration import reporting
from vici_brain.orchestration.alerting import Cursor, one_round
from vici_brain.orchestration.call_report import report_day
from vici_brain.orchestration.partitions import RANGE_TAGS, key_of
from vici_brain.orchestration.resources import Connections
from vici_brain.settings import PROJECT

sys.path += [str(PROJECT / "tests" / "dagster"), str(PROJECT / "tests" / "alerts")]
from alert_sinks import WebhookSink, webhook_sink
from call_centre import VICI, CallCentre, call_centre, evaluation, sample, settings_for, verdicts

RUNBOOK = (PROJECT / "docs" / "runbook.md").read_text()


class Shift:
    """A call centre, and the engineer whom its alerts reach."""

    def __init__(self, centre: CallCentre, hook: WebhookSink, now: datetime) -> None:
        self.centre, self.hook, self.cursor = centre, hook, Cursor(now - timedelta(days=1))
        self.read_to = floor_to(now, BUCKET)
        self.first = datetime.combine(centre.settings.sync_start, time(), UTC)
        self.connections = Connections(centre.settings, centre.clock)
        self.checks = [key for checks in centre.defs.asset_checks or () for key in checks.check_keys]

    def told(self, later: float = 0) -> list[str]:
        """The titles that come ``later`` by so many minutes."""
        heard = len(self.hook.posts)
        self.centre.now = datetime.now(UTC) + minutes(later)
        _, self.cursor = one_round(self.connections, self.centre.instance, self.checks, self.cursor)
        self.centre.now = None
        return self.hook.titles[heard:]

    def read(self, start: datetime, end: datetime) -> None:
        """History without Dagster, whose events of many partitions cost seconds."""
        for _ in fetch_history(self.connections.syncing("vici"), "cli", Window(start, end)):
            pass

    def backfill(self, start: datetime, end: datetime) -> dg.ExecuteInProcessResult:
        keys = (key_of(start), key_of(end - BUCKET))
        return self.centre.run(VICI.backfill_job, tags=dict(zip(RANGE_TAGS, keys, strict=True)))

    def audited(self) -> dict[str, bool]:
        return verdicts(self.centre.run(VICI.audit_job))


@pytest.fixture
def shift(tmp_path: Path, brain_url: str, brain: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shift]:
    """Calls every ten minutes of the last two hours, none of them read yet."""
    monkeypatch.setattr(reporting, "RETRY", dg.RetryPolicy(max_retries=0))
    now = datetime.now(UTC)
    with webhook_sink() as hook:
        day = (now - timedelta(hours=3)).date()
        settings = settings_for(tmp_path, brain_url, sync_start=day, alert_urls=(SecretStr(hook.url),))
        with call_centre(settings) as centre:
            shift = Shift(centre, hook, now)
            for number in range(12):
                centre.dialer.outbound(shift.read_to - minutes(10 * number + 10), f"call.{number}")
            try:
                yield shift
            finally:
                shift.connections.close()


def words_seen() -> Iterator[str]:
    """What the page says that an alert, a check or a failed run says, cut where it stands for a name or a number."""
    for situation in re.split(r"^## \d+\. ", RUNBOOK, flags=re.MULTILINE)[1:]:
        seen = situation.split("**It means**")[0]
        for quoted in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", seen):
            parts = (part.strip(" ×") for part in re.split("…", " ".join(quoted.split())))
            yield from (part for part in parts if len(part) > 3)


def test_the_page_quotes_what_is_really_said() -> None:
    code = "\n".join(path.read_text() for path in (PROJECT / "vici_brain").rglob("*.py"))
    quotes = set(words_seen())
    assert len(quotes) >= 14
    assert [quote for quote in quotes if quote not in code] == []


def test_1_a_sync_that_is_behind_is_told_and_over_after_the_command_of_the_page(shift: Shift) -> None:
    shift.read(shift.first, shift.read_to)
    assert shift.told(later=5) == []
    title = f"vici: no call was read since {shift.read_to:%Y-%m-%d %H:%M} UTC"
    assert shift.told(later=20) == [f"[critical] {title}"]
    assert "`vici-brain sync-incremental --instance <instance>`" in RUNBOOK
    sync_incremental(shift.connections.syncing("vici"), "cli")
    assert shift.told() == [f"[info] Over: {title}"]


def test_2_a_gap_turns_the_check_red_and_is_over_when_the_stretch_is_materialised(shift: Shift) -> None:
    start, end = shift.read_to - minutes(120), shift.read_to - minutes(60)
    shift.read(shift.first, start)
    shift.read(end, shift.read_to)
    red = evaluation(shift.centre.run(VICI.audit_job), "no_partition_left_failed")
    assert not red.passed
    assert [row["stretch_utc"] for row in sample(red)] == [stretch_name(Window(start, end))]
    (title,) = shift.told()
    assert title == "[critical] vici/call_log_proofs: the check no_partition_left_failed is red"
    assert shift.backfill(start, end).success
    assert shift.audited()["no_partition_left_failed"]
    assert shift.told() == ["[info] Over: vici/call_log_proofs: the check no_partition_left_failed is red"]
    assert one(shift.connections.brain, "SELECT count(*) FROM vici_call_logs") == 12


def test_4_a_wrong_zone_turns_the_check_red_until_the_setting_is_put_right(shift: Shift) -> None:
    (dialer,) = shift.centre.settings.dialers
    wrong = replace(shift.centre.settings, dialers=(replace(dialer, time_zone="Asia/Tokyo"),))
    newest = shift.read_to - BUCKET
    with call_centre(wrong) as elsewhere:
        assert not verdicts(elsewhere.run(VICI.audit_job))["clock_and_zone_agree"]
        refused = elsewhere.sync(newest).get_step_failure_events()[0].event_specific_data
    assert "the dialer is refused" in refused.user_failure_data.description
    assert one(shift.connections.brain, "SELECT count(*) FROM vici_call_logs") == 0
    assert shift.audited()["clock_and_zone_agree"]
    assert shift.centre.sync(newest).success


def test_7_a_failed_backfill_is_told_with_its_partitions_and_over_when_it_is_launched_again(shift: Shift) -> None:
    start = shift.read_to - minutes(90)
    shift.read(shift.first, start)
    shift.centre.dialer.run("ALTER TABLE vicidial_closer_log RENAME TO away")
    assert not shift.backfill(start, shift.read_to).success
    (title,) = shift.told()
    # The other matter is that nothing was read for so long.
    assert title == "[critical] the run of backfill_calls_vici failed, and 1 more"
    message = str(shift.hook.posts[-1]["message"])
    assert f"Partitions {key_of(start)} to {key_of(shift.read_to - BUCKET)}" in message
    assert "vicidial_closer_log" in message
    shift.centre.dialer.run("ALTER TABLE away RENAME TO vicidial_closer_log")
    assert not shift.audited()["no_partition_left_failed"]
    assert shift.backfill(start, shift.read_to).success
    assert shift.audited()["no_partition_left_failed"]


def test_8_a_report_on_a_full_disk_says_so_and_is_written_once_there_is_room(shift: Shift) -> None:
    day = shift.read_to.date() - timedelta(days=1)
    folder = shift.centre.settings.home / "reports" / str(day)
    folder.mkdir(parents=True)
    # A device that has no room: the kernel refuses each byte as it does on a disk that is full.
    (folder / "call-report.draft").symlink_to("/dev/full")
    with pytest.raises(ConfigurationError, match=r"cannot be written to .*: No space left on device"):
        report_day(shift.connections, day)
    (folder / "call-report.draft").unlink()
    _, files = report_day(shift.connections, day)
    assert files.html.exists()


def test_10_tables_older_than_the_code_are_named_and_migrated_by_the_command_of_the_page(
    shift: Shift, empty_brain_url: str
) -> None:
    old = open_brain(empty_brain_url)
    _upgrade(old, "0001")
    outdated = replace(shift.connections.syncing("vici"), brain=old)
    with pytest.raises(ConfigurationError, match=r"Brain lacks a table or column .*run `vici-brain migrate`"):
        sync_incremental(outdated, "cli", minutes=180)
    assert "`vici-brain\nmigrate`" in RUNBOOK
    assert migrate(old)[0] == "0002"
    sync_incremental(outdated, "cli", minutes=180)
    assert one(old, "SELECT count(*) FROM vici_call_logs") == 12
    old.dispose()


def _upgrade(engine: Engine, revision: str) -> None:
    """As a deployment that was never migrated since."""
    from alembic import command  # noqa: PLC0415 - only here
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(PROJECT / "vici_brain" / "brain" / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
