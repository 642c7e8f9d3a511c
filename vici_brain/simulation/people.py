"""The leads: invented people with unassignable numbers (exchange 555), each a pure function of seed and lead_id.

Belongs here: who a lead is, on the dialer and in Brain's eyes. Does not: what calls do to a lead (lead_rows).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import gcd

import numpy as np

from vici_brain.simulation.calendar import DAY, Calendar
from vici_brain.simulation.draws import NEVER, Flags, Ints, chance, pick, words
from vici_brain.simulation.profile import DialerProfile

FIRST_NAMES = words(
    "Ada Ben Cleo Dan Eva Finn Grace Hugo Iris Jack Kay Liam Mia Noah Olga Paul Quinn Rosa Sam Tess Uma Vera Walt Xena "
    "Yara Zoe José Chloé Jürgen Siobhán"
)
LAST_NAMES = words(
    "Abbott Brook Carver Dale Ellis Frost Grant Hale Irving Jones Kemp Lowe Marsh Nolan Owen Price Quill Reed Stone "
    "Thorne Usher Vance Wells Yates O'Neill García Müller Nuñez"
)
_AREAS = (
    "NJ 201 551 609 732 848 856 862 908 973;NY 212 315 347 516 518 585 607 631 646 716 718 845 914 917 929;"
    "CA 209 213 310 323 408 415 424 442 510 530 559 562 619 626 628 650 657 661 669 707 714 747 760 805 818 831 858 909;"
    "TX 210 214 254 281 325 346 361 409 430 432 469 512 682 713 737 806 817 830 832 903 915 936 940 956 972 979;"
    "FL 239 305 321 352 386 407 561 727 754 772 786 813 850 863 904 941 954;OH 216 234 330 380 419 440 513 567 614 740;"
    "IL 217 224 309 312 331 618 630 708 773 779 815 847;PA 215 267 272 412 484 570 610 717 724 814 878;"
    "WA 206 253 360 425 509;AZ 480 520 602 623 928;GA 229 404 470 478 678 706 762 770 912;CO 303 719 720 970"
)
AREA_CODES = tuple((int(code), line.split()[0]) for line in _AREAS.split(";") for code in line.split()[1:])
_CODES = np.array([code for code, _ in AREA_CODES], dtype=np.int64)
_NUMBERS = len(AREA_CODES) * 10_000
_GARBAGE = ("N/A", "12345", "web-lead", "0", "17000000000001", "lead 17000")


@dataclass(frozen=True, slots=True)
class BrainLead:
    """A lead as the CRM learns it from its web forms, before any dialer is asked."""

    external_lead_id: str | None
    phone: str
    first_name: str
    last_name: str
    email: str
    state: str
    created_at: datetime


class People:
    """All leads of one dialer, by lead_id; nothing is stored, so a million cost no more memory than one."""

    def __init__(self, profile: DialerProfile, calendar: Calendar) -> None:
        self._profile, self._calendar, self._seed = profile, calendar, profile.seed
        self._odd = profile.behaviours
        self.lists = tuple(range(101, 101 + len(profile.campaigns) * profile.lists_per_campaign))
        self._stride = next(
            s for s in range(int(profile.leads * 0.618) | 1, 4 * profile.leads + 9, 2) if gcd(s, profile.leads) == 1
        )

    # -- how many, and since when

    def known_on(self, day: date) -> int:
        """Leads on the dialer when the day begins."""
        return self._profile.leads + self._profile.new_leads_per_day * max(0, (day - self._calendar.first_day).days)

    def known_at(self, epoch: int) -> int:
        day = self._calendar.day_of(epoch)
        if day < self._calendar.first_day:
            return self._profile.leads
        passed = (epoch - self._calendar.at(day, 8)) * self._profile.new_leads_per_day // (10 * 3600) + 1
        return self.known_on(day) + min(max(0, passed), self._profile.new_leads_per_day)

    def entered_at(self, ids: Ints) -> Ints:
        """The first day's leads came during the two months before; later ones arrive between 8:00 and 18:00."""
        profile, calendar = self._profile, self._calendar
        before = calendar.at(calendar.first_day) - 60 - pick(self._seed, "entered", ids, 60 * DAY)
        daily = max(1, profile.new_leads_per_day)
        late, place = np.divmod(np.maximum(ids - profile.leads - 1, 0), daily)
        return np.where(ids <= profile.leads, before, self._hours(late, 8) + -(-place * 36_000 // daily))

    def _hours(self, days: Ints, hour: int, minute: int = 0) -> Ints:
        """The instant of a wall time on each of the days, counted from the first."""
        unique, where = np.unique(days, return_inverse=True)
        first = self._calendar.first_day
        instants = [self._calendar.at(first + timedelta(days=each), hour, minute) for each in unique.tolist()]
        return np.array(instants, dtype=np.int64)[where].astype(np.int64) if days.size else days

    # -- who is called

    def dialled(self, numbers: Ints) -> Ints:
        """The lead of the dialer's n-th call: list order, round and round, so that it can be told when a lead's turn is."""
        return (numbers * self._stride) % self._profile.leads + 1

    def first_turn(self, ids: Ints) -> Ints:
        back = pow(self._stride, -1, self._profile.leads) if self._profile.leads > 1 else 0
        return ((ids - 1) * back) % self._profile.leads

    # -- what is written about them

    def _number(self, places: Ints) -> Ints:
        places = places * 7_919 % _NUMBERS
        return _CODES[places // 10_000] * 10_000_000 + 5_550_000 + places % 10_000

    def _place(self, ids: Ints) -> Ints:
        shares = chance(self._seed, "shared phone", ids) < self._odd.shared_phones
        return np.where(shares & (ids > 1), ids - 1, ids)

    def phone(self, ids: Ints) -> Ints:
        return self._number(self._place(ids) + self._seed * 1_009)

    def alt_phone(self, ids: Ints) -> Ints:
        return self._number(ids + self._seed * 1_009 + _NUMBERS // 2)

    def states(self, ids: Ints) -> list[str]:
        states = dict(AREA_CODES)
        return [states[code] for code in (self.phone(ids) // 10_000_000).tolist()]

    def gmt_offset(self, ids: Ints) -> Ints:
        """Whole hours west of Greenwich, negative, as the loader guessed them from the area code."""
        return -4 - self.phone(ids) // 10_000_000 % 4

    def vendor_code(self, ids: Ints) -> Ints:
        return 1_600_000_000_000 + ids * 1_009 + pick(self._seed, "vendor", ids, 1_009)

    def vendor_texts(self, ids: Ints) -> list[str | None]:
        missing = chance(self._seed, "no vendor code", ids) < self._odd.missing_vendor_codes
        kinds = pick(self._seed, "vendor kind", ids, 10)
        codes: list[str | None] = []
        for code, lost, kind in zip(self.vendor_code(ids).tolist(), missing.tolist(), kinds.tolist(), strict=True):
            codes.append(str(code) if not lost else None if kind < 4 else "" if kind < 8 else _GARBAGE[code % len(_GARBAGE)])
        return codes

    def names(self, ids: Ints) -> list[tuple[str, str]]:
        first = pick(self._seed, "first name", ids, len(FIRST_NAMES)).tolist()
        last = pick(self._seed, "last name", ids, len(LAST_NAMES)).tolist()
        return [(FIRST_NAMES[f], LAST_NAMES[n]) for f, n in zip(first, last, strict=True)]

    def list_index(self, ids: Ints, moved: Flags) -> Ints:
        count = len(self.lists)
        first = pick(self._seed, "list", ids, count)
        return np.where(moved, (first + 1) % count, first)

    def moved_at(self, ids: Ints) -> Ints:
        return self._some_night(ids, "list move", self._odd.list_moves)

    def deleted_at(self, ids: Ints) -> Ints:
        return self._some_night(ids, "lead delete", self._odd.lead_deletes)

    def archived_at(self, ids: Ints) -> Ints:
        stays = self.deleted_at(ids) == NEVER
        return np.where(stays, self._some_night(ids, "lead archive", self._odd.lead_archives), NEVER)

    def gone_at(self, ids: Ints) -> Ints:
        return np.minimum(self.deleted_at(ids), self.archived_at(ids))

    def _some_night(self, ids: Ints, purpose: str, share: float) -> Ints:
        """Administrators' jobs run at 3:10; a lead meets each at most once, in its first hundred days."""
        since = np.maximum(ids - self._profile.leads - 1, 0) // max(1, self._profile.new_leads_per_day)
        night = self._hours(since + 1 + pick(self._seed, f"{purpose} day", ids, 100), 3, 10)
        return np.where(chance(self._seed, purpose, ids) < share, night, NEVER)

    # -- Brain's view

    def created_in_brain(self, ids: Ints, limit: date) -> Ints:
        """When Brain learns of each lead: before the dialer; for some only after the first call; for a few never."""
        entered = self.entered_at(ids)
        usual = entered - 60 - (chance(self._seed, "webhook", ids) ** 4 * 20 * DAY).astype(np.int64)
        late = chance(self._seed, "late in brain", ids) < self._odd.late_in_brain
        created: Ints = np.where(late, self._after_first_call(ids, entered, limit), usual)
        unknown = chance(self._seed, "unknown to brain", ids) < self._odd.unknown_to_brain
        return np.where(unknown, NEVER, created)

    def _after_first_call(self, ids: Ints, entered: Ints, limit: date) -> Ints:
        calendar = self._calendar
        calendar.calls_before(limit + timedelta(days=1))
        befores = np.array(
            [calendar.calls_before(calendar.first_day + timedelta(days=n)) for n in range((limit - calendar.first_day).days + 2)]
        )
        day = np.searchsorted(befores, self.first_turn(np.minimum(ids, self._profile.leads)), side="right") - 1
        noon = np.where(ids <= self._profile.leads, self._hours(day, 12), entered + DAY)
        delay = -np.log1p(-chance(self._seed, "delay", ids)) * 14 * 3600
        created: Ints = noon + np.minimum(delay, 5 * DAY).astype(np.int64)
        return created

    def brain_leads(self, since: int, until: int) -> Iterator[BrainLead]:
        """Leads that Brain learns of in (since, until], oldest first."""
        ids = np.arange(1, self.known_at(until) + 1, dtype=np.int64)
        created = self.created_in_brain(ids, max(self._calendar.day_of(until), self._calendar.first_day))
        order = np.argsort(created, kind="stable")
        order = order[(created[order] > since) & (created[order] <= until)]
        for start in range(0, order.size, 10_000):
            chunk = order[start : start + 10_000]
            yield from self._brain_rows(ids[chunk], created[chunk])

    def _brain_rows(self, ids: Ints, created: Ints) -> Iterator[BrainLead]:
        nameless = (chance(self._seed, "no external id", ids) < self._odd.without_external_id).tolist()
        formats = pick(self._seed, "phone format", ids, 10).tolist()
        columns = (
            self.vendor_code(ids).tolist(),
            self.phone(ids).tolist(),
            self.names(ids),
            self.states(ids),
            created.tolist(),
            ids.tolist(),
        )
        for (code, phone, (first, last), state, at, lead), missing, form in zip(
            zip(*columns, strict=True), nameless, formats, strict=True
        ):
            text = str(phone)
            pretty = f"+1{text}" if form < 3 else f"({text[:3]}) {text[3:6]}-{text[6:]}" if form < 5 else text
            yield BrainLead(
                None if missing else str(code),
                pretty,
                first,
                last,
                f"lead{lead}@example.org",
                state,
                datetime.fromtimestamp(at, UTC),
            )
