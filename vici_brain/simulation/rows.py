"""Planned calls as rows of ViciDial's tables at given moments: one renderer a table, values ready for either database.

Belongs here: column order, text forms, which planned calls a table shows. Does not: when a row changes (changes).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from vici_brain.simulation.calendar import Calendar, wall_texts
from vici_brain.simulation.calls import ANONYMOUS, COMMENTS, PREPROCESS, STATUSES, TERM_REASONS, WITH_ONE, CallRows
from vici_brain.simulation.catalog import SERVER_IP, USER_GROUP, agents, caller_ids
from vici_brain.simulation.draws import NEVER, Ints
from vici_brain.simulation.plan import DayPlan
from vici_brain.simulation.profile import DialerProfile

Row = tuple[Any, ...]
Renderer = Callable[[CallRows, Ints], list[Row]]
ZERO_DATE = "0000-00-00 00:00:00"
_ALTS = ("NONE", "MAIN", "ALT")
KEYS = {
    "vicidial_log": ("uniqueid",),
    "vicidial_closer_log": ("closecallid",),
    "vicidial_log_extended": ("uniqueid",),
    "vicidial_dial_cid_log": ("caller_code", "call_date"),
}
CALL_TABLES = tuple(KEYS)


@dataclass(frozen=True, slots=True)
class TableRows:
    """The share of a plan that one table shows."""

    table: str
    rows: CallRows
    render: Renderer


class RowBook:
    """Renderers of one dialer's tables."""

    def __init__(self, profile: DialerProfile, calendar: Calendar, lists: tuple[int, ...]) -> None:
        self._profile, self._calendar = profile, calendar
        self._lists = (*lists, 0)  # the last is where list_index -1 leads
        self._users = agents(profile)
        self._caller_ids = [caller_ids(profile, n) for n in range(len(profile.campaigns))]

    def tables(self, plan: DayPlan) -> Iterator[TableRows]:
        """All tables of a day's calls. A rewritten key adds a row to log_extended, which nobody cleans up."""
        yield TableRows("vicidial_log", plan.log, self.log_rows)
        yield TableRows("vicidial_closer_log", plan.closer, self.closer_rows)
        known = plan.log.take(plan.log.no_caller_id == 0)
        again = known.take(known.rewrite_at < NEVER)
        again.born, again.id_number = again.hangup_at.copy(), again.id_number + 2
        extended = CallRows.joined([known, again])
        extended.zero_date[:] = 0
        yield TableRows("vicidial_log_extended", extended, self.extended_rows)
        known.born = known.dialled.copy()
        yield TableRows("vicidial_dial_cid_log", known, self.caller_id_rows)

    def call_logs(self, plan: DayPlan) -> Iterator[TableRows]:
        yield TableRows("vicidial_log", plan.log, self.log_rows)
        yield TableRows("vicidial_closer_log", plan.closer, self.closer_rows)

    def _dates(self, rows: CallRows, epochs: Ints) -> list[str]:
        texts = wall_texts(self._calendar.walls(epochs))
        for index in np.flatnonzero(rows.zero_date).tolist():
            texts[index] = ZERO_DATE
        return texts

    def _unique_ids(self, rows: CallRows, at: Ints) -> list[str]:
        numbers = rows.id_number + np.where(at >= rows.rewrite_at, 2, 0)
        ids = [f"{epoch}.{number}" for epoch, number in zip(rows.id_epoch.tolist(), numbers.tolist(), strict=True)]
        for index in np.flatnonzero(rows.fake_id).tolist():
            ids[index] = f"{rows.id_epoch[index]}.{rows.lead[index]:09d}"
        return ids

    @staticmethod
    def _phones(rows: CallRows) -> list[str]:
        phones = [str(phone) for phone in rows.phone.tolist()]
        for index in np.flatnonzero(rows.phone_form).tolist():
            form = rows.phone_form[index]
            phones[index] = "anonymous" if form == ANONYMOUS else f"1{phones[index]}" if form == WITH_ONE else phones[index]
        return phones

    def _shared(self, rows: CallRows, at: Ints) -> dict[str, list[Any]]:
        """The columns that both call tables have."""
        ended = (at >= rows.hangup_at) & (rows.null_end == 0)
        users = np.where(at >= rows.agent_at, rows.agent, rows.user)
        with_agent = users > 1  # the first two are machines
        comments = np.where(at >= rows.agent_at, rows.agent_comment, rows.comment)
        lists, names = self._lists, self._users
        ends = zip(ended.tolist(), (rows.start + rows.length).tolist(), rows.length.tolist(), strict=True)
        over = [(end, length) if known else (None, None) for known, end, length in ends]
        return {
            "unique": self._unique_ids(rows, at),
            "date": self._dates(rows, rows.start),
            "list": [lists[index] for index in rows.list_index.tolist()],
            "end": [end for end, _ in over],
            "length": [length for _, length in over],
            "status": [STATUSES[code] for code in rows.status(at).tolist()],
            "phone": self._phones(rows),
            "user": [names[index] for index in users.tolist()],
            "group": [USER_GROUP if with_one else None for with_one in with_agent.tolist()],
            "comments": [COMMENTS[c] if c < PREPROCESS else f"{(c - PREPROCESS) / 1000:.3f}" for c in comments.tolist()],
            "term": [TERM_REASONS[code] for code in np.where(at >= rows.hangup_at, rows.term, 0).tolist()],
        }

    def log_rows(self, rows: CallRows, at: Ints) -> list[Row]:
        shared, campaigns, count = self._shared(rows, at), self._profile.campaigns, len(rows)
        return list(
            zip(
                *(shared["unique"], rows.lead.tolist(), shared["list"], [campaigns[c] for c in rows.campaign.tolist()]),
                *(shared["date"], rows.start.tolist(), shared["end"], shared["length"], shared["status"], ["1"] * count),
                *(shared["phone"], shared["user"], shared["comments"], ["N"] * count, shared["group"], shared["term"]),
                *([_ALTS[alt] for alt in rows.alt.tolist()], rows.called_count.tolist()),
                strict=True,
            )
        )

    def closer_rows(self, rows: CallRows, at: Ints) -> list[Row]:
        shared, groups, count = self._shared(rows, at), self._profile.inbound_groups, len(rows)
        served = (at >= rows.agent_at) | (at >= rows.hangup_at)
        waits = [f"{wait / 1000:.2f}" for wait in np.where(served, rows.queue, 0).tolist()]
        epochs = np.where(rows.year_epoch > 0, rows.year_epoch, rows.start)
        return list(
            zip(
                *(rows.close_id.tolist(), rows.lead.tolist(), shared["list"], [groups[g] for g in rows.campaign.tolist()]),
                *(shared["date"], epochs.tolist(), shared["end"], shared["length"], shared["status"], ["1"] * count),
                *(shared["phone"], shared["user"], shared["comments"], ["N"] * count, waits, shared["group"]),
                *([None] * count, shared["term"], shared["unique"], [""] * count, [1] * count, rows.called_count.tolist()),
                strict=True,
            )
        )

    def _caller_codes(self, rows: CallRows, texts: list[str]) -> list[str]:
        """Letter, nine digits of the dial's time (the month's first is lost), ten of the lead."""
        letters = ["M" if manual else "V" for manual in rows.manual.tolist()]
        parts = zip(letters, texts, rows.lead.tolist(), strict=True)
        return [f"{a}{t[6]}{t[8:10]}{t[11:13]}{t[14:16]}{t[17:19]}{lead:010d}" for a, t, lead in parts]

    def extended_rows(self, rows: CallRows, at: Ints) -> list[Row]:
        dialled = wall_texts(self._calendar.walls(rows.dialled))
        count, codes = len(rows), self._caller_codes(rows, dialled)
        unique = self._unique_ids(rows, np.minimum(at, -1))
        dates = self._dates(rows, rows.start)
        return list(zip(unique, [SERVER_IP] * count, dates, rows.lead.tolist(), codes, [""] * count, strict=True))

    def caller_id_rows(self, rows: CallRows, at: Ints) -> list[Row]:  # noqa: ARG002 -- one renderer's shape for all tables
        dialled = wall_texts(self._calendar.walls(rows.dialled))
        kinds = ["MANUAL" if manual else "OUT" for manual in rows.manual.tolist()]
        alts = ["ALT" if alt == 2 else "MAIN" for alt in rows.alt.tolist()]
        ids = self._caller_ids
        shown = [ids[c][d % len(ids[c])] for c, d in zip(rows.campaign.tolist(), rows.dialled.tolist(), strict=True)]
        return list(zip(self._caller_codes(rows, dialled), dialled, kinds, alts, shown, ["AC_CID"] * len(rows), strict=True))
