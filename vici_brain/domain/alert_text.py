"""A round of announcements as one message.

Belongs here: wording, links, and how much fits. Does not: what is told (domain/throttle) or sending it (flows/send_alerts).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from vici_brain.domain.alert_policy import AlertPolicy
from vici_brain.domain.throttle import SEVERITIES, Announcement
from vici_brain.errors import scrub

_LONGEST = 1500
_HOW = {"worse": "Worse: ", "still": "Still: ", "over": "Over: "}


@dataclass(frozen=True, slots=True)
class Text:
    """``severity`` is that of the worst entry; ``info`` when everything told is over."""

    title: str
    body: str
    severity: str


def compose(announcements: Sequence[Announcement], policy: AlertPolicy) -> Text:
    """The worst first, ``policy.most_in_one`` in full, the others counted by title; without any secret."""
    shown = announcements[: policy.most_in_one]
    rest = announcements[policy.most_in_one :]
    parts = [_entry(each, policy) for each in shown]
    if rest:
        parts.append(
            f"and {len(rest)} more: " + "; ".join(_title(each) for each in rest[:20]) + ("; …" if len(rest) > 20 else "")
        )
    open_ones = [each for each in announcements if each.how != "over"]
    severity = min((each.matter.severity for each in open_ones), key=SEVERITIES.index, default="info")
    first = _title(announcements[0])
    title = first if len(announcements) == 1 else f"{first}, and {len(announcements) - 1} more"
    return Text(scrub(f"[{severity}] {title}"), scrub("\n\n---\n\n".join(parts)), severity)


def _title(each: Announcement) -> str:
    return _HOW.get(each.how, "") + each.matter.title


def _entry(each: Announcement, policy: AlertPolicy) -> str:
    lines = [f"**{_title(each)}**"]
    if each.matter.body and each.how != "over":
        body = each.matter.body
        lines.append(body if len(body) <= _LONGEST else body[:_LONGEST] + " …")
    if each.held_back:
        lines.append(
            f"{each.held_back} more of the same since"
            if each.how == "event"
            else f"seen {each.held_back} more times since last told"
        )
    if each.matter.link:
        lines.append(policy.ui_url.rstrip("/") + each.matter.link)
    return "\n\n".join(lines)
