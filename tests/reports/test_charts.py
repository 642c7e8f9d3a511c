"""Pictures are for two grounds at once: nobody knows which of them the reader's UI has."""

from itertools import pairwise

import pytest

from vici_brain.orchestration.charts import AMBER, BLUE, GREEN, GREY, RED, as_svg, new_figure

WHITE, DARK = "#ffffff", "#0f1420"


def luminance(colour: str) -> float:
    """As WCAG 2 defines it."""
    parts = [int(colour[at:to], 16) / 255 for at, to in pairwise(range(1, 8, 2))]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("ground", [WHITE, DARK])
def test_shapes_and_words_stand_out_on_light_and_on_dark(ground: str) -> None:
    assert {colour for colour in (BLUE, GREEN, AMBER, RED) if contrast(colour, ground) < 3} == set()
    assert contrast(GREY, ground) >= 4


def test_a_picture_brings_no_ground_of_its_own_and_its_words_are_in_the_colour_of_words() -> None:
    figure, (axes,) = new_figure()
    axes.bar([0, 1], [2, 3], color=BLUE)
    axes.set_title("calls")
    svg = as_svg(figure).decode()
    assert "#ffffff" not in svg
    assert "fill: #000000" not in svg
    assert GREY in svg
    assert ">calls</text>" in svg
