"""Whether a dialer's clock and time zone can be trusted with the history of its calls.

Belongs here: the verdict from what was observed. Does not: asking the dialer (vici) or stopping a sync (flows).

A wrong zone would shift every call by hours and a wrong clock would lose the newest ones, silently; so both refuse the dialer.
The zone's evidence, best first: the newest calls (wall time beside epoch, from the machines that write them), then the database's
own offset. ``servers.local_gmt`` is typed in by an administrator and only warns.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

LARGEST_SKEW = timedelta(seconds=30)
_QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class ClockSignals:
    """What one connect observed; ``None`` where the dialer could not say."""

    dialer_utc: datetime
    our_utc: datetime
    database_offset: timedelta | None
    newest_call: tuple[datetime, int] | None
    """``(call_date, start_epoch)`` of the newest plausible call: naive wall time, UTC seconds."""
    standard_offset: timedelta | None
    """``servers.local_gmt``, without daylight saving."""


@dataclass(frozen=True, slots=True)
class ClockVerdict:
    skew: timedelta
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def judge(signals: ClockSignals, zone: ZoneInfo) -> ClockVerdict:
    """Problems (refuse the dialer) and warnings (go on) of a dialer that is configured to live in ``zone``."""
    skew = signals.dialer_utc - signals.our_utc
    problems: list[str] = []
    warnings: list[str] = []
    if abs(skew) > LARGEST_SKEW:
        problems.append(
            f"its clock is {_signed(skew)} away from ours; at most {LARGEST_SKEW.seconds} s are allowed: "
            "let both hosts follow the same time service"
        )
    expected = _offset(signals.dialer_utc, zone)
    seen = _offset_of_call(signals.newest_call)
    if seen is not None and signals.newest_call is not None:
        expected_then = _offset(datetime.fromtimestamp(signals.newest_call[1], tz=signals.dialer_utc.tzinfo), zone)
        if seen != expected_then:
            problems.append(_wrong_zone("its calls are written", seen, expected_then, zone))
    elif signals.database_offset is not None and _quarters(signals.database_offset) != expected:
        problems.append(_wrong_zone("its database lives", _quarters(signals.database_offset), expected, zone))
    if signals.standard_offset is not None and signals.standard_offset not in _offsets_of_a_year(signals.dialer_utc, zone):
        warnings.append(f"servers.local_gmt says {_signed(signals.standard_offset)}, which {zone.key} never has")
    return ClockVerdict(skew, tuple(problems), tuple(warnings))


def _wrong_zone(what: str, seen: timedelta, expected: timedelta, zone: ZoneInfo) -> str:
    return (
        f"{what} {_signed(seen)} from UTC, but the configured time zone {zone.key} is {_signed(expected)}: "
        "set the time zone of the dialer's own machines (an IANA name)"
    )


def _offset_of_call(call: tuple[datetime, int] | None) -> timedelta | None:
    if call is None:
        return None
    wall, epoch = call
    return _quarters(wall - (datetime(1970, 1, 1) + timedelta(seconds=epoch)))  # noqa: DTZ001 - wall time has no zone


def _quarters(offset: timedelta) -> timedelta:
    return round(offset / _QUARTER) * _QUARTER


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


def _offsets_of_a_year(instant: datetime, zone: ZoneInfo) -> set[timedelta]:
    return {_offset(instant + timedelta(days=91 * quarter), zone) for quarter in range(4)}


def _signed(delta: timedelta) -> str:
    seconds = int(delta.total_seconds())
    sign = "-" if seconds < 0 else "+"
    hours, rest = divmod(abs(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{sign}{hours}:{minutes:02d}:{seconds:02d} h"
