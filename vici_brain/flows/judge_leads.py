"""Whether leads may be called now: evidence from Brain's calls and the dialer's lists, and the verdict on each.

Belongs here: gathering. Does not: the rule (domain/recent_calls), nor what follows from a verdict.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from vici_brain.brain.lead_pushes import Candidate, LeadPushes
from vici_brain.brain.recent_calls import Subject, newest_calls, uncovered
from vici_brain.brain.restrictions import forbidden_leads
from vici_brain.domain.identifiers import normalised_phone
from vici_brain.domain.recent_calls import Evidence, LastCall, Verdict, judge, national_number
from vici_brain.vici.call_reader import CALL_TABLES
from vici_brain.vici.lead_lookup import LeadLookup


@dataclass(frozen=True, slots=True)
class Rules:
    """Whose calls count (every dialer that is configured), and whose lists: those of the campaign that would call."""

    instances: Sequence[str]
    campaign_id: str
    phone_code: str
    fresh: timedelta = timedelta(minutes=15)
    """How much of the newest history may still be on its way."""


def judge_leads(
    connection: Connection, lookup: LeadLookup, instance: str, leads: Sequence[Candidate], rules: Rules, *, now: datetime
) -> dict[int, tuple[Verdict, LastCall | None]]:
    """A verdict for each lead, with the call that it rests on; nothing is written."""
    numbers = _numbers(LeadPushes(connection, instance), lookup, leads)
    calls = newest_calls(connection, [Subject(lead, keys) for lead, keys in numbers.items()], now)
    holes = uncovered(connection, rules.instances, [table.name for table in CALL_TABLES], now, fresh=rules.fresh)
    sticky = forbidden_leads(connection, [each.lead_id for each in leads])
    nationals = {key: national_number(key, rules.phone_code) for keys in numbers.values() for key in keys}
    listed = lookup.do_not_call(rules.campaign_id, sorted(set(nationals.values())))
    verdicts = {}
    for lead, keys in numbers.items():
        forbidden = [listed[nationals[key]] for key in sorted(keys) if nationals[key] in listed]
        why = (*([sticky[lead]] if lead in sticky else ()), *forbidden)
        verdicts[lead] = (judge(Evidence(calls.get(lead), why, holes), now), calls.get(lead))
    return verdicts


def _numbers(pushes: LeadPushes, lookup: LeadLookup, leads: Sequence[Candidate]) -> Mapping[int, set[str]]:
    """Phone keys of each lead: its own, and every number that the dialer has of the leads linked to it."""
    links = pushes.links_of([each.lead_id for each in leads])
    others = lookup.other_numbers([vici for ids in links.values() for vici in ids])
    numbers = {each.lead_id: {each.phone_key} if each.phone_key else set() for each in leads}
    for lead, ids in links.items():
        keys = (normalised_phone(code, number) for vici in ids for code, number in others.get(vici, ()))
        numbers[lead].update(key for key in keys if key is not None)
    return numbers
