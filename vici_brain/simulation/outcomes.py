"""How calls end and how long things take: the mixes, medians and delays of an ordinary dialer.

Belongs here: distributions. Does not: which rows come of them (outbound, inbound).
"""

from collections.abc import Mapping

import numpy as np

from vici_brain.simulation.calls import CODE
from vici_brain.simulation.draws import Ints

AUTO: Mapping[str, float] = {
    "NA": 38.1,
    "AA": 28,
    "ADC": 7,
    "A": 6,
    "NI": 6,
    "AB": 4,
    "ADCT": 3,
    "CALLBK": 1.4,
    "N": 1,
    "NP": 0.9,
    "PDROP": 0.6,
    "DNC": 0.6,
    "DAIR": 0.6,
    "DEC": 0.5,
    "SALE": 0.5,
    "XFER": 0.5,
    "DC": 0.5,
    "DROP": 0.3,
    "B": 0.3,
    "AFAX": 0.2,
}
MANUAL: Mapping[str, float] = {
    "N": 38,
    "A": 24,
    "NI": 12,
    "B": 5,
    "DC": 5,
    "CALLBK": 6,
    "SALE": 3,
    "NP": 3,
    "DNC": 2,
    "DEC": 1.5,
    "XFER": 0.5,
}
INBOUND: Mapping[str, float] = {
    "NI": 30,
    "SALE": 14,
    "CALLBK": 12,
    "DEC": 8,
    "N": 6,
    "NP": 6,
    "A": 3,
    "DNC": 4,
    "DROP": 12,
    "TIMEOT": 3,
    "VM": 2,
}
MEDIAN_SECONDS: Mapping[str, float] = {
    "NI": 35,
    "NP": 20,
    "DNC": 12,
    "CALLBK": 75,
    "SALE": 480,
    "XFER": 180,
    "A": 12,
    "AA": 14,
    "DROP": 5,
    "DEC": 60,
    "TIMEOT": 120,
    "VM": 40,
    "QUOTE": 200,
}
EDITED_TO = tuple(CODE[status] for status in ("SALE", "DNC", "NI", "QUOTE", "CALLBK"))
_MEDIANS = np.full(len(CODE), 10.0)
for _status, _seconds in MEDIAN_SECONDS.items():
    _MEDIANS[CODE[_status]] = _seconds


def draw_statuses(rng: np.random.Generator, mix: Mapping[str, float], count: int) -> Ints:
    shares = np.cumsum(list(mix.values()))
    codes = np.array([CODE[status] for status in mix], dtype=np.int64)
    drawn: Ints = codes[np.searchsorted(shares / shares[-1], rng.random(count), side="right")]
    return drawn


def talk_seconds(rng: np.random.Generator, statuses: Ints) -> Ints:
    """Log-normal around the status's median; never so short that an agent could not have got the call."""
    seconds = _MEDIANS[statuses] * np.exp(0.7 * rng.standard_normal(statuses.size))
    whole: Ints = np.clip(seconds, 5, 5_400).astype(np.int64)
    return whole


def wrap_up_seconds(rng: np.random.Generator, count: int, slow_share: float) -> Ints:
    """From hang-up to disposition: seconds as a rule, 10 to 60 minutes for some, hours for a tenth of those."""
    usual = rng.integers(5, 41, count)
    slow = rng.integers(600, 3_601, count)
    hours = rng.integers(3 * 3600, 4 * 3600 - 60, count)
    luck = rng.random(count)
    return np.where(luck < slow_share / 10, hours, np.where(luck < slow_share, slow, usual)).astype(np.int64)


def edit_delays(rng: np.random.Generator, count: int) -> Ints:
    return rng.integers(86_400, 30 * 86_400, count)
