"""Statements and rows of a dialer's leads: pages by primary key, leads by id or by number, live and archived.

Belongs here: what is asked of vicidial_list, vicidial_lists and vicidial_list_archive, and how rows become ``ViciLead``. Does
not: when to ask (flows).

Only lead_id and phone_number are searched for: vendor_lead_code, modify_date and entry_date have no index on a dialer. The
campaign of a lead is that of its list; a stock vicidial_list has no campaign_id, and a list may be unknown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Select, String, Table, cast, func, select

from vici_brain.domain.call_rows import Raw
from vici_brain.domain.lead_import import PROFILE, ViciLead
from vici_brain.domain.lead_text import mended
from vici_brain.errors import ConfigurationError
from vici_brain.vici import schema
from vici_brain.vici.dialer import DialerSession

_BASE = (
    *("lead_id", "phone_number", "phone_code", "list_id", "status", "vendor_lead_code", "called_count"),
    *("last_local_call_time", "entry_date"),
)
_COLUMNS = (*_BASE, *PROFILE)
_TABLES = (schema.vicidial_list, schema.vicidial_list_archive)
_IDS_AT_ONCE = 500
_NEVER_CALLED = 2008
"""The loader writes 2008-01-01 for a lead that was never called."""


@dataclass(frozen=True, slots=True)
class LeadPage:
    """Leads with ``after < lead_id <= until`` (``None``: to the end): all that the dialer has, live or else archived."""

    after: int
    until: int | None
    leads: Sequence[ViciLead]


def page_statement(table: Table, after: int, until: int | None, limit: int) -> Select[*tuple[Any, ...]]:
    """The next ``limit`` leads by primary key."""
    statement = _leads(table).where(table.c.lead_id > after).order_by(table.c.lead_id).limit(limit)
    for dialect in ("mysql", "mariadb"):
        # Where the rest of the table is most of it, the optimiser would rather read and sort all of it than a page of its key.
        statement = statement.with_hint(table, "FORCE INDEX (PRIMARY)", dialect)
    return statement if until is None else statement.where(table.c.lead_id <= until)


def ids_statement(table: Table, ids: Sequence[int]) -> Select[*tuple[Any, ...]]:
    """Leads by id, over the primary key."""
    return _leads(table).where(table.c.lead_id.in_(ids))


def phone_statement(table: Table, phones: Sequence[str]) -> Select[*tuple[Any, ...]]:
    """Leads by number as written, over the index on phone_number."""
    return _leads(table).where(table.c.phone_number.in_(phones))


def require_lead_tables(session: DialerSession) -> None:
    """Raises ConfigurationError with the grants to give where the login may read calls but not leads."""
    if session.is_sqlite:
        return
    try:
        session.fetch(_leads(schema.vicidial_list).where(schema.vicidial_list.c.lead_id == 0))
    except ConfigurationError as error:
        columns = ", ".join(_COLUMNS)
        raise ConfigurationError(
            f"{error}. Leads need more than calls do: GRANT SELECT ({columns}) ON vicidial_list (and on vicidial_list_archive, if"
            " there is one), and GRANT SELECT (list_id, campaign_id) ON vicidial_lists"
        ) from None


def lead_pages(session: DialerSession, after: int = 0, *, rows: int, steps: int | None = None) -> Iterator[LeadPage]:
    """Every lead behind ``after`` in order of lead_id, ``rows`` a page; at most ``steps`` pages. The last page's end is open."""
    done = 0
    while steps is None or done < steps:
        live = _read(session, page_statement(schema.vicidial_list, after, None, rows), archived=False)
        until = live[-1].vici_lead_id if len(live) == rows else None
        yield LeadPage(after, until, _with_archived(session, live, after, until, rows))
        if until is None:
            return
        after, done = until, done + 1


def leads_by_id(session: DialerSession, ids: Sequence[int]) -> list[ViciLead]:
    """The leads of ``ids``, in whatever table they are."""
    found: dict[int, ViciLead] = {}
    for table in _present(session):
        rest = iter([each for each in ids if each not in found])
        while some := list(islice(rest, _IDS_AT_ONCE)):
            found |= {
                lead.vici_lead_id: lead for lead in _read(session, ids_statement(table, some), archived=table is _TABLES[1])
            }
    return list(found.values())


