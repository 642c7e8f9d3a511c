"""Which of a dialer's leads are read: all, those of a trial, one number, or what may have changed.

Belongs here: the order of pages, and the cursor that each moves. Does not: statements (vici/lead_reader) or landing
(import_leads).

A dialer tells nobody what changed: modify_date has no index and is frozen on some. What may have changed is what is new, what was
called, and, a step at a time, everything.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from vici_brain.brain.lead_mirror import LeadCursor, LeadMirror, Stretch
from vici_brain.domain.lead_import import ViciLead
from vici_brain.vici import lead_reader
from vici_brain.vici.dialer import DialerSession

_IDS = 5_000
# Calls land minutes after they were made, and their leads learn of them a little later.
_SLACK = timedelta(hours=1)
_FIRST = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LeadScope:
    """What is read: everything, or the first ``limit`` leads of the campaigns, or one ``phone``, or (``changes``) what is new."""

    changes: bool = False
    limit: int | None = None
    phone: str | None = None
    sweep_rows: int = 5_000

    @property
    def is_open(self) -> bool:
        return self.limit is None and self.phone is None

    @property
    def is_whole(self) -> bool:
        return self.is_open and not self.changes


@dataclass(frozen=True, slots=True)
class LeadsRead:
    """One page, what it covers whole, and where the cursor stands after it (``None``: where it stood)."""

    leads: Sequence[ViciLead]
    covered: Stretch
    cursor: LeadCursor | None
    newest: int
    total: int | None = None


def read_leads(
    session: DialerSession, mirror: LeadMirror, scope: LeadScope, chosen: Collection[str], now: datetime
) -> Iterator[LeadsRead]:
    """The pages of ``scope``; ``chosen`` are the campaigns, in lower case, among which a trial counts."""
    if scope.phone is not None:
        leads = lead_reader.leads_by_phone(session, [scope.phone])
        yield LeadsRead(leads, Stretch(), None, len(leads), len(leads))
    elif scope.limit is not None:
        yield from _trial(session, scope.limit, chosen)
    elif scope.changes:
        yield from _changes(session, mirror, scope, now)
    else:
        yield from _everything(session, mirror.cursor(), now)


def _everything(session: DialerSession, cursor: LeadCursor, now: datetime) -> Iterator[LeadsRead]:
    total = lead_reader.newest_lead(session)
    for page in lead_reader.lead_pages(session, rows=session.dialer.policy.page_rows):
        newest = max([cursor.newest, *(lead.vici_lead_id for lead in page.leads)])
        done = page.until is None
        cursor = replace(
            cursor, newest=newest, swept_to=page.until or 0, **({"calls_to": now, "complete_at": now} if done else {})
        )
        yield LeadsRead(page.leads, Stretch(page.after, page.until), cursor, newest, total)


def _trial(session: DialerSession, limit: int, chosen: Collection[str]) -> Iterator[LeadsRead]:
    """The first leads of the campaigns, and the other leads of their numbers: half a number would be merged wrongly."""
    found: list[ViciLead] = []
    for page in lead_reader.lead_pages(session, rows=session.dialer.policy.page_rows):
        found += [lead for lead in page.leads if (lead.campaign_id or "").lower() in chosen]
        if len(found) >= limit:
            break
    found = found[:limit]
    known = {lead.vici_lead_id for lead in found}
    same = lead_reader.leads_by_phone(session, [lead.phone_number for lead in found if lead.phone_key])
    leads = [*found, *(lead for lead in same if lead.vici_lead_id not in known)]
    yield LeadsRead(leads, Stretch(), None, len(leads), len(leads))


def _changes(session: DialerSession, mirror: LeadMirror, scope: LeadScope, now: datetime) -> Iterator[LeadsRead]:
    cursor, total = mirror.cursor(), lead_reader.newest_lead(session)
    for page in lead_reader.lead_pages(session, cursor.newest, rows=session.dialer.policy.page_rows):
        cursor = replace(cursor, newest=max([cursor.newest, *(lead.vici_lead_id for lead in page.leads)]))
        yield LeadsRead(page.leads, Stretch(), cursor, cursor.newest, total)
    called = mirror.called_since((cursor.calls_to or now - _FIRST) - _SLACK)
    for start in range(0, len(called), _IDS):
        ids = called[start : start + _IDS]
        yield LeadsRead(lead_reader.leads_by_id(session, ids), Stretch(ids=tuple(ids)), None, cursor.newest, total)
    for page in lead_reader.lead_pages(session, cursor.swept_to, rows=scope.sweep_rows, steps=1):
        cursor = replace(cursor, calls_to=now, swept_to=page.until or 0, complete_at=cursor.complete_at if page.until else now)
        yield LeadsRead(page.leads, Stretch(page.after, page.until), cursor, cursor.newest, total)
