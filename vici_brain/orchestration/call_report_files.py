"""A day's report as files for those who do not open the UI: one HTML page with its pictures inside, and one Parquet table.

Belongs here: these two formats. Does not: the report's words (domain/call_report_page) or pictures (call_report_charts).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vici_brain.domain.call_report import DIMENSIONS, InstanceDay, Tally
from vici_brain.domain.call_report_page import page, title
from vici_brain.errors import ConfigurationError
from vici_brain.flows.report_calls import CallReport
from vici_brain.orchestration.call_report_charts import picture

_STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0 1.5rem } th, td { padding: .15rem .7rem; border-bottom: 1px solid #8884 }
img { max-width: 100% } h2 { margin-top: 3rem }
"""


_COUNTS = ("calls", "matched", "orphaned", "answered", "contacts", "sales", "dropped", "seconds")
_RATES = ("matched_rate", "answer_rate", "contact_rate", "sale_rate", "drop_rate")
_KEPT = (
    *("due_buckets", "read_buckets", "proven_buckets", "differing_buckets", "syncs", "failed_syncs", "gaps_healed"),
    *("calls_healed", "buckets_repaired"),
)
_WAITS = ("proven_percent", "match_p50", "match_p95", "match_max")


@dataclass(frozen=True, slots=True)
class ReportFiles:
    html: Path
    parquet: Path


def pages(report: CallReport) -> str:
    """The whole report as Markdown with its pictures, all dialers first."""
    return "\n\n".join(_with_picture(each) for each in report.all)


def front_page(report: CallReport) -> str:
    """The first of these pages: what an event of Dagster can carry, however many dialers there are."""
    return _with_picture(report.all[0])


def _with_picture(report: InstanceDay) -> str:
    head, *rest = page(report).split("\n\n")
    return "\n\n".join([head, picture(report), *rest])


def export_report(report: CallReport, folder: Path) -> ReportFiles:
    """Writes both files under ``folder``/<day>; each takes its place whole. Raises ConfigurationError where it cannot write."""
    files = ReportFiles(folder / str(report.day) / "call-report.html", folder / str(report.day) / "call-report.parquet")
    try:
        files.html.parent.mkdir(parents=True, exist_ok=True)
        draft = files.html.with_suffix(".draft")
        draft.write_text(as_html(pages(report), title(report.all[0])), encoding="utf-8")
        draft.replace(files.html)
        draft = files.parquet.with_suffix(".draft")
        _write_parquet(report, draft)
        draft.replace(files.parquet)
    except OSError as error:
        raise ConfigurationError(f"the report cannot be written to {files.html.parent}: {error.strerror}") from error
    return files


def as_html(markdown: str, name: str) -> str:
    """A page that needs nothing beside itself; HTML inside the Markdown stays text."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - only who writes a page pays for it

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    # It refuses SVG in data URIs, which could carry a script; as an image none of ours is ever run, and others are links.
    plain = reader.validateLink

    def is_harmless(url: str) -> bool:
        return url.startswith("data:image/svg+xml;base64,") or (urlsplit(url).scheme in {"", "http", "https"} and plain(url))

    reader.validateLink = is_harmless  # type: ignore[method-assign]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(name)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{reader.render(markdown)}</body></html>\n"
    )


def _write_parquet(report: CallReport, path: Path) -> None:
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 - only an export pays for it
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # noqa: PLC0415

    rows = [
        {
            "day": each.day,
            "time_zone": each.zone,
            "instance": each.instance,
            "dimension": dimension,
            "name": name,
            **{name: getattr(tally, name) for name in (*_COUNTS, *_RATES)},
            # Of the day as a whole, and therefore of the row of its total alone.
            **(_kept(each) if dimension == "total" else {}),
        }
        for each in (report.total, *report.instances)
        for dimension, name, tally in _tallies(each)
    ]
    texts = [(name, pa.string()) for name in ("time_zone", "instance", "dimension", "name")]
    whole, parts = [(name, pa.int64()) for name in _COUNTS], [(name, pa.float64()) for name in _RATES]
    slowest = pa.struct([("kind", pa.string()), ("started_at", pa.timestamp("us", "UTC")), ("seconds", pa.float64())])
    kept = [*((name, pa.int64()) for name in _KEPT), *((name, pa.float64()) for name in _WAITS), ("is_proven", pa.bool_())]
    lists = [("slowest_syncs", pa.list_(slowest)), ("anomalies", pa.list_(pa.string()))]
    schema = pa.schema([("day", pa.date32()), *texts, *whole, *parts, *kept, *lists])
    pq.write_table(pa.Table.from_pylist(rows, schema), path, compression="zstd")


def _tallies(report: InstanceDay) -> Iterator[tuple[str, str, Tally]]:
    """The day, its parts, and the days that it is compared with, by their date."""
    yield "total", "", report.calls.total
    for dimension in DIMENSIONS:
        yield from ((dimension, name, tally) for name, tally in sorted(report.calls.of(dimension).items()))
    yield "day_before", str(report.day - timedelta(days=1)), report.day_before.total
    for week, other in enumerate(report.weekdays, 1):
        yield "same_weekday", str(report.day - timedelta(weeks=week)), other.total


def _kept(report: InstanceDay) -> dict[str, Any]:
    care = report.care
    return {
        **{name: getattr(care, name) for name in (*_KEPT, *_WAITS, "is_proven")},
        "slowest_syncs": [{name: getattr(each, name) for name in ("kind", "started_at", "seconds")} for each in care.slowest],
        "anomalies": list(report.anomalies),
    }
