"""The daily report on PostgreSQL: every figure against one counted by hand, the row, the message, the files, the shells."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from builders import NEW_YORK, NOON, ask, one
from pydantic import SecretStr
from reported_days import DAY, local, prove, put_calls, put_status, usual_weeks
from sqlalchemy import Engine, text

from brain_assets.call_report import daily_call_report
from vici_brain.brain.daily_calls import DailyCalls, stored_pages
from vici_brain.brain.sql import load
from vici_brain.domain.report_policy import ReportPolicy
from vici_brain.errors import ConfigurationError
from vici_brain.flows.report_calls import CallReport, report_calls
from vici_brain.orchestration.call_report import metadata_of
from vici_brain.orchestration.call_report_files import as_html, export_report
from vici_brain.orchestration.resources import connections_resource
from vici_brain.settings import DialerSettings, Settings

POLICY = ReportPolicy(time_zone=NEW_YORK, least_calls=20)
NEXT_MORNING = local(DAY, 23, 59) + timedelta(hours=2)


@pytest.fixture
def day(brain: Engine) -> Engine:
    """DAY in New York: 20 answered by SALE, 10 NA, 5 DROP, 5 orphans; a call just before and just after; all of it proven."""
    for status, flags in (("SALE", "acs"), ("DROP", "a"), ("NA", "")):
        put_status(brain, status, flags)
    put_calls(brain, local(DAY, 10), 20, status="SALE", rule="vendor_lead_code", wait=60)
    put_calls(brain, local(DAY, 10, 30), 10, status="na ", campaign="solar")
    put_calls(brain, local(DAY, 14), 5, status="DROP", campaign="WIND")
    put_calls(brain, local(DAY, 14, 30), 5, rule=None)
    put_calls(brain, local(DAY, 0) - timedelta(seconds=1), 1, status="EARLY")
    put_calls(brain, local(DAY + timedelta(days=1), 0), 1, status="LATE")
    prove(brain, local(DAY, 0), local(DAY + timedelta(days=1), 0))
    return brain


def made(brain: Engine, *instances: str, now: datetime = NEXT_MORNING, policy: ReportPolicy = POLICY) -> CallReport:
    return report_calls(brain, instances or ("vici",), DAY, policy, now, link="/assets/daily_call_report")


def test_every_figure_is_the_one_counted_by_hand(day: Engine) -> None:
    total = made(day).total.calls.total
    assert (total.calls, total.matched, total.orphaned) == (40, 35, 5)
    assert (total.answered, total.contacts, total.sales, total.dropped) == (25, 20, 20, 5)
    assert (total.answer_rate, total.sale_rate, total.drop_rate) == (62.5, 100.0, 20.0)
    by = made(day).total.calls
    assert {name: cell.calls for name, cell in by.of("campaign").items()} == {"SOLAR": 35, "WIND": 5}
    assert {name: cell.calls for name, cell in by.of("status").items()} == {"SALE": 20, "NA": 15, "DROP": 5}
    assert {name: cell.calls for name, cell in by.of("hour").items()} == {"10": 30, "14": 10}
    assert {name: cell.calls for name, cell in by.of("rule").items()} == {"vendor_lead_code": 20, "phone": 15, "orphan": 5}


def test_a_campaigns_own_row_of_a_status_shadows_the_systems(day: Engine) -> None:
    put_status(day, "NA", "ac", campaign="SOLAR")
    by = made(day).total.calls.of("campaign")
    assert (by["SOLAR"].answered, by["SOLAR"].contacts) == (35, 35)
    put_status(day, "SALE", "", campaign="solar")
    assert made(day).total.calls.of("status")["SALE"].sales == 0


def test_sales_and_people_who_want_no_more_calls_are_contacts_although_stock_dialers_do_not_flag_them(
    day: Engine,
) -> None:
    put_status(day, "SALE", "as", campaign="SOLAR")
    for status, flags, count in (("DNC", "ad", 4), ("DNCL", "d", 8)):
        put_status(day, status, flags)
        put_calls(day, local(DAY, 15), count, status=status)
    total = made(day).total.calls.total
    assert (total.sales, total.contacts, total.sale_rate) == (20, 24, 100 * 20 / 24)


def test_a_vanished_twin_is_no_call_and_a_purged_or_expired_one_is(day: Engine) -> None:
    with day.begin() as connection:
        change = "UPDATE vici_call_logs SET vanished_at = now(), vanish_reason = :reason WHERE status = :status"
        connection.execute(text(change), {"reason": "deleted", "status": "DROP"})
        connection.execute(text(change), {"reason": "expired", "status": "SALE"})
        connection.execute(
            text("""
                INSERT INTO orphan_purges (instance, mode, trigger, actor, acted_at, cutoff, calls, exported_calls,
                    first_called_at, last_called_at, file, sha256)
                VALUES ('vici', 'purged', 't', 'a', now(), now(), 1, 1, now(), now(), 'f', 's')
            """)
        )
        connection.execute(
            text("""
                WITH moved AS (DELETE FROM vici_call_logs WHERE lead_id IS NULL RETURNING *)
                INSERT INTO purged_orphan_calls SELECT 1, moved.* FROM moved
            """)
        )
    total = made(day).total.calls.total
    assert (total.calls, total.orphaned, total.dropped) == (35, 5, 0)


def test_how_the_day_was_kept_is_told(day: Engine) -> None:
    log = """
        INSERT INTO sync_logs (instance, kind, trigger, status, started_at, seconds, window_start, window_end, rows_new, details)
        VALUES ('vici', :kind, :trigger, :status, :at, :seconds, :at, :at, :new, CAST(:details AS jsonb))
    """
    rows: list[tuple[str, str, str, int, int, dict[str, int]]] = [
        ("calls", "schedule", "success", 2, 9, {}),
        ("history", "sensor", "success", 75, 12, {}),
        ("calls", "cli", "failed", 1, 0, {}),
    ]
    rows.append(("prove", "schedule", "success", 8, 0, {"repaired": 3}))
    with day.begin() as connection:
        for kind, trigger, status, seconds, new, details in rows:
            values = {"kind": kind, "trigger": trigger, "status": status, "seconds": seconds, "new": new}
            connection.execute(text(log), values | {"at": local(DAY, 12), "details": json.dumps(details)})
    care = made(day).total.care
    assert (care.syncs, care.failed_syncs, care.gaps_healed, care.calls_healed, care.buckets_repaired) == (4, 1, 1, 12, 3)
    assert [(each.kind, each.seconds) for each in care.slowest][:2] == [("history", 75.0), ("prove", 8.0)]
    assert (care.match_p50, care.match_max) == (60.0, 60.0)
    assert (care.due_buckets, care.proven_buckets, care.is_proven) == (576, 576, True)


def test_a_day_that_is_not_proven_says_so_and_the_next_report_takes_its_place(day: Engine) -> None:
    with day.begin() as connection:
        connection.execute(text("UPDATE call_log_proofs SET state = 'differs' WHERE bucket_start = :at"), {"at": local(DAY, 10)})
    first = made(day)
    assert "not proven: 2 of 576 five-minute buckets" in first.total.anomalies[0]
    ((report, is_proven),) = ask(day, "SELECT report, is_proven FROM daily_call_reports WHERE instance = 'vici'")
    assert not is_proven
    assert "**Not proven yet**: 574 of 576" in report
    with day.begin() as connection:
        connection.execute(text("UPDATE call_log_proofs SET state = 'proven'"))
    made(day)
    assert ask(day, "SELECT instance, is_proven, calls FROM daily_call_reports ORDER BY 1") == [
        ("", True, 40),
        ("vici", True, 40),
    ]


def test_a_bucket_that_was_never_read_is_not_proven(day: Engine) -> None:
    with day.begin() as connection:
        connection.execute(text("DELETE FROM call_log_proofs WHERE bucket_start = :at"), {"at": local(DAY, 3)})
    assert not made(day).total.care.is_proven


def test_a_day_is_compared_with_the_day_before_and_the_same_weekdays(day: Engine) -> None:
    usual_weeks(day)
    put_calls(day, local(DAY - timedelta(days=1), 9), 7)
    report = made(day).instances[0]
    assert report.day_before.total.calls == 7 + 1
    assert [each.total.calls for each in report.weekdays] == [120] * 4
    assert "40 calls, where 120 are usual on this weekday" in report.anomalies
    (stored,) = stored_pages(day, DAY, NEW_YORK)["vici"].split("### Compared")[1:]
    assert "| calls | 40 | 8 | 120 |" in stored


def test_dialers_stand_alone_and_together(day: Engine) -> None:
    put_calls(day, local(DAY, 11), 3, instance="east")
    report = made(day, "vici", "east")
    assert [(each.instance, each.calls.total.calls) for each in report.all] == [("", 43), ("vici", 40), ("east", 3)]
    assert not report.total.care.is_proven
    assert ask(day, "SELECT instance, calls FROM daily_call_reports ORDER BY 1") == [("", 43), ("east", 3), ("vici", 40)]


def test_people_are_told_once_and_of_the_newest_day_alone(day: Engine) -> None:
    assert not report_calls(day, ["vici"], DAY, POLICY, NEXT_MORNING, tells=False).told
    assert made(day).told
    assert not made(day).told
    assert ask(day, "SELECT fingerprint, link FROM outgoing_messages") == [
        (f"daily_call_report/{DAY}", "/assets/daily_call_report")
    ]
    assert not report_calls(day, ["vici"], DAY - timedelta(days=3), POLICY, NEXT_MORNING).told


def test_a_day_that_is_not_over_is_refused(day: Engine) -> None:
    with pytest.raises(ConfigurationError, match="2025-06-10 is not over in America/New_York; the newest day"):
        made(day, now=local(DAY, 23))


def test_a_day_without_a_call_is_a_report_too(brain: Engine) -> None:
    report = made(brain)
    assert report.total.calls.total.calls == 0
    assert "No calls." in stored_pages(brain, DAY, NEW_YORK)["vici"]


def test_the_counts_walk_the_index_of_calls_by_time(day: Engine) -> None:
    with day.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO vici_call_logs (instance, source_table, source_key, called_at, row_crc, source_copy, read_at,
                    first_seen_at, changed_at, status)
                SELECT 'vici', 'vicidial_log', 'o' || n, CAST(:noon AS timestamptz) - n * interval '10 minutes', 1, 'live', now(),
                    now(), now(), 'NA' FROM generate_series(1, 30000) n
            """),
            {"noon": NOON},
        )
    prove(day, local(DAY - timedelta(days=120), 0), local(DAY, 0))
    with day.begin() as connection:
        connection.execute(text("ANALYZE"))
    window = POLICY.window(DAY)
    values = {"instance": "vici", "start": window.start, "end": window.end, "zone": NEW_YORK, "drop_statuses": ["DROP"]}
    values["source_tables"] = ["vicidial_log"]
    with day.connect() as connection:
        for name, indexes in (
            ("daily_calls", ["vici_call_logs_called_at"]),
            ("daily_care", ["vici_call_logs_called_at", "call_log_proofs_pkey"]),
        ):
            plan = "\n".join(connection.scalars(text("EXPLAIN " + load(name).text), values))
            assert [index for index in indexes if index not in plan] == []
            assert "Seq Scan on vici_call_logs" not in plan


