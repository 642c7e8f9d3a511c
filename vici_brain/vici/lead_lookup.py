"""What a dialer knows of leads that are to be written: their code and campaign, whether they are on the phone, who forbade calls.

Belongs here: these reads, all by primary key or by an index, at most 500 leads a statement. Does not: verdicts (domain) or
writing.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Select, String, cast, select

from vici_brain.domain.recent_calls import listed_forms
from vici_brain.domain.vendor_codes import LeadAtDialer
from vici_brain.errors import ConfigurationError
from vici_brain.vici import schema
from vici_brain.vici.dialer import DialerSession

MOST = 500
_LEADS, _LISTS = schema.vicidial_list, schema.vicidial_lists
_AGENTS, _HOPPER = schema.vicidial_live_agents, schema.vicidial_hopper
_CAMPAIGNS = schema.vicidial_campaigns
_BEING_DIALLED = ("QUEUE", "INCALL", "RQUEUE")


class LeadLookup:
    """Questions to one verified session."""

    def __init__(self, session: DialerSession) -> None:
        self._session = session

    def leads(self, ids: Sequence[int]) -> dict[int, LeadAtDialer]:
        """By lead_id; a lead that was deleted or archived is not in it."""
        self._need("vicidial_lists")
        columns = (_LEADS.c.lead_id, _LEADS.c.vendor_lead_code, _LEADS.c.list_id, _LISTS.c.campaign_id)
        phones = (_LEADS.c.phone_code, _LEADS.c.phone_number)
        joined = _LEADS.outerjoin(_LISTS, _LEADS.c.list_id == _LISTS.c.list_id)
        found = {}
        for row in self._rows(select(*columns, *phones).select_from(joined), _LEADS.c.lead_id, ids):
            lead, code, list_id, campaign, phone_code, number = row
            found[int(lead)] = LeadAtDialer(int(lead), (code or "").strip(), int(list_id), campaign, phone_code, number)
        return found

    def on_the_phone(self, ids: Sequence[int]) -> set[int]:
        """Those of ``ids`` that an agent has on screen, or that are being dialled."""
        self._need("vicidial_live_agents", "vicidial_hopper")
        dialled = select(_HOPPER.c.lead_id).where(cast(_HOPPER.c.status, String(10)).in_(_BEING_DIALLED))
        found = {int(lead) for (lead,) in self._rows(select(_AGENTS.c.lead_id), _AGENTS.c.lead_id, ids)}
        return found | {int(lead) for (lead,) in self._rows(dialled, _HOPPER.c.lead_id, ids)}

    def other_numbers(self, ids: Sequence[int]) -> dict[int, set[tuple[str | None, str]]]:
        """``(phone_code, number)`` of every number under which a lead may be dialled: its own, its second, its further ones."""
        found: dict[int, set[tuple[str | None, str]]] = {}
        columns = (_LEADS.c.lead_id, _LEADS.c.phone_code, _LEADS.c.phone_number, _LEADS.c.alt_phone, _LEADS.c.address3)
        for lead, code, *numbers in self._rows(select(*columns), _LEADS.c.lead_id, ids):
            found.setdefault(int(lead), set()).update((code, number) for number in numbers if number)
        more = schema.vicidial_list_alt_phones
        if more.name in self._session.present:
            for lead, code, number in self._rows(
                select(more.c.lead_id, more.c.phone_code, more.c.phone_number), more.c.lead_id, ids
            ):
                found.setdefault(int(lead), set()).add((code, number or ""))
        return found

    def require_list(self, list_id: int, campaign_id: str) -> None:
        """Raises ConfigurationError where another campaign, under other rules, would call a lead on this list, or none would."""
        self._need("vicidial_lists")
        rows = self._session.fetch(select(_LISTS.c.campaign_id).where(_LISTS.c.list_id == list_id))
        found = str(rows[0][0] or "").strip() if rows else None
        if found is None or found.lower() != campaign_id.strip().lower():
            is_of = "there is no such list" if found is None else f"it is of campaign {found or '(none)'}"
            raise ConfigurationError(
                f"{self._session.dialer.instance}: leads are to be pushed to list {list_id} of campaign {campaign_id}, but "
                f"{is_of}: correct list_id or campaign_id in [dialers.write_back.push]"
            )

    def do_not_call(self, campaign_id: str, numbers: Collection[str]) -> dict[str, str]:
        """Which of ``numbers`` (national form) the campaign must not call, with the list that says so.

        The campaign decides which lists count, and whether whole area codes do: Y, AREACODE or N for each.
        """
        self._need("vicidial_campaigns", "vicidial_dnc", "vicidial_campaign_dnc")
        internal, own, other = self._rules(campaign_id)
        forbidden: dict[str, str] = {}
        if own != "N":
            table = schema.vicidial_campaign_dnc
            of = other or campaign_id
            listed = select(table.c.phone_number).where(table.c.campaign_id == of)
            forbidden |= self._listed(listed, table.c.phone_number, numbers, own, f"vicidial_campaign_dnc of {of}")
        if internal != "N":
            column = schema.vicidial_dnc.c.phone_number
            forbidden |= self._listed(select(column), column, numbers, internal, "vicidial_dnc")
        return forbidden

    def _rules(self, campaign_id: str) -> tuple[str, str, str]:
        columns = (_CAMPAIGNS.c.use_internal_dnc, _CAMPAIGNS.c.use_campaign_dnc, _CAMPAIGNS.c.use_other_campaign_dnc)
        texts = [cast(column, String(10)) for column in columns]
        rows = self._session.fetch(select(*texts).where(_CAMPAIGNS.c.campaign_id == campaign_id))
        if not rows:
            raise ConfigurationError(f"{self._session.dialer.instance}: there is no campaign {campaign_id!r} to push leads to")
        internal, own, other = (str(each or "") for each in rows[0])
        return internal or "N", own or "N", other

    def _listed(self, query: Select[Any], column: Any, numbers: Collection[str], rule: str, where: str) -> dict[str, str]:
        holders: dict[str, list[str]] = {}
        for number in numbers:
            for form in listed_forms(number, wildcards=rule == "AREACODE"):
                holders.setdefault(form, []).append(number)
        found: dict[str, str] = {}
        for (form,) in self._rows(query, column, sorted(holders)):
            # The dialer compares without case, so a wildcard may be stored with small letters.
            found |= dict.fromkeys(holders.get(str(form).strip().upper(), ()), f"{form} is in {where}")
        return found

    def _rows(self, query: Select[Any], column: Any, values: Sequence[Any]) -> Iterator[Sequence[Any]]:
        for piece in (values[start : start + MOST] for start in range(0, len(values), MOST)):
            yield from self._session.fetch(query.where(column.in_(piece)))

    def _need(self, *tables: str) -> None:
        missing = [name for name in tables if name not in self._session.present]
        if missing:
            raise ConfigurationError(
                f"{self._session.dialer.instance}: {', '.join(missing)} cannot be read, so nothing is known of calls in "
                "progress or of numbers that must not be called: see the GRANTs of the write-back in the README"
            )
