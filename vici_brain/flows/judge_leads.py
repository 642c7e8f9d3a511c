"""Whether leads may be called now: evidence from Brain's calls and the dialer's lists, and the verdict on each.

Belongs here: gathering. Does not: the rule (domain/recent_calls), nor what follows from a verdict.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from vici_brain.brain.lead_pushes import Candidate, LeadPushes
from vici_brain.brain.recent_calls import Subject, forbidding_calls, newest_calls, uncovered
from vici_brain.brain.restrictions import forbidden_leads, forbidden_numbers
from vici_brain.domain.identifiers import normalised_phone
from vici_brain.domain.recent_calls import Evidence, LastCall, Verdict, judge, national_number
from vici_brain.vici.call_tables import CALL_TABLES
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
    subjects = [Subject(lead, keys) for lead, keys in numbers.items()]
    calls, said = newest_calls(connection, subjects, now), forbidding_calls(connection, subjects)
    holes = uncovered(connection, rules.instances, [table.name for table in CALL_TABLES], now, fresh=rules.fresh)
    sticky = forbidden_leads(connection, [each.lead_id for each in leads])
    kept = forbidden_numbers(connection, {key for keys in numbers.values() for key in keys})
    nationals = {key: national_number(key, rules.phone_code) for keys in numbers.values() for key in keys}
    listed = lookup.do_not_call(rules.campaign_id, sorted(set(nationals.values())))
    verdicts = {}
    for lead, keys in numbers.items():
        forbidden = [listed[nationals[key]] for key in sorted(keys) if nationals[key] in listed]
        before = [kept[key] for key in sorted(keys) if key in kept]
        why = tuple(each for each in (sticky.get(lead), *before, *forbidden, said.get(lead)) if each is not None)
        verdicts[lead] = (judge(Evidence(calls.get(lead), why, holes), now), calls.get(lead))
    return verdicts


def _numbers(pushes: LeadPushes, lookup: LeadLookup, leads: Sequence[Candidate]) -> Mapping[int, set[str]]:
    """Phone keys of each lead: its own, and every number of the dialer's leads that have that or are linked to it.

    What the mirror says counts beside what the dialer says now: an archived lead was called too.
    """
    kin = pushes.at_dialer(leads)
    others = lookup.other_numbers(sorted({each.vici_lead_id for of in kin.values() for each in of}))
    numbers = {each.lead_id: {each.phone_key} if each.phone_key else set() for each in leads}
    for lead, of in kin.items():
        said = [pair for each in of for pair in (*each.numbers, *others.get(each.vici_lead_id, ()))]
        keys = (normalised_phone(code, number) for code, number in said)
        numbers[lead].update(key for key in keys if key is not None)
    return numbers
