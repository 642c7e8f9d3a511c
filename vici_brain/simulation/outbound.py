"""Outbound calls of a day: each attempt takes one of the paths by which ViciDial writes vicidial_log.

Belongs here: the order of a row's life (answer, agent, hang-up, disposition) on each path. Does not: dirty values and
nightly jobs, which meet every table alike (plan).
"""

import numpy as np

from vici_brain.simulation.calls import CODE, COMMENTS, MAIN, PREPROCESS, TERM_REASONS, CallRows
from vici_brain.simulation.draws import NEVER, Flags, Ints
from vici_brain.simulation.outcomes import AUTO, MANUAL, draw_statuses, edit_delays, talk_seconds, wrap_up_seconds
from vici_brain.simulation.outcomes import EDITED_TO as _EDITED_TO
from vici_brain.simulation.profile import Behaviours

_CARRIER = [CODE[status] for status in ("AB", "ADC", "ADCT", "PDROP")]
_CALLER, _AGENT, _ABANDON = (TERM_REASONS.index(reason) for reason in ("CALLER", "AGENT", "ABANDON"))


def _all(rows: CallRows, status: str) -> Ints:
    return np.full(len(rows), CODE[status], dtype=np.int64)


def settle(rows: CallRows, statuses: Ints) -> None:
    """The row is finished when it appears and keeps its first status."""
    rows.first = rows.on_agent = rows.on_hangup = rows.final = statuses
    rows.hangup_at = rows.born.copy()


def _carrier_refusals(rows: CallRows, statuses: Ints, rng: np.random.Generator) -> CallRows:
    """Busy, disconnected, dead before routing: dated at the dial, but written only at hang-up."""
    rows.start = rows.dialled.copy()
    ring = np.where(statuses == CODE["ADC"], rng.integers(1, 9, len(rows)), rng.integers(3, 46, len(rows)))
    rows.born = rows.dialled + ring
    settle(rows, statuses)
    return rows


def _no_answers(rows: CallRows, rng: np.random.Generator, odd: Behaviours) -> CallRows:
    """Ring without answer: dated and written when the dialer's loop notices; the audit finds some minutes later."""
    rows.start = rows.dialled + 26 + rng.integers(0, 4, len(rows))
    late = rng.random(len(rows)) < odd.late_no_answers
    rows.born = rows.start + np.where(late, rng.integers(240, 421, len(rows)), 0)
    rows.comment = np.where(late, COMMENTS.index("AUTONA"), 0)
    settle(rows, _all(rows, "NA"))
    return rows


def _machines(rows: CallRows, rng: np.random.Generator, odd: Behaviours) -> CallRows:
    """Answering machines: PU, then AA; or, if the row was not there yet, one that comes finished with its end ahead."""
    statuses = _all(rows, "AA")
    late = rng.random(len(rows)) < odd.late_machines
    answered = rows.dialled + rng.integers(6, 19, len(rows))
    detected = answered + rng.integers(2, 5, len(rows))
    rows.length = np.where(late, 3, talk_seconds(rng, statuses))
    rows.start = np.where(late, detected, answered)
    rows.born = rows.start.copy()
    rows.first = np.where(late, statuses, CODE["PU"])
    rows.on_agent = rows.on_hangup = rows.final = statuses
    rows.agent_at = np.where(late, NEVER, detected)
    rows.hangup_at = np.where(late, rows.born, answered + rows.length)
    rows.comment = np.where(late, 0, PREPROCESS + rng.integers(20, 900, len(rows)))
    rows.agent_comment = rows.comment
    return rows


def give_to_agents(rows: CallRows, statuses: Ints, rng: np.random.Generator, odd: Behaviours, agents: int) -> None:
    """From the agent's INCALL on: hang-up, disposition, and for some a crash or an edit weeks later."""
    count = len(rows)
    rows.on_agent, rows.on_hangup, rows.final = _all(rows, "INCALL"), _all(rows, "DISPO"), statuses
    rows.agent = 2 + rng.integers(0, agents, count)
    rows.term = np.where(rng.random(count) < 0.55, _CALLER, _AGENT)
    rows.dispo_at = rows.hangup_at + wrap_up_seconds(rng, count, odd.slow_dispositions)
    edited = rng.random(count) < odd.late_edits
    rows.edit_at = np.where(edited, rows.dispo_at + edit_delays(rng, count), NEVER)
    rows.edited = np.array(_EDITED_TO, dtype=np.int64)[rng.integers(0, len(_EDITED_TO), count)]
    stuck = rng.random(count) < odd.stuck_calls
    for moments in (rows.hangup_at, rows.dispo_at, rows.edit_at):
        moments[stuck] = NEVER