def test_the_page_needs_nothing_beside_itself_and_shows_its_picture(day: Engine, tmp_path: Path) -> None:
    usual_weeks(day)
    files = export_report(made(day), tmp_path)
    html = files.html.read_text()
    assert '<img src="data:image/svg+xml;base64,' in html
    assert "<table>" in html
    assert "http" not in html.split("<body>")[1].replace("http://www.w3.org", "")
    assert files.html.stat().st_size < 100_000
    table = pq.read_table(files.parquet).to_pylist()
    (total,) = [row for row in table if row["dimension"] == "total" and row["instance"] == "vici"]
    assert (total["day"], total["calls"], total["orphaned"], total["sales"]) == (DAY, 40, 5, 20)
    assert (total["answer_rate"], total["drop_rate"], total["proven_buckets"], total["is_proven"]) == (62.5, 20.0, 576, True)
    assert (total["match_max"], total["slowest_syncs"]) == (60.0, [])
    assert "40 calls, where 120 are usual on this weekday" in total["anomalies"]
    others = {(row["dimension"], row["name"]): row["calls"] for row in table if row["instance"] == "vici"}
    assert others["day_before", str(DAY - timedelta(days=1))] == 1
    assert [others["same_weekday", str(DAY - timedelta(weeks=week))] for week in (1, 2, 3, 4)] == [120] * 4
    for dimension in ("campaign", "status", "hour", "rule"):
        assert sum(row["calls"] for row in table if row["dimension"] == dimension and row["instance"] == "") == 40
    assert sorted(path.name for path in files.html.parent.iterdir()) == ["call-report.html", "call-report.parquet"]


