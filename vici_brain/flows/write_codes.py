"""Writing Brain's ids to the dialers' leads: what is due for another look first, then a walk through all links.

Belongs here: the order of the steps, batches, what is put off and what goes to a person (code_reviews). Does not: the class of
a lead (domain/vendor_codes), SQL and HTTP (vici), records (brain/code_writes).

Each write is written down before it is done and closed after it was read back, so that a process that dies in between leaves a
row which the next one settles by looking. A code that an agent's screen put back is written again, but only so often: then a
person is asked. Nothing is written over another code.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from vici_brain.brain.code_writes import CodeWrites
from vici_brain.brain.database import brain_errors, lane
from vici_brain.brain.journal import Journal, SyncIdentity
from vici_brain.brain.lead_intake import intake_is_open
from vici_brain.domain.identifiers import is_external_lead_id
from vici_brain.domain.vendor_codes import CodeClass, LeadAtDialer, Linked, classify
from vici_brain.errors import ConfigurationError, RetriableError
from vici_brain.flows.code_orders import CodeOrder, CodeResult, CodeWriting, Tally
from vici_brain.flows.code_reviews import LOST, ask_about_conflicts, ask_about_lost
from vici_brain.vici.lead_lookup import LeadLookup
from vici_brain.vici.lead_reader import absent_campaigns
from vici_brain.vici.lead_writer import CodeWrite, CodeWriter

AFTER_A_CALL = timedelta(minutes=15)
_ERRORS_IN_A_ROW = 3
_CLASS_OF = {
    "written": CodeClass.UPDATED,
    "equal": CodeClass.SKIPPED,
    "conflict": CodeClass.CONFLICT,
    "not_found": CodeClass.NOT_IN_VICI,
    "failed": CodeClass.ERROR,
}


def write_codes(work: CodeWriting, order: CodeOrder) -> CodeResult:
    """Settles what an interrupted run left open, looks at what is due, walks the links; raises BusyError beside another run."""
    if not order.chosen and not order.due_only:
        raise ConfigurationError("name the campaigns whose leads get their codes: --campaigns A,B")
    identity = SyncIdentity(work.dialer.instance, "vendor_codes", order.trigger, run_id=order.run_id)
    with lane(work.brain, work.dialer.instance, "vendor_codes"):
        with brain_errors(), work.brain.connect() as connection:
            if not intake_is_open(connection):
                return Tally(closed=True).result()
        with Journal(work.brain).entry(identity, dry_run=order.dry_run) as entry, work.dialer.session(work.clock) as session:
            if not order.due_only:
                absent_campaigns(session, sorted(order.chosen), shared=order.shared)
            pass_ = _Pass(work, order, LeadLookup(session))
            try:
                pass_.run()
            finally:
                result = pass_.tally.result()
                entry.count(rows_read=result.examined, rows_updated=result.updated, rows_unchanged=result.skipped)
                entry.details.update({name: getattr(result, name) for name in CodeResult.__dataclass_fields__})
    return result


class _Pass:
    def __init__(self, work: CodeWriting, order: CodeOrder, lookup: LeadLookup) -> None:
        self.work, self.order, self.lookup = work, order, lookup
        self.instance = work.dialer.instance
        self.tally = Tally()

    def run(self) -> None:
        if not self.order.dry_run:
            self._settle_interrupted()
            self._look_at_due()
        if self.order.phone_key is not None:
            with brain_errors(), self.work.brain.connect() as connection:
                writes = CodeWrites(connection, self.instance)
                links = writes.linked(writes.linked_ids_of_phone(self.order.phone_key))
            self._batch(links, None)
        elif not self.order.due_only:
            self._walk()

    def _walk(self) -> None:
        name = ",".join(sorted(self.order.chosen))
        with brain_errors(), self.work.brain.connect() as connection:
            after = 0 if self.order.dry_run else CodeWrites(connection, self.instance).position(name)
        while True:
            with brain_errors(), self.work.brain.connect() as connection:
                if self._stopped(connection):
                    return
                links = CodeWrites(connection, self.instance).linked_after(after, self.work.batch)
            if not links:
                break
            after = links[-1].vici_lead_id
            self._batch(links, name)
        if not self.order.dry_run:
            with brain_errors(), self.work.brain.begin() as connection:
                CodeWrites(connection, self.instance).end(name)

    def _stopped(self, connection: Connection) -> bool:
        """Whether somebody stopped the intake since; asked with every batch, and a walk goes on there another time."""
        self.tally.closed = not intake_is_open(connection)
        return self.tally.closed

    def _settle_interrupted(self) -> None:
        """Rows that say ``intended``, of a process that died or a dialer that went away: it tells whether the write was done."""
        with brain_errors(), self.work.brain.begin() as connection:
            writes = CodeWrites(connection, self.instance)
            open_rows = writes.left_open()
            found = self.lookup.leads([vici for _, vici, _, _ in open_rows]) if open_rows else {}
            now = self.work.clock()
            for row, vici, code, before in open_rows:
                value = found[vici].vendor_lead_code if vici in found else None
                outcome = _outcome_of(value, code)
                writes.finish(row, outcome, before, value, said="settled by looking, after an interruption", now=now)
                if outcome == "written":
                    attempts = writes.attempts([vici]).get(vici, (0, ""))[0]
                    writes.look_again(vici, now + self._verify_after, attempts + 1, "written")
            self.tally.resumed = len(open_rows)

    def _look_at_due(self) -> None:
        while True:
            now = self.work.clock()
            with brain_errors(), self.work.brain.begin() as connection:
                writes = CodeWrites(connection, self.instance)
                if self._stopped(connection):
                    return
                due = writes.due(now, self.work.batch)
                if not due:
                    return
                known = writes.attempts(due)
                found = self.lookup.leads(due)
                links = writes.linked(due)
                unsettled = [link for link in links if not self._settled(writes, link, found.get(link.vici_lead_id), known, now)]
                for gone in set(due) - {link.vici_lead_id for link in links}:
                    writes.looked(gone)
            self._batch(unsettled, None, ours=True)

    def _settled(
        self,
        writes: CodeWrites,
        link: Linked,
        found: LeadAtDialer | None,
        known: dict[int, tuple[int, str]],
        now: datetime,
    ) -> bool:
        """Judges the last write by what stands there now; false when the lead needs writing (again)."""
        vici = link.vici_lead_id
        attempts, reason = known[vici]
        if found is None or not is_external_lead_id(link.code):
            writes.judge(vici, "gone", now)
            writes.looked(vici)
            return True
        if found.vendor_lead_code == link.code:
            self.tally.verified += reason == "written"
            writes.judge(vici, "stayed", now)
            # Kept with its attempts: a code that is lost again and again must not be written for ever.
            writes.look_again(vici, now, attempts, "stayed")
            return True
        if reason == "written":
            self.tally.lost += 1
            writes.judge(vici, "replaced" if found.vendor_lead_code else "lost", now)
        # Until it is written anew the row must not be due, or this loop would find it for ever.
        writes.look_again(vici, now + AFTER_A_CALL, attempts, reason)
        return False

    def _batch(self, links: Sequence[Linked], walk: str | None, *, ours: bool = False) -> None:
        """Classifies and writes ``links``; ``walk`` names the walk whose position moves with them. ``ours``: written before."""
        ids = [link.vici_lead_id for link in links]
        found, busy = self.lookup.leads(ids), self.lookup.on_the_phone(ids)
        chosen = frozenset() if ours else self.order.chosen
        classes = {link: classify(link, found.get(link.vici_lead_id), chosen, busy) for link in links}
        if self.order.dry_run:
            self.tally.classes.update(classes.values())
        else:
            self._write(classes, found, walk)
        self.work.on_batch(self.tally.result())

    def _write(self, classes: dict[Linked, CodeClass], found: dict[int, LeadAtDialer], walk: str | None) -> None:
        now, rows, conflicts = self.work.clock(), dict[Linked, tuple[int, int]](), dict[Linked, str]()
        with brain_errors(), self.work.brain.begin() as connection:
            writes = CodeWrites(connection, self.instance)
            attempts = self._attempts(writes, [link.vici_lead_id for link in classes])
            for link, each in classes.items():
                if each is CodeClass.UPDATED and attempts.get(link.vici_lead_id, 0) >= self._most_attempts:
                    classes[link] = CodeClass.GIVEN_UP
                    self._give_up(writes, link, attempts[link.vici_lead_id], now)
                elif each is CodeClass.UPDATED:
                    before = found[link.vici_lead_id].vendor_lead_code
                    attempt = attempts.get(link.vici_lead_id, 0) + 1
                    rows[link] = (
                        writes.intend(link, before, attempt, writer=self._writer.name, trigger=self.order.trigger, now=now),
                        attempt,
                    )
                elif each is CodeClass.IN_CALL:
                    writes.look_again(link.vici_lead_id, now + AFTER_A_CALL, attempts.get(link.vici_lead_id, 0), "in_call")
                elif each is CodeClass.CONFLICT:
                    writes.looked(link.vici_lead_id)
                    conflicts[link] = found[link.vici_lead_id].vendor_lead_code
            ask_about_conflicts(writes, conflicts, now)
        written: dict[Linked, CodeWrite | RetriableError] = {}
        try:
            for link in rows:
                written[link] = self._written(link)
        finally:
            self._finish(classes, rows, written, walk if len(written) == len(rows) else None, max(classes, default=None, key=_id))

    def _written(self, link: Linked) -> CodeWrite | RetriableError:
        """What became of it, or why nobody knows: a dialer that went away may have written the code all the same."""
        try:
            done = self._writer.write_code(link.vici_lead_id, str(link.code))
        except RetriableError as error:
            self.tally.errors_in_a_row += 1
            if self.tally.errors_in_a_row >= _ERRORS_IN_A_ROW:
                raise
            return error
        self.tally.errors_in_a_row = 0
        return done

    def _finish(
        self,
        classes: dict[Linked, CodeClass],
        rows: dict[Linked, tuple[int, int]],
        written: dict[Linked, CodeWrite | RetriableError],
        walk: str | None,
        last: Linked | None,
    ) -> None:
        now, conflicts = self.work.clock(), dict[Linked, str]()
        with brain_errors(), self.work.brain.begin() as connection:
            writes = CodeWrites(connection, self.instance)
            for link, done in written.items():
                row, attempt = rows[link]
                if isinstance(done, RetriableError):
                    # Still "intended": the next run looks before it writes.
                    writes.note(row, str(done))
                    classes[link] = CodeClass.ERROR
                    continue
                writes.finish(row, done.outcome, done.before, done.after, said=done.said, now=now)
                classes[link] = _CLASS_OF[done.outcome]
                if done.outcome == "written":
                    writes.look_again(link.vici_lead_id, now + self._verify_after, attempt, "written")
                elif done.outcome == "conflict":
                    conflicts[link] = done.after or ""
            ask_about_conflicts(writes, conflicts, now)
            if walk is not None and last is not None:
                writes.move(walk, last.vici_lead_id, now)
        left = {link for link in rows if link not in written}
        self.tally.classes.update(each for link, each in classes.items() if link not in left)
        self.tally.classes[CodeClass.ERROR] += len(left)

    def _attempts(self, writes: CodeWrites, ids: list[int]) -> dict[int, int]:
        """Writes so far; those of which a person has decided since begin anew."""
        known = writes.attempts(ids)
        given_up = [vici for vici, (_, reason) in known.items() if reason == "given_up"]
        still = writes.under_review(LOST, given_up) if given_up else set()
        return {vici: 0 if reason == "given_up" and vici not in still else count for vici, (count, reason) in known.items()}

    def _give_up(self, writes: CodeWrites, link: Linked, attempts: int, now: datetime) -> None:
        writes.look_again(link.vici_lead_id, now, attempts, "given_up")
        ask_about_lost(writes, link, attempts, now)

    @property
    def _verify_after(self) -> timedelta:
        return self.work.policy.verify_after if self.work.policy else timedelta(hours=4)

    @property
    def _most_attempts(self) -> int:
        return self.work.policy.most_attempts if self.work.policy else 3

    @property
    def _writer(self) -> CodeWriter:
        if self.work.writer is None:
            raise ConfigurationError(f"{self.instance}: nothing may be written to this dialer")
        return self.work.writer


def _outcome_of(value: str | None, code: str) -> str:
    """What a write that nobody reported came to, by what stands there now; ``None``: the lead is gone."""
    if value is None:
        return "not_found"
    return "written" if value == code else "conflict" if value else "failed"


def _id(link: Linked) -> int:
    return link.vici_lead_id
