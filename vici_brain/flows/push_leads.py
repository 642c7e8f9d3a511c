"""Leads that appear in Brain enter the dialer with their code: looked for by phone first, judged, and only then added.

Belongs here: the order of these steps and what is tried again when. Does not: the rules (judge_leads) or HTTP (vici/api_writer).

Nothing is added twice: before each try the dialer is searched, "sending" is written down before the request, and a request whose
answer was lost is found again, by the search of this try or of the next.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine

from vici_brain.brain.database import brain_errors, lane
from vici_brain.brain.journal import Journal, SyncIdentity
from vici_brain.brain.lead_intake import intake_is_open
from vici_brain.brain.lead_pushes import Candidate, LeadPushes, Pushed
from vici_brain.brain.restrictions import Restricted, freed, keep_restrictions
from vici_brain.brain.reviews import ReviewItem, put_up_for_review
from vici_brain.domain.identifiers import is_external_lead_id, is_filler, is_of_country, normalised_phone
from vici_brain.domain.recent_calls import DO_NOT_CALL, LastCall, Verdict, national_number
from vici_brain.domain.write_back_policy import PushPolicy
from vici_brain.errors import RetriableError
from vici_brain.flows.judge_leads import Rules, judge_leads
from vici_brain.vici.dialer import Dialer
from vici_brain.vici.lead_lookup import LeadLookup
from vici_brain.vici.lead_writer import LeadAdder, LeadToAdd

SOON, LATER = timedelta(minutes=15), timedelta(hours=6)
_ERRORS_IN_A_ROW = 3
_WAIT_FOR_OTHER_DIALERS = 240


@dataclass(frozen=True, slots=True)
class PushOrder:
    """What starts a push; ``since_lead`` takes in leads that Brain had before, above that id."""

    trigger: str
    since_lead: int | None = None
    dry_run: bool = False
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class PushResult:
    """Leads by what became of them."""

    examined: int
    added: int
    linked: int
    do_not_call: int
    recently_called: int
    unknown: int
    waiting: int
    """For a code, for a number that this dialer can dial, or because another dialer has the number."""
    uncertain: int
    failed: int
    closed: bool = False
    """The intake is switched off, so nothing was done, or nothing more."""


@dataclass(frozen=True, slots=True)
class Pushing:
    """What a push works with. ``instances`` are all dialers whose calls count."""

    dialer: Dialer
    brain: Engine
    adder: LeadAdder
    policy: PushPolicy
    instances: Sequence[str]
    clock: Callable[[], datetime]
    fresh: timedelta = timedelta(minutes=15)


@dataclass(slots=True)
class _Tally:
    states: Counter[str] = field(default_factory=Counter)
    errors_in_a_row: int = 0
    closed: bool = False

    def result(self) -> PushResult:
        names = [name for name in PushResult.__dataclass_fields__ if name not in {"examined", "closed"}]
        return PushResult(self.states.total(), **{name: self.states[name] for name in names}, closed=self.closed)


def push_leads(work: Pushing, order: PushOrder) -> PushResult:
    """Pushes what is due and what arrived; raises BusyError beside another push to the same dialer.

    Pushes to several dialers wait for each other: what one adds the next one must see.
    """
    identity = SyncIdentity(work.dialer.instance, "push_leads", order.trigger, run_id=order.run_id)
    with (
        lane(work.brain, work.dialer.instance, "push_leads"),
        lane(work.brain, "leads", "push", wait_seconds=_WAIT_FOR_OTHER_DIALERS),
    ):
        with brain_errors(), work.brain.connect() as connection:
            if not intake_is_open(connection):
                return _Tally(closed=True).result()
        with Journal(work.brain).entry(identity, dry_run=order.dry_run) as entry, work.dialer.session(work.clock) as session:
            push = _Push(work, order, LeadLookup(session))
            try:
                push.run()
            finally:
                result = push.tally.result()
                entry.count(rows_read=result.examined, rows_new=result.added, rows_matched=result.linked)
                entry.details.update({name: getattr(result, name) for name in PushResult.__dataclass_fields__})
    return result


class _Push:
    def __init__(self, work: Pushing, order: PushOrder, lookup: LeadLookup) -> None:
        self.work, self.order, self.lookup = work, order, lookup
        self.instance, self.policy = work.dialer.instance, work.policy
        self.tally = _Tally()
        self.elsewhere: dict[int, str] = {}
        self.rules = Rules(work.instances, work.policy.campaign_id, work.policy.phone_code, work.fresh)

    def run(self) -> None:
        now = self.work.clock()
        self.lookup.require_list(self.policy.list_id, self.policy.campaign_id)
        with brain_errors(), self.work.brain.begin() as connection:
            pushes, most = LeadPushes(connection, self.instance), self.policy.most_per_run
            cursor, first = pushes.begin(now)
            since = self.order.since_lead
            if since is not None:
                cursor = first = since
            due = pushes.due(now, most)
            arrived = [each for each in pushes.arrived(cursor, first, most) if each not in set(due)][: most - len(due)]
            leads = pushes.candidates([*due, *arrived])
            verdicts = judge_leads(connection, self.lookup, self.instance, leads, self.rules, now=now)
            self.elsewhere = pushes.elsewhere(leads, self.work.instances)
            if self.order.dry_run:
                connection.rollback()
        for lead in leads:
            if self._stopped():
                return
            self._one(lead, *verdicts[lead.lead_id])
        if arrived and not self.order.dry_run and since is None:
            with brain_errors(), self.work.brain.begin() as connection:
                LeadPushes(connection, self.instance).move(max(arrived), now)

    def _stopped(self) -> bool:
        """Whether somebody stopped the intake since; what is left is looked at when it is open again."""
        with brain_errors(), self.work.brain.connect() as connection:
            self.tally.closed = not intake_is_open(connection)
        return self.tally.closed

    def _one(self, lead: Candidate, verdict: Verdict, call: LastCall | None) -> None:
        now = self.work.clock()
        key = lead.phone_key if lead.phone_key and not is_filler(lead.phone_key) else None
        if not is_external_lead_id(lead.code) or key is None or lead.holders != 1:
            why = "no 13-digit external_lead_id of its own" if key else "no public phone number"
            self._settle(Pushed(lead.lead_id, "waiting", why, lead.code, None, now + LATER), "waiting")
            return
        try:
            self._known_lead(lead, key, verdict, call, now)
        except RetriableError as error:
            self.tally.errors_in_a_row += 1
            self._settle(Pushed(lead.lead_id, "uncertain", str(error), lead.code, None, now + SOON), "uncertain")
            if self.tally.errors_in_a_row >= _ERRORS_IN_A_ROW:
                raise
        else:
            self.tally.errors_in_a_row = 0

    def _known_lead(self, lead: Candidate, phone_key: str, verdict: Verdict, call: LastCall | None, now: datetime) -> None:
        ours = is_of_country(phone_key, self.policy.phone_code)
        number = national_number(phone_key, self.policy.phone_code)
        found = self._found(lead, number if ours else None)
        if not verdict.allowed:
            self._mark(lead, verdict, call, now)
        if found:
            self._link(lead, found, f"the dialer had this number as {', '.join(map(str, found))}", "linked", now)
        elif not verdict.allowed:
            self._block(lead, verdict, now)
        elif not ours or lead.lead_id in self.elsewhere:
            # Dialled with the dialer's own country code in front, a number of another country is somebody else's.
            foreign = f"+{phone_key} is no number of the country +{self.policy.phone_code}, which this dialer is pushed leads of"
            why = self.elsewhere.get(lead.lead_id, foreign)
            self._settle(Pushed(lead.lead_id, "waiting", why, lead.code, None, now + LATER), "waiting")
        elif self.order.dry_run:
            self.tally.states["added"] += 1
        else:
            self._add(lead, number, now)

    def _found(self, lead: Candidate, number: str | None) -> tuple[int, ...]:
        """The dialer's leads with this number: as Brain last read them, however it is written, and as the dialer finds them.

        What the mirror says is asked of the dialer again. An archived or deleted lead is none that could be called, so it does
        not keep the new one out.
        """
        with brain_errors(), self.work.brain.connect() as connection:
            mirrored = LeadPushes(connection, self.instance).at_dialer([lead]).get(lead.lead_id, [])
        still = self.lookup.leads([each.vici_lead_id for each in mirrored if each.live and each.phone_key == lead.phone_key])
        same = {vici for vici, each in still.items() if normalised_phone(each.phone_code, each.phone_number) == lead.phone_key}
        return tuple(sorted(same.union(self.work.adder.find(number) if number else ())))

    def _mark(self, lead: Candidate, verdict: Verdict, call: LastCall | None, now: datetime) -> None:
        if self.order.dry_run:
            return
        restricted = Restricted(lead.lead_id, verdict, lead.phone_key, call.at if call else None)
        with brain_errors(), self.work.brain.begin() as connection:
            keep_restrictions(connection, [restricted], now)

    def _block(self, lead: Candidate, verdict: Verdict, now: datetime) -> None:
        fact = verdict.facts[0][0]
        again = None if fact == DO_NOT_CALL else verdict.callable_after or now + SOON
        self._settle(Pushed(lead.lead_id, "blocked", verdict.reason, lead.code, None, again), fact.lower())

    def _add(self, lead: Candidate, number: str, now: datetime) -> None:
        self._record(Pushed(lead.lead_id, "sending", "the request is on its way", lead.code, None, now + SOON, attempts=1))
        names = {"first_name": lead.first_name, "last_name": lead.last_name, "email": lead.email, "state": lead.state}
        form = LeadToAdd(str(lead.code), self.policy.phone_code, number, self.policy.list_id, **names)
        done = self.work.adder.add_lead(form)
        if done.vici_lead_id is not None:
            self._link(lead, (done.vici_lead_id,), done.said, "added" if done.outcome == "added" else "linked", now)
        elif done.outcome == "uncertain":
            self._settle(Pushed(lead.lead_id, "uncertain", done.said, lead.code, None, now + SOON), "uncertain")
        else:
            self._settle(Pushed(lead.lead_id, "failed", done.said, lead.code, None, now + LATER), "failed")

    def _link(self, lead: Candidate, found: Sequence[int], said: str, state: str, now: datetime) -> None:
        if not self.order.dry_run:
            added = state == "added"
            with brain_errors(), self.work.brain.begin() as connection:
                pushes = LeadPushes(connection, self.instance)
                taken = {
                    each: owner for each in found if (owner := pushes.link(each, lead.lead_id, now, added=added)) != lead.lead_id
                }
                for vici, owner in taken.items():
                    context = {"lead_id": lead.lead_id, "linked_to": owner, "phone_key": lead.phone_key}
                    item = ReviewItem("phone_linked_to_another_lead", "vici_lead", f"{self.instance}/{vici}", context=context)
                    put_up_for_review(connection, [item], now)
                freed(connection, lead.lead_id) if added else None
                done = Pushed(lead.lead_id, state, said, lead.code, found[-1])
                pushes.record(done, self.policy.list_id, self.policy.campaign_id, now)
        self.tally.states[state] += 1

    def _settle(self, done: Pushed, counted: str) -> None:
        self.tally.states[counted] += 1
        if not self.order.dry_run:
            self._record(done)

    def _record(self, done: Pushed) -> None:
        with brain_errors(), self.work.brain.begin() as connection:
            pushes = LeadPushes(connection, self.instance)
            pushes.record(done, self.policy.list_id, self.policy.campaign_id, self.work.clock())