def leads_by_phone(session: DialerSession, phones: Sequence[str]) -> list[ViciLead]:
    """All leads of these numbers, written with or without country code, in whatever table they are."""
    found: dict[int, ViciLead] = {}
    rest = iter(sorted({form for phone in phones for form in _written(phone)}))
    while some := list(islice(rest, _IDS_AT_ONCE)):
        for table in _present(session):
            for lead in _read(session, phone_statement(table, some), archived=table is _TABLES[1]):
                found.setdefault(lead.vici_lead_id, lead)
    return sorted(found.values(), key=lambda lead: lead.vici_lead_id)


def campaigns_of_lists(session: DialerSession) -> list[str]:
    """The campaigns that have a list; the table of lists is small."""
    lists = schema.vicidial_lists
    return sorted(mended(str(row[0])) for row in session.fetch(select(lists.c.campaign_id).distinct()) if row[0])


def absent_campaigns(session: DialerSession, names: Sequence[str], *, shared: bool = False) -> tuple[str, ...]:
    """Those of ``names`` of which this dialer has no list; where they are ``shared`` with other dialers, it need not.

    Otherwise raises ConfigurationError with those that it has: a typing error must not look like no news.
    """
    known = campaigns_of_lists(session)
    absent = sorted({name.strip() for name in names if name.strip().lower() not in {each.lower() for each in known}})
    if absent and not shared:
        has = ", ".join(known) or "none"
        raise ConfigurationError(
            f"{session.dialer.instance}: the dialer has no list of campaign {', '.join(absent)}; it has lists of {has}"
        )
    return tuple(absent)


def newest_lead(session: DialerSession) -> int:
    """The highest lead_id, from the end of the primary key."""
    ((newest,),) = session.fetch(select(func.max(schema.vicidial_list.c.lead_id)))
    return int(str(newest or 0))


def _written(phone: str) -> set[str]:
    digits = "".join(character for character in phone if character in "0123456789")
    national = digits[1:] if len(digits) == 11 and digits.startswith("1") else digits
    return {phone, digits, national, f"1{national}", f"+1{national}", f"+{digits}"} - {"", "1", "+1", "+"}


def _with_archived(session: DialerSession, live: list[ViciLead], after: int, until: int | None, rows: int) -> list[ViciLead]:
    """Adds the archive's leads of the same stretch that are not live: an archive copy may be stale."""
    if _TABLES[1] not in _present(session):
        return live
    known, found = {lead.vici_lead_id for lead in live}, list(live)
    while True:
        page = _read(session, page_statement(_TABLES[1], after, until, rows), archived=True)
        found += [lead for lead in page if lead.vici_lead_id not in known]
        if len(page) < rows:
            return found
        after = page[-1].vici_lead_id


def _present(session: DialerSession) -> list[Table]:
    return [table for table in _TABLES if table.name in session.present]


def _leads(table: Table) -> Select[*tuple[Any, ...]]:
    lists = schema.vicidial_lists
    # As text, so that a zero date or a number out of range is ours to judge and not the driver's to fail on.
    columns = [cast(table.c[name], String) if name not in {"lead_id", "list_id"} else table.c[name] for name in _COLUMNS]
    return select(*columns, lists.c.campaign_id).select_from(table.outerjoin(lists, lists.c.list_id == table.c.list_id))


def _read(session: DialerSession, statement: Select[*tuple[Any, ...]], *, archived: bool) -> list[ViciLead]:
    return [lead_of(row, archived=archived) for row in session.fetch(statement)]


def lead_of(row: Sequence[Raw], *, archived: bool = False) -> ViciLead:
    """One row in the order of the statements above; nothing in it can fail."""
    values = dict(zip((*_COLUMNS, "campaign_id"), row, strict=True))
    texts = {name: mended(str(value)) for name, value in values.items() if value is not None}
    called, count = _moment(texts.get("last_local_call_time")), _count(texts.get("called_count"))
    return ViciLead(
        int(str(values["lead_id"])),
        texts.get("phone_number", ""),
        texts.get("phone_code", ""),
        None if values["list_id"] is None else int(str(values["list_id"])),
        texts.get("campaign_id"),
        texts.get("status", ""),
        texts.get("vendor_lead_code") or None,
        count,
        # A lead that an interface added carries the time of its arrival here, without any call.
        called if called and called.year > _NEVER_CALLED and count else None,
        _moment(texts.get("entry_date")),
        archived,
        {name: texts[name] for name in PROFILE if texts.get(name) and texts[name] != "0000-00-00"},
    )


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text and text >= "1900" else None
    except ValueError:
        return None


def _count(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
