"""The stability index: nothing for the same mix, more for one further away, nothing said of too little."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vici_brain.domain.drift import stability_index

mixes = st.dictionaries(st.sampled_from("abcdef"), st.floats(1, 1000), min_size=1)


@given(mixes, mixes)
def test_it_is_never_negative_and_the_same_both_ways(one: dict[str, float], other: dict[str, float]) -> None:
    index = stability_index(one, other, least=1)
    assert index is not None
    assert index >= 0
    assert index == pytest.approx(stability_index(other, one, least=1))


@given(mixes, st.integers(2, 50))
def test_the_same_mix_of_more_calls_has_not_moved(mix: dict[str, float], times: int) -> None:
    assert stability_index(mix, {name: count * times for name, count in mix.items()}, least=1) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("seen", "low", "high"),
    [
        ({"NA": 48, "SALE": 52}, 0, 0.1),
        ({"NA": 30, "SALE": 70}, 0.1, 0.25),
        ({"NA": 10, "SALE": 90}, 0.25, 2),
        ({"X": 100}, 2, 99),
    ],
)
def test_it_grows_with_the_distance(seen: dict[str, float], low: float, high: float) -> None:
    index = stability_index({"NA": 500, "SALE": 500}, seen)
    assert index is not None
    assert low <= index < high


def test_too_few_calls_say_nothing() -> None:
    assert stability_index({"NA": 1000}, {"NA": 49}) is None
    assert stability_index({}, {}, least=0) is None


def test_rare_names_are_one_category() -> None:
    rare = {f"R{number}": 1.0 for number in range(5)}
    assert stability_index({"NA": 1000} | rare, {"NA": 1000} | {f"S{number}": 1.0 for number in range(5)}) == pytest.approx(0)
