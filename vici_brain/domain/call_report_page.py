"""A day's report as Markdown: the page that is stored, sent and shown.

Belongs here: wording and layout. Does not: numbers (domain/call_report) or pictures (orchestration/call_report_charts).
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from vici_brain.domain.call_report import Care, InstanceDay, Tally

_MOST_ROWS = 12
_ESCAPES = str.maketrans({each: f"\\{each}" for each in "\\`*_[]<>|#"})


def title(report: InstanceDay) -> str:
    """One line; it says when the day is not proven."""
    provisional = "" if report.is_final else " (not proven yet)"
    return f"{name_of(report)}, {report.day:%A} {report.day}: {report.calls.total.calls:,} calls{provisional}"


def name_of(report: InstanceDay) -> str:
    return report.instance or "all dialers"


def page(report: InstanceDay) -> str:
    """The whole report of one dialer, or of all together."""
    calls, care = report.calls, report.care
    return "\n\n".join(
        [
            f"## {title(report)}",
            _standing(report),
            _anomalies(report.anomalies),
            _compared(report),
            _cells("Campaign", _largest(calls.of("campaign"))),
            _cells("Status", _largest(calls.of("status"))),
            _cells(
                "Hour",
                [(f"{int(hour):02}", tally) for hour, tally in sorted(calls.of("hour").items(), key=lambda it: int(it[0]))],
            ),
            _rules(calls.of("rule"), calls.total.calls),
            _care(care),
            _slowest(care),
        ]
    )


def summary(reports: Sequence[InstanceDay]) -> str:
    """What is sent: a line for each report, and what is odd."""
    lines = []
    for report in reports:
        total = report.calls.total
        halves = f"{total.matched:,} matched, {total.orphaned:,} orphans"
        figures = f"{halves}, {_percent(total.answer_rate)} answered, {total.sales:,} sales"
        lines += [f"- **{_text(title(report))}**: {figures}", *(f"  - {_text(each)}" for each in report.anomalies)]
    return "\n".join(lines)


def _standing(report: InstanceDay) -> str:
    care, span = report.care, f"{report.window}, days of {report.zone}"
    if report.is_final:
        return f"{span}. Every five minutes of it are proven equal to the dialer."
    return (
        f"{span}. **Not proven yet**: {care.proven_buckets:,} of {care.due_buckets:,} five-minute buckets are, so figures may "
        "still change; a report made again later takes this one's place."
    )


def _anomalies(found: Sequence[str]) -> str:
    return "### What is odd\n\n" + ("\n".join(f"- {_text(each)}" for each in found) or "Nothing.")


def _compared(report: InstanceDay) -> str:
    weeks = [day.total for day in report.weekdays if day.total.calls]
    last_week = report.weekdays[0].total if report.weekdays else Tally()
    columns = [report.calls.total, report.day_before.total, last_week]
    rows = [
        ("calls", *(f"{each.calls:,}" for each in columns)),
        ("matched", *(_percent(each.matched_rate) for each in columns)),
        ("orphans", *(f"{each.orphaned:,}" for each in columns)),
        ("answered, of calls", *(_percent(each.answer_rate) for each in columns)),
        ("contacts, of calls", *(_percent(each.contact_rate) for each in columns)),
        ("sales, of contacts", *(_percent(each.sale_rate) for each in columns)),
        ("drops, of answered", *(_percent(each.drop_rate) for each in columns)),
    ]
    usual = f"\n\nUsual on this weekday: {median(each.calls for each in weeks):,.0f} calls." if weeks else ""
    return "### Compared\n\n" + _table(("", "this day", "day before", "a week before"), rows) + usual


def _largest(tallies: Mapping[str, Tally]) -> list[tuple[str, Tally]]:
    ordered = sorted(tallies.items(), key=lambda item: (-item[1].calls, item[0]))
    rest = sum((tally for _, tally in ordered[_MOST_ROWS:]), Tally())
    more = [(f"{len(ordered) - _MOST_ROWS} more", rest)] if rest.calls else []
    return [(name or "(blank)", tally) for name, tally in ordered[:_MOST_ROWS]] + more


def _cells(what: str, tallies: Iterable[tuple[str, Tally]]) -> str:
    rows = [
        (
            *(_text(name), f"{each.calls:,}", f"{each.matched:,}", f"{each.orphaned:,}", _percent(each.answer_rate)),
            *(_percent(each.contact_rate), f"{each.sales:,}", f"{each.dropped:,}"),
        )
        for name, each in tallies
    ]
    heads = (what.lower(), "calls", "matched", "orphans", "answered", "contacts", "sales", "drops")
    return f"### {what}\n\n" + (_table(heads, rows) if rows else "No calls.")


def _rules(rules: Mapping[str, Tally], calls: int) -> str:
    rows = [
        (_text(name), f"{each.calls:,}", _percent(100 * each.calls / calls if calls else None))
        for name, each in sorted(rules.items(), key=lambda item: -item[1].calls)
    ]
    return "### Matching\n\n" + (_table(("rule", "calls", "share"), rows) if rows else "No calls.")


def _care(care: Care) -> str:
    rows = [
        ("buckets proven", f"{care.proven_buckets:,} of {care.due_buckets:,} ({care.proven_percent:.2f} %)"),
        ("buckets that differ", f"{care.differing_buckets:,}"),
        ("gaps healed on this day", f"{care.gaps_healed:,}, with {care.calls_healed:,} calls new to Brain"),
        ("buckets repaired by proofs on this day", f"{care.buckets_repaired:,}"),
        ("syncs on this day", f"{care.syncs:,}, {care.failed_syncs:,} failed"),
        ("time from first seen to matched", f"half within {_wait(care.match_p50)}, 95 % within {_wait(care.match_p95)}"),
        ("longest wait for a lead", _wait(care.match_max)),
    ]
    return "### How it was kept\n\n" + _table(("", ""), rows)


def _slowest(care: Care) -> str:
    rows = [
        (f"{each.started_at:%H:%M:%S} UTC", _text(each.kind), f"{each.seconds:.1f} s", f"{each.rows_read:,}")
        for each in care.slowest
    ]
    return "### Slowest syncs\n\n" + (_table(("started", "kind", "took", "rows"), rows) if rows else "None ran.")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = "|" + "|".join([":--", *(["--:"] * (len(heads) - 1))]) + "|"
    return "\n".join(["| " + " | ".join(heads) + " |", rule, *("| " + " | ".join(row) + " |" for row in rows)])


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:.1f} %"


def _wait(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _text(value: str) -> str:
    """A dialer's names are free text; none may become markup."""
    return value.translate(_ESCAPES)
