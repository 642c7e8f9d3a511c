"""Whether a schedule is one: five fields of numbers.

Belongs here: that question, which settings ask before Dagster would answer with a traceback. Does not: when a schedule fires.
"""

import re

_PART = re.compile(r"(?:\*(?:/(?P<each>[0-9]+))?|(?P<first>[0-9]+)(?:-(?P<last>[0-9]+)(?:/(?P<step>[0-9]+))?)?)\Z")
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


def is_cron(expression: str) -> bool:
    """Minute, hour, day, month and weekday (0 is Sunday): numbers, lists, ranges, and steps of a range."""
    fields = expression.split()
    return len(fields) == len(_BOUNDS) and all(map(_is_field, fields, _BOUNDS))


def _is_field(field: str, bounds: tuple[int, int]) -> bool:
    return all(_is_part(part, *bounds) for part in field.split(","))


def _is_part(part: str, lowest: int, highest: int) -> bool:
    found = _PART.match(part)
    if found is None:
        return False
    given = {name: int(number) for name, number in found.groupdict().items() if number is not None}
    ends = [given[name] for name in ("first", "last") if name in given]
    steps = [given[name] for name in ("each", "step") if name in given]
    return ends == sorted(ends) and all(lowest <= end <= highest for end in ends) and 0 not in steps
