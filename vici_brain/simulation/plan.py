"""A local day of the dialer as one plan: who is called when, and everything that will ever happen to the rows of it.

Belongs here: composition of the paths, dirty values, nightly jobs. Does not: reading the plan at a moment (rows, changes).
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from vici_brain.simulation.calendar import DAY, Calendar
from vici_brain.simulation.calls import ALT, CODE, CallRows
from vici_brain.simulation.draws import NEVER, Flags, Ints
from vici_brain.simulation.inbound import callers, hand_offs, passed_on
from vici_brain.simulation.outbound import outbound_calls
from vici_brain.simulation.people import People
from vici_brain.simulation.profile import DialerProfile

_KEPT_DAYS = 3
_KEPT_EDITS = 40
_UNKNOWN = np.array([CODE[status] for status in ("na", "ZZTOP", "HUC20")], dtype=np.int64)
_EMPTY_TERM = 6


@dataclass(frozen=True, slots=True)
class DayPlan:
    day: date
    log: CallRows
    closer: CallRows


class Planner:
    """Plans by day, the last few kept; of older days only the rows that an administrator will still edit."""

    def __init__(self, profile: DialerProfile, calendar: Calendar, people: People) -> None:
        self._profile, self._calendar, self._people = profile, calendar, people
        self._plans: OrderedDict[date, DayPlan] = OrderedDict()
        self._edits: OrderedDict[date, DayPlan] = OrderedDict()

    def plan(self, day: date) -> DayPlan:
        if day not in self._plans:
            self._plans[day] = self._make(day)
            while len(self._plans) > _KEPT_DAYS:
                self._plans.popitem(last=False)
        self._plans.move_to_end(day)
        return self._plans[day]

    def edited_later(self, day: date) -> DayPlan:
        if day not in self._edits:
            plan = self._make(day)
            log, closer = (rows.take(rows.edit_at < NEVER) for rows in (plan.log, plan.closer))
            self._edits[day] = DayPlan(day, log, closer)
            while len(self._edits) > _KEPT_EDITS:
                self._edits.popitem(last=False)
        return self._edits[day]

    def archive_run(self, day: date) -> int:
        """The nightly job that first sees the rows of a day."""
        return self._calendar.at(day + timedelta(days=1), 1, 15)

    def purge_run(self, day: date) -> int:
        """The nightly job that deletes them."""
        after = self._profile.archive_after_days
        return NEVER if after is None else self._calendar.at(day + timedelta(days=1 + after), 1, 15)

    def _make(self, day: date) -> DayPlan:
        profile, odd = self._profile, self._profile.behaviours
        rng = np.random.default_rng((profile.seed, day.toordinal(), 1))
        volume = self._calendar.volume(day)
        dials = self._calendar.moments(day, rng, volume, odd.night_calls)
        calls = self._attempts(day, dials, rng)
        incoming = rng.random(volume) < profile.inbound_share
        manual = rng.random(volume) < profile.manual_share
        outgoing = self._called(calls.take(~incoming), day, rng)
        log = outbound_calls(outgoing, manual[~incoming], rng, odd, profile.agents)
        calling = self._calling(calls.take(incoming), day, rng)
        legs = callers(calling, self._closed(calling.dialled, day), rng, profile)
        transferred = passed_on(log, rng, profile, (log.final == CODE["XFER"]) & (log.fake_id == 0) & (log.rewrite_at == NEVER))
        transferred.phone_form[:] = 0
        by_digit = hand_offs(legs[0], rng.random(len(legs[0])) < odd.digit_handoffs)
        log = CallRows.joined([log, by_digit])
        closer = CallRows.joined([*legs, transferred])
        closer = closer.take(np.argsort(closer.born, kind="stable"))
        closer.close_id = 1 + 3 * self._calendar.calls_before(day) + np.arange(len(closer), dtype=np.int64)
        for rows in (log, closer):
            self._soil(rows, rng)
            self._schedule_nights(rows, day)
        closer.year_epoch = np.where(rng.random(len(closer)) < odd.year_epochs, day.year, 0)
        return DayPlan(day, log, closer)

    def _attempts(self, day: date, dials: Ints, rng: np.random.Generator) -> CallRows:
        """What every call has before anybody answers: a moment, an id, and a lead in list order."""
        odd, people = self._profile.behaviours, self._people
        rows = CallRows.blank(dials.size)
        number = self._calendar.calls_before(day) + np.arange(dials.size, dtype=np.int64)
        rows.dialled = rows.id_epoch = dials
        rows.id_number = 11 + 4 * np.arange(dials.size, dtype=np.int64)
        rows.lead = people.dialled(number)
        rows.called_count = 1 + number // self._profile.leads
        rows.no_caller_id = (rng.random(dials.size) < odd.missing_caller_ids).astype(np.int64)
        return rows

    def _called(self, rows: CallRows, day: date, rng: np.random.Generator) -> CallRows:
        """Now and then one of the newest leads is dialled instead of the next in the list."""
        known, fresh = self._people.known_on(day), 3 * self._profile.new_leads_per_day
        hot = (rng.random(len(rows)) < 0.05) & (known > self._profile.leads)
        newest = np.maximum(known - rng.integers(0, max(1, fresh), len(rows)), 1)
        rows.lead = np.where(hot, newest, rows.lead)
        rows.called_count = np.where(hot, 1 + rng.integers(0, 4, len(rows)), rows.called_count)
        alt = rng.random(len(rows)) < self._profile.behaviours.alt_dials
        rows.alt = np.where(alt, ALT, 0)
        self._identify(rows)
        rows.phone = np.where(alt, self._people.alt_phone(rows.lead), rows.phone)
        return rows

    def _calling(self, rows: CallRows, day: date, rng: np.random.Generator) -> CallRows:
        rows.lead = rng.integers(1, self._people.known_on(day) + 1, len(rows))
        self._identify(rows)
        return rows

    def _identify(self, rows: CallRows) -> None:
        people = self._people
        rows.phone = people.phone(rows.lead)
        rows.list_index = people.list_index(rows.lead, people.moved_at(rows.lead) <= rows.dialled)
        rows.campaign = rows.list_index // self._profile.lists_per_campaign

    def _closed(self, dials: Ints, day: date) -> Flags:
        return dials < self._calendar.at(day + timedelta(days=1)) - DAY + 8 * 3600

    def _soil(self, rows: CallRows, rng: np.random.Generator) -> None:
        """Values that no table should hold, on any row."""
        odd, count = self._profile.behaviours, len(rows)
        rows.term = np.where(rng.random(count) < odd.blank_term_reasons, _EMPTY_TERM, rows.term)
        rows.zero_date = (rng.random(count) < odd.zero_dates).astype(np.int64)
        rows.null_end = (rng.random(count) < odd.null_ends).astype(np.int64)
        rows.length = np.where(rng.random(count) < odd.negative_lengths, -3, rows.length)
        rows.length = np.where(rng.random(count) < odd.huge_lengths, 90_061, rows.length)
        rows.list_index = np.where(rng.random(count) < odd.missing_lists, -1, rows.list_index)
        blank, unknown = rng.random(count) < odd.blank_statuses, rng.random(count) < odd.unknown_statuses
        strange = np.where(blank, CODE[""], _UNKNOWN[rng.integers(0, _UNKNOWN.size, count)])
        finished = rows.dispo_at == NEVER
        rows.final = np.where(blank | unknown, strange, rows.final)
        rows.on_hangup = np.where((blank | unknown) & finished, strange, rows.on_hangup)

    def _schedule_nights(self, rows: CallRows, day: date) -> None:
        """The archive job copies every row that it finds, and deletes old ones, among which it counts those without date."""
        if self._profile.archive_after_days is None:
            return
        run = self.archive_run(day)
        rows.archive_at = np.where((rows.born <= run) & (rows.deleted_at > run), run, NEVER)
        rows.purge_at = np.where(rows.zero_date == 1, run, self.purge_run(day))
