"""The benchmark of growth goes on working as the statements change that it times; what they take is no matter here."""

from sqlalchemy import Engine

from benchmarks.growth import fill, measured


def test_all_that_grows_with_a_brain_can_be_timed(brain: Engine) -> None:
    fill(brain, 400)
    times = measured(brain)
    assert len(times) == 10
    assert min(times.values()) > 0
