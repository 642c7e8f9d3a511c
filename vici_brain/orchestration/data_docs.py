"""Great Expectations' pages as a site may keep them: read without the internet, and without telling anybody that they are read.

Belongs here: what is taken out of the pages, how they look, and the page that lists them. Does not: making them (expectations).

As they come, each loads styles and programs from seven hosts, and a picture whose address carries the time: where those hosts are
out of reach the list of results stays empty, and where they are not, every look is told to them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

# Their own words and tables stay; whatever runs, is fetched or advertises goes.
_FOREIGN = re.compile(
    r"<script\b.*?</script\s*>|<style\b.*?</style\s*>|<footer\b.*?</footer\s*>|<link\b[^>]*>|<img\b[^>]*>|\son\w+=\"[^\"]*\"",
    re.DOTALL | re.IGNORECASE,
)
_STYLE = """<style>
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 2rem 4rem }
table { border-collapse: collapse; margin: .5rem 0 1rem } th, td { padding: .2rem .8rem; text-align: left; vertical-align: top }
th, td { border-bottom: 1px solid #8884 } .number { text-align: right }
.row { display: flex; flex-wrap: wrap; gap: 0 2rem }
.col-12 { flex: 1 0 100% } .col-lg-2 { flex: 0 0 14rem } .col-lg-10 { flex: 1 }
.alert { margin-top: 1.5rem } ul, ol { padding-left: 1.2rem }
.breadcrumb { list-style: none; padding: 0; display: flex; gap: 1rem }
.badge { background: #8883; border-radius: .3rem; padding: 0 .35rem; font: .9em ui-monospace, monospace }
.text-danger, .failed { color: #d64545 } .text-success, .met { color: #2f9e5f }
.fa-times::before { content: "\\2717 not met" } .fa-check-circle::before { content: "\\2713 met" } i { font-style: normal }
.sticky > .card:first-child, .fa-question-circle, .btn, .collapse, [data-toggle=collapse] { display: none }
</style>"""


@dataclass(frozen=True, slots=True)
class Line:
    """One suite of the list; ``result`` says how it fared, ``failed`` whether it did; None if it was not looked at."""

    name: str
    description: str
    rows: int
    expectations: int
    result: str
    failed: bool | None


def keep_to_this_host(folder: Path) -> None:
    """Rewrites every page below ``folder``."""
    for page in folder.rglob("*.html"):
        text = _FOREIGN.sub("", page.read_text(encoding="utf-8"))
        page.write_text(text.replace("</head>", f"{_STYLE}</head>", 1), encoding="utf-8")


def write_list(folder: Path, title: str, lines: Sequence[Line]) -> None:
    """The first page, which leads to the page of each suite that has one."""
    rows = "\n".join(_row(folder, line) for line in lines)
    heads = "<th>suite</th><th>result</th><th class=number>rows</th><th class=number>expectations</th><th></th>"
    (folder / "index.html").write_text(
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>{_STYLE}</head>\n'
        f"<body><h1>{escape(title)}</h1>\n<table><tr>{heads}</tr>\n{rows}\n</table></body></html>\n",
        encoding="utf-8",
    )


def _row(folder: Path, line: Line) -> str:
    page = next(iter(sorted(folder.glob(f"validations/{line.name}/**/*.html"))), None)
    name = escape(line.name)
    linked = f'<a href="{escape(page.relative_to(folder).as_posix())}">{name}</a>' if page else name
    colour = {True: "failed", False: "met", None: ""}[line.failed]
    result = f'<span class="{colour}">{escape(line.result)}</span>'
    numbers = "".join(f"<td class=number>{number:,}</td>" for number in (line.rows, line.expectations))
    return f"<tr><td>{linked}</td><td>{result}</td>{numbers}<td>{escape(line.description)}</td></tr>"
