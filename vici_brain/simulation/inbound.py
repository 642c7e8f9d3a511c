"""Passages of calls through in-groups: vicidial_closer_log, of callers and of transfers from outbound calls.

Belongs here: queue, talk, and the chain of rows under one uniqueid. Does not: outbound rows (outbound).
"""

import numpy as np

from vici_brain.simulation.calls import ANONYMOUS, CODE, COMMENTS, TERM_REASONS, WITH_ONE, CallRows
from vici_brain.simulation.draws import NEVER, Flags, Ints
from vici_brain.simulation.outbound import give_to_agents, settle
from vici_brain.simulation.outcomes import INBOUND, draw_statuses, talk_seconds
from vici_brain.simulation.profile import DialerProfile

_ABANDON, _TIMEOUT, _CLOSED = (TERM_REASONS.index(reason) for reason in ("ABANDON", "QUEUETIMEOUT", "AFTERHOURS"))
_VDCL = 1


def callers(rows: CallRows, closed: Flags, rng: np.random.Generator, profile: DialerProfile) -> list[CallRows]:
    """Calls from outside: those at night find nobody, the others queue and may be passed on up to twice."""
    odd = profile.behaviours
    luck = rng.random(len(rows))
    strange = odd.anonymous_callers + odd.raw_callers
    rows.phone_form = np.where(luck < odd.anonymous_callers, ANONYMOUS, np.where(luck < strange, WITH_ONE, 0))
    rows.start = rows.dialled.copy()
    first = _queued(rows, rng, profile)
    first = _after_hours(first, closed)
    second = passed_on(first, rng, profile)
    return [first, second, passed_on(second, rng, profile)]


def _queued(rows: CallRows, rng: np.random.Generator, profile: DialerProfile) -> CallRows:
    """One row: QUEUE, then an agent or a caller who gives up."""
    count, odd = len(rows), profile.behaviours
    statuses = draw_statuses(rng, INBOUND, count)
    wait = np.clip(rng.exponential(22.0, count), 1, 600).astype(np.int64)
    rows.campaign = rng.integers(0, len(profile.inbound_groups), count)
    rows.born = rows.start.copy()
    rows.user = np.full(count, _VDCL, dtype=np.int64)
    rows.first = np.full(count, CODE["QUEUE"], dtype=np.int64)
    rows.comment = rows.agent_comment = np.zeros(count, dtype=np.int64)
    rows.queue = wait * 1_000 + rng.integers(0, 100, count) * 10
    rows.agent_at = rows.start + wait
    rows.length = wait + talk_seconds(rng, statuses)
    rows.hangup_at = rows.start + rows.length
    give_to_agents(rows, statuses, rng, odd, profile.agents)
    gave_up, timed_out = statuses == CODE["DROP"], statuses == CODE["TIMEOT"]
    alone = gave_up | timed_out
    rows.length = np.where(alone, wait, rows.length)
    rows.hangup_at = np.where(alone, rows.start + wait, rows.hangup_at)
    rows.on_hangup = np.where(alone, statuses, rows.on_hangup)
    rows.term = np.where(gave_up, _ABANDON, np.where(timed_out, _TIMEOUT, rows.term))
    for moments in (rows.agent_at, rows.dispo_at, rows.edit_at):
        moments[alone] = NEVER
    return rows


def _after_hours(rows: CallRows, closed: Flags) -> CallRows:
    shut = rows.take(closed)
    settle(shut, np.full(len(shut), CODE["AFTHRS"], dtype=np.int64))
    shut.agent_at = shut.dispo_at = shut.edit_at = np.full(len(shut), NEVER, dtype=np.int64)
    shut.queue, shut.length = np.zeros(len(shut), dtype=np.int64), np.full(len(shut), 5, dtype=np.int64)
    shut.term = np.full(len(shut), _CLOSED, dtype=np.int64)
    return CallRows.joined([rows.take(~closed), shut])


def passed_on(rows: CallRows, rng: np.random.Generator, profile: DialerProfile, chosen: Flags | None = None) -> CallRows:
    """A further row under the same uniqueid for calls an agent transfers; the row before it ends as XFER."""
    talked = (rows.agent_at < NEVER) & (rows.hangup_at < NEVER)
    lucky = rng.random(len(rows)) < profile.behaviours.transfers
    moving = talked & (lucky if chosen is None else chosen)
    if chosen is None:
        rows.final = np.where(moving, CODE["XFER"], rows.final)
        rows.on_hangup = np.where(moving, CODE["XFER"], rows.on_hangup)
        rows.edit_at = np.where(moving, NEVER, rows.edit_at)
    onward = rows.take(moving)
    onward.start = onward.hangup_at.copy()
    onward.rewrite_at = np.full(len(onward), NEVER, dtype=np.int64)
    return _queued(onward, rng, profile)


def hand_offs(rows: CallRows, chosen: Flags) -> CallRows:
    """The vicidial_log row that a DIGITID entry writes in the same second, for the same lead, under the same uniqueid."""
    twin = rows.take(chosen)
    never = np.full(len(twin), NEVER, dtype=np.int64)
    xfer: Ints = np.full(len(twin), CODE["XFER"], dtype=np.int64)
    twin.first = twin.on_agent = twin.on_hangup = twin.final = xfer
    twin.agent_at = twin.dispo_at = twin.edit_at = never
    twin.comment = np.full(len(twin), COMMENTS.index("DIGITID"), dtype=np.int64)
    twin.campaign, twin.no_caller_id = np.zeros(len(twin), dtype=np.int64), np.ones(len(twin), dtype=np.int64)
    return twin
