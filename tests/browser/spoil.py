"""Takes a few calls out of Brain behind the ledger's back, so that the browser session has a failed check to look at.

Belongs here: damage to the scratch home of VICI_BRAIN_HOME. Does not: anything a person would run elsewhere; it refuses to.
"""

import sys
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from vici_brain.settings import load_settings

# Beyond the hourly proof's five hours, which would mend it, and within the day that a check looks at by itself.
_HOURS_BACK, _CALLS = 8, 5
_TAKE_OUT = text(
    "DELETE FROM vici_call_logs WHERE (instance, source_table, source_key) IN"
    " (SELECT instance, source_table, source_key FROM vici_call_logs WHERE called_at < :until"
    " ORDER BY called_at DESC LIMIT :calls)"
)


def main() -> None:
    settings = load_settings()
    if not all(dialer.simulated for dialer in settings.dialers):
        sys.exit("only the scratch home of a simulated dialer may be spoilt")
    until = datetime.now(UTC) - timedelta(hours=_HOURS_BACK)
    brain = settings.open_brain()
    with brain.begin() as connection:
        lost = connection.execute(_TAKE_OUT, {"until": until, "calls": _CALLS}).rowcount
    brain.dispose()
    if not lost:
        sys.exit("there was no call to take out")
    print(f"{lost} calls taken out of Brain")  # noqa: T201 - for the session's log


main()
