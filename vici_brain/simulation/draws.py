"""Chance without state: numbers that depend on a seed, a purpose and an id only, so that any lead can be asked at any time.

Belongs here: array types, hashing, and the form of long lists of values. Does not: what is drawn (people, plan).
"""

from zlib import crc32

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

NEVER = 1 << 61
_MASK = (1 << 64) - 1


def _scramble(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of splitmix64: neighbours go in, unrelated numbers come out."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def words(text: str) -> tuple[str, ...]:
    """Long lists of codes and names read best as words on a few lines."""
    return tuple(text.split())


def chance(seed: int, purpose: str, ids: Ints) -> Floats:
    """A number in [0, 1) for every id."""
    start = (seed * 0x9E3779B97F4A7C15 + crc32(purpose.encode()) * 0xD1B54A32D192ED03) & _MASK
    words = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)
    return (_scramble(_scramble(words)) >> np.uint64(11)).astype(np.float64) / float(1 << 53)


def pick(seed: int, purpose: str, ids: Ints, count: int) -> Ints:
    """A whole number in [0, count) for every id."""
    return (chance(seed, purpose, ids) * count).astype(np.int64)
