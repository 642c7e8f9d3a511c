"""The picture of ninety days: what it shows, that every browser can read it, and that an event row can hold it."""

import re
from base64 import b64decode
from datetime import date, timedelta
from xml.etree import ElementTree as ET

from vici_brain.domain.proof_map import as_markdown, proof_map

MONDAY = date(2025, 6, 9)
GREEN, AMBER, RED, GREY = "#2f9e5f", "#f0b429", "#d64545", "#9aa0a6"
SVG = "{http://www.w3.org/2000/svg}"
Shares = dict[tuple[date, int], tuple[float, bool]]


def cells(svg: str) -> dict[tuple[int, int], str]:
    """Colour by (row, hour), read from the picture's own geometry; fails where two strokes cover one cell."""
    found: dict[tuple[int, int], str] = {}
    for path in ET.fromstring(svg).iter(f"{SVG}path"):
        for left, middle, width in re.findall(r"M(\d+) (\d+)h(\d+)", path.attrib["d"]):
            row, rest = divmod(int(middle) - 25, 6)
            assert rest == 0
            for hour in range((int(left) - 74) // 14, (int(left) + int(width) - 74) // 14):
                assert (row, hour) not in found
                found[row, hour] = path.attrib["stroke"]
    return found


def test_every_hour_has_the_colour_of_its_state() -> None:
    shares: Shares = {(MONDAY, 0): (1.0, False), (MONDAY, 1): (0.999, False), (MONDAY, 2): (0.5, True), (MONDAY, 23): (1.0, True)}
    found = cells(proof_map(shares, MONDAY, MONDAY))
    assert {hour: found[0, hour] for hour in range(24)} == dict.fromkeys(range(24), GREY) | {0: GREEN, 1: AMBER, 2: RED, 23: RED}


def test_days_go_down_from_the_first_to_the_last_and_none_is_left_out() -> None:
    tuesday = MONDAY + timedelta(days=1)
    shares: Shares = {(tuesday, hour): (1.0, False) for hour in range(24)}
    found = cells(proof_map(shares, MONDAY, tuesday + timedelta(days=1)))
    assert len(found) == 3 * 24
    assert [{found[row, hour] for hour in range(24)} for row in range(3)] == [{GREY}, {GREEN}, {GREY}]


def test_the_axes_name_hours_and_mondays_and_the_legend_every_colour() -> None:
    root = ET.fromstring(proof_map({}, MONDAY - timedelta(days=3), MONDAY + timedelta(days=8)))
    words = [element.text for element in root.iter(f"{SVG}text")]
    assert words == [
        *("00", "03", "06", "09", "12", "15", "18", "21"),
        *("2025-06-06", "2025-06-09", "2025-06-16"),
        *("proven", "read, not proven", "differs", "never read"),
    ]
    assert [rect.attrib["fill"] for rect in root.iter(f"{SVG}rect")] == [GREEN, AMBER, RED, GREY]


def test_ninety_days_in_which_every_hour_differs_from_the_next_fit_in_an_event_row() -> None:
    states = [(1.0, False), (0.5, False), (0.5, True)]
    days = [MONDAY + timedelta(days=number) for number in range(90)]
    shares: Shares = {(day, hour): states[(hour + row) % 3] for row, day in enumerate(days) for hour in range(24)}
    svg = proof_map(shares, days[0], days[-1])
    assert len(cells(svg)) == 90 * 24
    assert len(as_markdown(svg, "proven")) < 50_000


def test_markdown_holds_the_whole_picture_and_its_caption() -> None:
    svg = proof_map({}, MONDAY, MONDAY)
    found = re.fullmatch(
        r"!\[what is proven\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", as_markdown(svg, "what is proven")
    )
    assert found is not None
    assert b64decode(found[1]).decode() == svg
