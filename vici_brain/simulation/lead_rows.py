"""vicidial_list over time: leads arrive, are called, change list, are deleted or archived.

Belongs here: what calls and administrators do to lead rows, and the rows themselves. Does not: who leads are (people).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import repeat

import numpy as np

from vici_brain.simulation.calendar import Calendar, utc_text, wall_texts
from vici_brain.simulation.calls import CODE, COMMENTS, STATUSES, CallRows
from vici_brain.simulation.catalog import agents
from vici_brain.simulation.draws import NEVER, Ints
from vici_brain.simulation.people import People
from vici_brain.simulation.profile import DialerProfile
from vici_brain.simulation.rows import Row

LEAD_COLUMNS = (
    *("lead_id", "entry_date", "modify_date", "status", "user", "vendor_lead_code", "source_id", "list_id", "entry_list_id"),
    *("gmt_offset_now", "called_since_last_reset", "phone_code", "phone_number", "alt_phone", "first_name", "last_name"),
    *("state", "country_code", "email", "called_count", "last_local_call_time"),
)
TOUCH_COLUMNS = ("modify_date", "status", "user", "called_since_last_reset", "called_count", "last_local_call_time")
_NEW = -1


@dataclass(frozen=True, slots=True)
class Touches:
    """Calls that ended, as their leads learn of them, oldest first."""

    lead: Ints
    at: Ints
    status: Ints
    user: Ints
    called_count: Ints
    dialled: Ints

    @classmethod
    def of(cls, log: CallRows, since: int, until: int) -> "Touches":
        settled = log.settled_at()
        counts = (log.deleted_at == NEVER) & (log.comment != COMMENTS.index("DIGITID"))
        due = np.flatnonzero(counts & (settled > since) & (settled <= until))
        if not due.size:
            return cls(due, due, due, due, due, due)
        due = due[np.argsort(settled[due], kind="stable")]
        rows, at = log.take(due), settled[due]
        status = np.where(rows.dispo_at < NEVER, rows.final, np.where(rows.hangup_at < NEVER, rows.on_hangup, rows.first))
        user = np.where(rows.agent_at < NEVER, rows.agent, rows.user)
        return cls(rows.lead, at, status, user, rows.called_count, rows.dialled)

    @classmethod
    def joined(cls, parts: Sequence["Touches"]) -> "Touches":
        """Several days' touches in one order of time: a call of yesterday may settle after one of today."""
        columns = (np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls))
        together = cls(*columns)
        return together.take(np.argsort(together.at, kind="stable"))

    def take(self, which: Ints) -> "Touches":
        return Touches(
            *(column[which] for column in (self.lead, self.at, self.status, self.user, self.called_count, self.dialled))
        )

    def dnc_leads(self) -> Ints:
        return np.unique(self.lead[self.status == CODE["DNC"]])


class LeadStates:
    """What calls have made of the leads 1 to ``count``; a few arrays, so that a million fit in memory."""

    def __init__(self, count: int) -> None:
        self.at, self.status, self.user, self.called_count, self.dialled = (np.zeros(count + 1, dtype=np.int64) for _ in range(5))
        self.status[:] = _NEW

    def apply(self, touches: Touches, gone_at: Ints) -> None:
        """A lead that has left the table is not updated; of several calls the last to settle stays."""
        kept = touches.take(np.flatnonzero((touches.at < gone_at) & (touches.at >= self.at[touches.lead])))
        for mine, news in (
            *((self.at, kept.at), (self.status, kept.status), (self.user, kept.user)),
            *((self.called_count, kept.called_count), (self.dialled, kept.dialled)),
        ):
            mine[kept.lead] = news


class LeadBook:
    """Renders lead rows."""

    def __init__(self, profile: DialerProfile, calendar: Calendar, people: People) -> None:
        self._calendar, self._people, self._users = calendar, people, agents(profile)

    def rows(self, ids: Ints, states: LeadStates, at: Ints) -> list[Row]:
        """Lead rows as they are at a moment of each."""
        people, walls = self._people, self._calendar.walls
        entered, moved = people.entered_at(ids), people.moved_at(ids)
        is_moved = (moved <= at) & (moved < people.gone_at(ids))
        offsets, names = people.gmt_offset(ids), people.names(ids)
        called, dialled = states.at[ids] > 0, states.dialled[ids]
        modified = np.maximum(np.maximum(entered, states.at[ids]), np.where(is_moved, moved, 0))
        lists, count = people.lists, ids.size
        local = wall_texts(dialled + offsets * 3600)
        return list(
            zip(
                *(ids.tolist(), wall_texts(walls(entered)), wall_texts(modified)),
                *([STATUSES[code] if code != _NEW else "NEW" for code in states.status[ids].tolist()],),
                *([self._users[u] if c else "" for u, c in zip(states.user[ids].tolist(), called.tolist(), strict=True)],),
                *(people.vendor_texts(ids), [f"web-{each}" for each in ids.tolist()]),
                *([lists[index] for index in people.list_index(ids, is_moved).tolist()],),
                *([lists[index] for index in people.list_index(ids, np.zeros(count, dtype=bool)).tolist()],),
                *([f"{hours}.00" for hours in offsets.tolist()], ["Y" if c else "N" for c in called.tolist()], ["1"] * count),
                *([str(each) for each in people.phone(ids).tolist()], [str(each) for each in people.alt_phone(ids).tolist()]),
                *([first for first, _ in names], [last for _, last in names], people.states(ids), ["USA"] * count),
                *([f"lead{each}@example.org" for each in ids.tolist()], states.called_count[ids].tolist()),
                *([text if c else "2008-01-01 00:00:00" for text, c in zip(local, called.tolist(), strict=True)],),
                strict=True,
            )
        )

    def updates(self, touches: Touches) -> list[Row]:
        """The last call of each lead: TOUCH_COLUMNS, then lead_id."""
        kept = touches.take(np.flatnonzero(touches.at < self._people.gone_at(touches.lead)))
        last = kept.lead.size - 1 - np.unique(kept.lead[::-1], return_index=True)[1]
        kept = kept.take(np.sort(last))
        local = wall_texts(kept.dialled + self._people.gmt_offset(kept.lead) * 3600)
        return list(
            zip(
                *([utc_text(at) for at in kept.at.tolist()], [STATUSES[code] for code in kept.status.tolist()]),
                *([self._users[user] for user in kept.user.tolist()], repeat("Y", kept.lead.size)),
                *(kept.called_count.tolist(), local, kept.lead.tolist()),
                strict=True,
            )
        )

    def moves(self, ids: Ints, since: int, until: int) -> list[Row]:
        """New list and the moment of the move, then lead_id, of leads that change list in (since, until]."""
        moved = self._people.moved_at(ids)
        due = np.flatnonzero((moved > since) & (moved <= until) & (moved < self._people.gone_at(ids)))
        index = self._people.list_index(ids[due], np.ones(due.size, dtype=bool)).tolist()
        moments = [utc_text(at) for at in moved[due].tolist()]
        return [(self._people.lists[n], at, at, lead) for n, at, lead in zip(index, moments, ids[due].tolist(), strict=True)]
