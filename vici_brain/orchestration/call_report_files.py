"""A day's report as files for those who do not open the UI: one HTML page with its pictures inside, and one Parquet table.

Belongs here: these two formats. Does not: the report's words (domain/call_report_page) or pictures (call_report_charts).
"""

from dataclasses import dataclass
from html import escape
from pathlib import Path
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
            **_cells(tally),
        }
        for each in (report.total, *report.instances)
        for dimension, name, tally in [("total", "", each.calls.total), *_by_name(each)]
    ]
    texts = [(name, pa.string()) for name in ("time_zone", "instance", "dimension", "name")]
    schema = pa.schema([("day", pa.date32()), *texts, *((name, pa.int64()) for name in _cells(Tally()))])
    pq.write_table(pa.Table.from_pylist(rows, schema), path, compression="zstd")


def _by_name(report: InstanceDay) -> list[tuple[str, str, Tally]]:
    return [(dimension, name, tally) for dimension in DIMENSIONS for name, tally in sorted(report.calls.of(dimension).items())]


def _cells(tally: Tally) -> dict[str, int]:
    names = ("calls", "matched", "orphaned", "answered", "contacts", "sales", "dropped", "seconds")
    return {name: getattr(tally, name) for name in names}
