"""The traps of facts/vicidial.md §12 that concern reading, as things that happen to a dialer while schedules run.

Belongs here: what the dialer does, and when. Does not: verdicts; the same scenes are played to our replication, which must come
out equal, and to the design that it replaced, which must not (that keeps the scenes honest).
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from builders import minutes, outbound_row
from dialer_site import Site, inbound_row

from vici_brain.vici.schema import vicidial_log

Scene = Callable[[Site], None]


def plain_calls(site: Site) -> None:
    """No trap: finished rows that come in time and are never touched again."""
    for minute in (1.0, 2.5, 7.0, 12.2):
        site.skip_until(minute) if minute < 6 else site.run_until(minute)
        site.call(minute)
    site.run_until(21)


def distinct_calls_of_one_second(site: Site) -> None:
    """Trap 1: two outbound calls and one inbound passage, same lead, same second."""
    site.call(2, "1749571320.1")
    site.call(2, "1749571320.9", status="AB")
    site.exchange.put("vicidial_closer_log", inbound_row(site.at(2), 1, uniqueid="1749571320.1"))
    site.run_until(11)


def status_that_settles_hours_later(site: Site) -> None:
    """Trap 2: PU at first sight, INCALL seconds later, DISPO after five minutes, SALE after 3 h 50."""
    key = site.call(0.9, "1749571254.7", status="PU", end_epoch=None, length_in_sec=None)
    site.run_until(6.5)
    site.change(key, status="INCALL", user="6001")
    site.run_until(11.5)
    site.change(key, status="DISPO", end_epoch=1749571900, length_in_sec=646, term_reason="CALLER")
    site.run_until(16)
    site.skip_until(230)
    site.change(key, status="SALE")
    site.run_until(246)


def rows_that_come_late(site: Site) -> None:
    """Trap 3: a row dated at its dial becomes visible after its window was read; the audit's comes 7 minutes late."""
    site.run_until(6.2)
    site.call(5 - 70 / 60, "1749571430.3", status="AB", end_epoch=1749571430, length_in_sec=0)
    site.run_until(21.5)
    site.call(14.5, "1749572070.3", comments="AUTONA")
    site.run_until(31)


def key_that_is_rewritten(site: Site) -> None:
    """Trap 4: the agent's hang-up changes uniqueid within the same second."""
    key = site.call(3, "1749571380.12", status="INCALL", user="6001", end_epoch=None, length_in_sec=None)
    site.run_until(6.5)
    site.change(key, uniqueid="1749571380.15", status="SALE", end_epoch=1749571590, length_in_sec=210)
    site.run_until(16)


def twin_that_is_cleaned_up(site: Site) -> None:
    """Trap 5: both ends of a Local channel are logged, the second a second later; the hourly cleanup deletes the later row."""
    site.call(2, "1749571320.4", end_epoch=1749571350)
    site.call(2 + 1 / 60, "1749571320.5", end_epoch=1749571350)
    site.run_until(6)
    site.skip_until(33)
    site.remove("1749571320.5")
    site.run_until(66)


def archive_with_stale_copies(site: Site) -> None:
    """Trap 6: everything is copied, the live rows go on changing, and then old ones are deleted from the live table."""
    for minute in (1, 2, 3):
        site.call(minute, f"174957{1200 + 60 * minute}.1", status="PU")
    site.run_until(6.5)
    site.run("INSERT IGNORE INTO vicidial_log_archive SELECT * FROM vicidial_log")
    site.change("1749571260.1", status="SALE")
    site.change("1749571380.1", status="NI")
    site.run_until(11)
    site.skip_until(60)
    site.archive(site.at(2.5))
    site.run_until(71)
    site.system.hourly()


def archive_that_wipes(site: Site) -> None:
    """Trap 6, variant: the live table is emptied right after copying, a call that nobody read yet with it."""
    for minute in (1, 2):
        site.call(minute, f"174957{1200 + 60 * minute}.1", status="NI")
    site.run_until(6.5)
    site.call(6.6, "1749571596.1")
    site.archive(site.at(1000))
    site.call(7, "1749571620.1")
    site.run_until(16)