def _answered(rows: CallRows, statuses: Ints, rng: np.random.Generator, odd: Behaviours, agents: int) -> list[CallRows]:
    rows.start = rows.dialled + rng.integers(6, 19, len(rows))
    rows.born = rows.start.copy()
    rows.length = talk_seconds(rng, statuses)
    rows.hangup_at = rows.start + rows.length
    rows.agent_at = rows.start + rng.integers(1, 5, len(rows))
    rows.first = _all(rows, "PU")
    rows.comment = PREPROCESS + rng.integers(20, 900, len(rows))
    rows.agent_comment = np.full(len(rows), COMMENTS.index("AUTO"), dtype=np.int64)
    give_to_agents(rows, statuses, rng, odd, agents)
    dropped = statuses == CODE["DROP"]
    for moments in (rows.agent_at, rows.dispo_at, rows.edit_at):
        moments[dropped] = NEVER
    rows.on_hangup = np.where(dropped, statuses, rows.on_hangup)
    rows.term = np.where(dropped, _ABANDON, rows.term)
    twins = (rng.random(len(rows)) < odd.local_twins) & (rows.hangup_at < NEVER)
    return [rows, _twins(rows.take(twins))]


def _twins(rows: CallRows) -> CallRows:
    """The other end of a Local channel: the same call once more, until the cleanup at :33 takes the later row."""
    rows.id_number += 1
    rows.agent_at = rows.dispo_at = rows.edit_at = np.full(len(rows), NEVER, dtype=np.int64)
    rows.on_hangup = rows.final = _all(rows, "PU")
    rows.deleted_at = -(-(rows.hangup_at + 600 - 1_980) // 3_600) * 3_600 + 1_980
    rows.no_caller_id[:] = 1
    return rows


def _manual(rows: CallRows, rng: np.random.Generator, odd: Behaviours, agents: int) -> CallRows:
    """Dialled by an agent: INCALL from the start; the key may change at hang-up, or the row come only then or later."""
    count, statuses = len(rows), draw_statuses(rng, MANUAL, len(rows))
    rows.start = rows.dialled + rng.integers(1, 4, count)
    rows.born = rows.start.copy()
    rows.length = talk_seconds(rng, statuses) + rng.integers(4, 20, count)
    rows.hangup_at = rows.start + rows.length
    rows.first = _all(rows, "INCALL")
    rows.comment = rows.agent_comment = np.full(count, COMMENTS.index("MANUAL"), dtype=np.int64)
    rows.manual[:] = 1
    rows.alt = np.where(rows.alt == 0, MAIN, rows.alt)
    give_to_agents(rows, statuses, rng, odd, agents)
    rows.user = rows.agent
    luck, talked = rng.random(count), rows.hangup_at < NEVER
    fake = (luck < odd.fake_ids) & talked
    missed = ~fake & (luck < odd.fake_ids + odd.missed_starts) & talked
    _appear_late(rows, fake, missed, statuses)
    rewritten = (rng.random(count) < odd.key_rewrites) & talked & ~fake & ~missed
    rows.rewrite_at = np.where(rewritten, rows.hangup_at, NEVER)
    return rows


def _appear_late(rows: CallRows, fake: Flags, missed: Flags, statuses: Ints) -> None:
    """Rows that the agent's screen makes up: at disposition under an invented key, or at hang-up as DONEM."""
    late = fake | missed
    rows.born = np.where(fake, rows.dispo_at, np.where(missed, rows.hangup_at, rows.born))
    rows.start = np.where(late, rows.born, rows.start)
    rows.id_epoch = np.where(fake, rows.born, rows.id_epoch)
    rows.length = np.where(late, 0, rows.length)
    rows.hangup_at = np.where(late, rows.born, rows.hangup_at)
    rows.on_hangup = np.where(fake, statuses, np.where(missed, CODE["DONEM"], rows.on_hangup))
    rows.first = np.where(late, rows.on_hangup, rows.first)
    rows.fake_id = fake.astype(np.int64)
    rows.no_caller_id = np.maximum(rows.no_caller_id, rows.fake_id)


def outbound_calls(attempts: CallRows, manual: Flags, rng: np.random.Generator, odd: Behaviours, agents: int) -> CallRows:
    """What vicidial_log will hold of these attempts, of which ``manual`` ones are dialled by agents."""
    auto = attempts.take(~manual)
    statuses = draw_statuses(rng, AUTO, len(auto))
    refused, silent, machine = np.isin(statuses, _CARRIER), statuses == CODE["NA"], statuses == CODE["AA"]
    talked = ~(refused | silent | machine)
    return CallRows.joined(
        [
            _carrier_refusals(auto.take(refused), statuses[refused], rng),
            _no_answers(auto.take(silent), rng, odd),
            _machines(auto.take(machine), rng, odd),
            *_answered(auto.take(talked), statuses[talked], rng, odd, agents),
            _manual(attempts.take(manual), rng, odd, agents),
        ]
    )