def test_markup_in_a_page_stays_text() -> None:
    html = as_html("<script>1</script> [x](javascript:alert) ![y](data:text/html;base64,AA)", "a <b>")
    assert "<script>" not in html
    assert "href=" not in html
    assert "src=" not in html
    assert "<title>a &lt;b&gt;</title>" in html


def test_a_folder_that_cannot_be_written_is_said(day: Engine, tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file where the folder should be")
    with pytest.raises(ConfigurationError, match="the report cannot be written to"):
        export_report(made(day), tmp_path / "reports")


@pytest.fixture
def settings(brain_url: str, tmp_path: Path) -> Settings:
    dialer = DialerSettings("vici", NEW_YORK, SecretStr(f"sqlite:///{tmp_path}/none.db"))
    return Settings(tmp_path, SecretStr(brain_url), None, (dialer,), DAY - timedelta(days=9), reports=POLICY)


def test_the_asset_makes_any_day_and_a_range_of_them(day: Engine, settings: Settings) -> None:
    tags = {"dagster/asset_partition_range_start": "2025-06-09", "dagster/asset_partition_range_end": "2025-06-10"}
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [daily_call_report(settings)],
            instance=instance,
            tags=tags,
            resources={"connections": connections_resource(settings, lambda: NEXT_MORNING)},
        )
    found = {
        event.partition: event.step_materialization_data.materialization.metadata
        for event in result.get_asset_materialization_events()
    }
    assert set(found) == {"2025-06-09", "2025-06-10"}
    metadata = found[str(DAY)]
    assert (metadata["calls"].value, metadata["dagster/row_count"].value, metadata["answer_percent"].value) == (40, 40, 62.5)
    assert "data:image/svg+xml;base64," in str(metadata["report"].value)
    assert len(str(metadata["report"].value)) < 60_000
    assert Path(str(metadata["html"].value)).exists()
    assert "page" not in metadata
    assert one(day, "SELECT count(*) FROM daily_call_reports") == 4


def test_of_several_dialers_the_metadata_has_a_line_each(day: Engine, settings: Settings) -> None:
    put_calls(day, local(DAY, 11), 3, instance="east")
    report, known = made(day, "vici", "east"), replace(settings, pages_url="https://pages.example/")
    shown = metadata_of(report, export_report(report, known.home / "reports"), known)
    lines = shown["dialers"]
    assert isinstance(lines, dg.TableMetadataValue)
    assert [(line.data["instance"], line.data["calls"]) for line in lines.records] == [("vici", 40), ("east", 3)]
    assert shown["page"].value == f"https://pages.example/reports/{DAY}/call-report.html"


def test_counts_of_another_dialer_are_not_seen(day: Engine) -> None:
    assert DailyCalls(day, "east", ["vicidial_log"]).calls(POLICY.window(DAY), NEW_YORK).total.calls == 0
