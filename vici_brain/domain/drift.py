"""How far a distribution has moved from another: the population stability index.

Belongs here: the statistic. Does not: which distributions are compared, or what is too far (expectation_policy).
"""

from collections.abc import Mapping
from math import log

# A category that one side lacks would be infinitely far away; half a call in its place is what a finite sample allows to say.
_HALF = 0.5


def stability_index(usual: Mapping[str, float], seen: Mapping[str, float], *, least: float = 50) -> float | None:
    """0 for the same mix; above 0.1 moved, above 0.25 another one. None where either side has fewer than ``least``.

    Categories that together hold less than one in a hundred of both sides are one category: alone they are noise.
    """
    totals = sum(usual.values()), sum(seen.values())
    if min(totals) < max(least, 1):
        return None
    names = usual.keys() | seen.keys()
    large = {name for name in names if usual.get(name, 0) / totals[0] >= 0.01 or seen.get(name, 0) / totals[1] >= 0.01}
    pairs = [(usual.get(name, 0.0), seen.get(name, 0.0)) for name in sorted(large)]
    rare = names - large
    pairs.append((sum(usual.get(name, 0.0) for name in rare), sum(seen.get(name, 0.0) for name in rare)))
    return sum(_term(first, second, *totals) for first, second in pairs if first > 0 or second > 0)


def _term(usual: float, seen: float, all_usual: float, all_seen: float) -> float:
    expected, found = max(usual, _HALF) / all_usual, max(seen, _HALF) / all_seen
    return (found - expected) * log(found / expected)
