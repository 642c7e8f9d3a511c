"""What `vici-brain status` adds up is what the dialer has: purged orphans are calls too."""

from datetime import timedelta

from reported_days import DAY, local, put_calls
from sqlalchemy import Engine, text

from vici_brain.brain.overview import Overview

PURGE = """
    INSERT INTO orphan_purges (instance, mode, trigger, actor, acted_at, cutoff, calls, exported_calls, first_called_at,
        last_called_at, file, sha256)
    VALUES ('vici', 'purged', 't', 'a', now(), now(), 3, 3, now(), now(), 'f', 's')
"""
MOVE = """
    WITH moved AS (DELETE FROM vici_call_logs WHERE lead_id IS NULL RETURNING *)
    INSERT INTO purged_orphan_calls SELECT 1, moved.* FROM moved
"""


def test_purged_orphans_stay_in_every_count(brain: Engine) -> None:
    put_calls(brain, local(DAY, 10), 5)
    put_calls(brain, local(DAY, 11), 3, rule=None, status="DROP", campaign="WIND")
    overview, now = Overview(brain), local(DAY, 12)
    before = overview.of_instance("vici", "America/New_York", now, days=2)
    with brain.begin() as connection:
        connection.execute(text(PURGE))
        connection.execute(text(MOVE))
    after = overview.of_instance("vici", "America/New_York", now, days=2)
    assert [(day.calls, day.matched, day.orphaned) for day in after.days] == [(8, 5, 3)]
    assert (after.days, after.campaigns, after.statuses) == (before.days, before.campaigns, before.statuses)
    assert after.campaigns == {"SOLAR": 5, "WIND": 3}
    assert overview.calls_by_rule("vici") == {"phone": 5, "orphan": 3}
    assert (before.orphan_backlog, after.orphan_backlog) == (3, 0)
    assert overview.of_instance("vici", "America/New_York", now + timedelta(days=9), days=2).days == ()
