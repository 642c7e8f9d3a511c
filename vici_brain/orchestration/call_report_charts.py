"""The pictures of a day's report: calls by hour beside what is usual, and by campaign.

Belongs here: what is drawn. Does not: numbers (domain/call_report) or how pictures look (charts).
"""

from statistics import median
from typing import TYPE_CHECKING

from vici_brain.domain.call_report import InstanceDay, Tally
from vici_brain.domain.call_report_page import name_of
from vici_brain.orchestration.charts import AMBER, BLUE, GREEN, GREY, as_markdown, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_CAMPAIGNS = 8


def picture(report: InstanceDay) -> str:
    """Markdown of one picture."""
    figure, (hours, campaigns) = new_figure(9.0, 2.8, columns=2)
    _by_hour(hours, report)
    _by_campaign(campaigns, report)
    return as_markdown(figure, f"calls of {name_of(report)} on {report.day}, by hour and by campaign")


def _by_hour(axes: "Axes", report: InstanceDay) -> None:
    hours = list(range(24))
    tallies = [report.calls.hour(hour) for hour in hours]
    matched = [each.matched for each in tallies]
    # Behind the day and wider than it: a line over the bars would be lost in their colours.
    if usual := [day for day in report.weekdays if day.total.calls]:
        medians = [median(day.hour(hour).calls for day in usual) for hour in hours]
        axes.bar(hours, medians, 0.95, color=GREY, alpha=0.5, label="usual")
    axes.bar(hours, matched, 0.55, color=BLUE, label="matched")
    axes.bar(hours, [each.orphaned for each in tallies], 0.55, bottom=matched, color=AMBER, label="orphans")
    axes.set_title(f"calls by hour ({report.zone})")
    axes.set_xlim(-0.7, 23.7)
    axes.set_xticks(range(0, 24, 3))
    axes.legend(frameon=False, fontsize=8, labelcolor=GREY, loc="upper left")


def _by_campaign(axes: "Axes", report: InstanceDay) -> None:
    largest = sorted(report.calls.of("campaign").items(), key=lambda item: (-item[1].calls, item[0]))[:_MOST_CAMPAIGNS][::-1]
    # A dollar sign would begin a formula.
    names = [(name or "(blank)").replace("$", r"\$") for name, _ in largest]
    tallies: list[Tally] = [tally for _, tally in largest]
    places = list(range(len(names)))
    axes.barh(places, [each.calls for each in tallies], color=BLUE, label="calls")
    axes.barh(places, [each.answered for each in tallies], color=GREEN, label="answered")
    axes.set_yticks(places, names)
    axes.set_title("calls by campaign")
    if names:
        axes.legend(frameon=False, fontsize=8, labelcolor=GREY, loc="lower right")