def inbound_chain(site: Site) -> None:
    """Trap 8: one call passes two in-groups; each passage is a row with the same uniqueid."""
    call = {"uniqueid": "1749571320.1", "user": "VDCL"}
    site.call(2, "1749571320.1", status="XFER")
    site.exchange.put(
        "vicidial_closer_log",
        inbound_row(site.at(2), 1, **call, status="QUEUE"),
        inbound_row(site.at(3), 2, **call, status="QUEUE", campaign_id="SUPPORT"),
    )
    site.run_until(6.5)
    site.run("UPDATE vicidial_closer_log SET status = 'SALE', lead_id = 77 WHERE closecallid = 2")
    site.run_until(16)


def more_rows_than_a_page(site: Site) -> None:
    """Bonus: an aggressive campaign writes more than 5,000 rows into one window."""
    at = site.at(2)
    site.exchange.put(
        "vicidial_log",
        *(outbound_row(at + minutes(n / 3000), f"1749571320.{n}", site.zone, lead_id=n) for n in range(5_300)),
    )
    site.run_until(11)


def outage_of_11_minutes(site: Site) -> None:
    """One minute longer than the replaced design looks back."""
    site.call(1, "1749571260.1")
    site.run_until(6)
    site.call(6.5, "1749571590.1")
    site.skip_until(17.9)
    site.run_until(31)


def _outage(site: Site, length: timedelta) -> None:
    """Calls just after it began and while it lasts; a call from before gets its outcome meanwhile."""
    key = site.call(1, "1749571260.1", status="PU")
    site.run_until(6)
    end = 6 + length / minutes(1)
    site.call(6.5, "1749571590.1")
    site.call(end / 2)
    site.skip_until(end)
    site.change(key, status="SALE")
    site.call(end - 1)
    site.run_until(end + 11)


def outage_of_37_minutes(site: Site) -> None:
    """Longer than the half hour that a tick proves again."""
    _outage(site, timedelta(minutes=37))


def outage_of_6_hours(site: Site) -> None:
    """Longer than the five hours that are proven every hour."""
    _outage(site, timedelta(hours=6))


def outage_of_8_days(site: Site) -> None:
    """Longer than the two days that are proven every night, and than a week."""
    _outage(site, timedelta(days=8))


def replica_that_is_400_seconds_behind(site: Site) -> None:
    """Every row shows itself 400 seconds after its time, so that the newest window is always empty."""
    for minute in (2.0, 4.5, 8.0, 12.5):
        site.run_until(minute + 400 / 60)
        site.call(minute)
    site.run_until(31)


def call_that_is_committed_late(site: Site) -> None:
    """InnoDB: a row with an early call_date becomes visible after later rows of its window were read."""
    site.run("ALTER TABLE vicidial_log ENGINE = InnoDB")
    with site.exchange.engine.connect() as writer:
        writer.execute(vicidial_log.insert(), [outbound_row(site.at(2), "1749571320.1", site.zone)])
        site.call(4.5)
        site.run_until(11)
        writer.commit()
    site.run_until(21)


def hour_that_comes_twice(site: Site) -> None:
    """Trap 7: one lead is called at 01:30 and, after the clocks were put back, at 01:30 again."""
    site.start = site.now = datetime(2025, 11, 2, 5, 25, tzinfo=UTC)
    site.call(5, "1762061400.1", lead_id=7)
    site.run_until(11)
    site.skip_until(60)
    site.call(65, "1762065000.1", lead_id=7, status="SALE")
    site.run_until(71)


TRAPS: tuple[Scene, ...] = (
    distinct_calls_of_one_second,
    status_that_settles_hours_later,
    rows_that_come_late,
    key_that_is_rewritten,
    twin_that_is_cleaned_up,
    archive_with_stale_copies,
    archive_that_wipes,
    inbound_chain,
    more_rows_than_a_page,
    outage_of_11_minutes,
    outage_of_37_minutes,
    outage_of_6_hours,
    outage_of_8_days,
    replica_that_is_400_seconds_behind,
    call_that_is_committed_late,
    hour_that_comes_twice,
)
