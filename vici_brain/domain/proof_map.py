"""The picture of how much of a dialer's history is proven: days down, hours across, as a small SVG.

Belongs here: drawing. Does not: the numbers (brain/gaps) or where the picture is shown (checks).
"""

from base64 import b64encode
from collections.abc import Mapping
from datetime import date, timedelta

_CELL_WIDTH, _CELL_HEIGHT, _LEFT, _TOP = 14, 6, 74, 22
_UNREAD, _UNPROVEN, _DIFFERS, _PROVEN = "#9aa0a6", "#f0b429", "#d64545", "#2f9e5f"


def proof_map(shares: Mapping[tuple[date, int], tuple[float, bool]], first: date, last: date) -> str:
    """SVG of ``shares``: (day, hour UTC) → (share proven 0..1, whether something differs); hours not named were never read.

    Legible on light and dark grounds, and below 50 kB for 90 days, which is what an event row may hold.
    """
    days = (last - first).days + 1
    width, height = _LEFT + 24 * _CELL_WIDTH + 150, _TOP + days * _CELL_HEIGHT + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="10">'
    ]
    parts += [_label(_LEFT + hour * _CELL_WIDTH, _TOP - 8, f"{hour:02d}") for hour in range(0, 24, 3)]
    lines: dict[str, list[str]] = {colour: [] for colour in (_PROVEN, _UNPROVEN, _DIFFERS, _UNREAD)}
    for row in range(days):
        day = first + timedelta(days=row)
        top = _TOP + row * _CELL_HEIGHT
        if day.weekday() == 0 or row == 0:
            parts.append(_label(4, top + _CELL_HEIGHT, str(day)))
        _add_row(lines, shares, day, top + _CELL_HEIGHT // 2)
    # One path a colour, drawn as strokes: a rectangle a cell would be 170 kB where every hour differs from the next.
    for colour, drawn in lines.items():
        if drawn:
            parts.append(f'<path stroke="{colour}" stroke-width="{_CELL_HEIGHT - 1}" d="{"".join(drawn)}"/>')
    legend = ((_PROVEN, "proven"), (_UNPROVEN, "read, not proven"), (_DIFFERS, "differs"), (_UNREAD, "never read"))
    for number, (colour, words) in enumerate(legend):
        left, top = _LEFT + 24 * _CELL_WIDTH + 16, _TOP + number * 16
        parts.append(f'<rect x="{left}" y="{top}" width="10" height="10" fill="{colour}"/>' + _label(left + 16, top + 9, words))
    return "".join([*parts, "</svg>"])


def as_markdown(svg: str, caption: str) -> str:
    """The picture as Markdown that Dagster's UI shows."""
    return f"![{caption}](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})"


def _add_row(lines: dict[str, list[str]], shares: Mapping[tuple[date, int], tuple[float, bool]], day: date, middle: int) -> None:
    """One day; neighbouring hours of one colour are one stroke, which keeps ninety days small."""
    colours = [_colour(shares.get((day, hour))) for hour in range(24)]
    start = 0
    for hour in range(1, 25):
        if hour == 24 or colours[hour] != colours[start]:
            lines[colours[start]].append(f"M{_LEFT + start * _CELL_WIDTH} {middle}h{(hour - start) * _CELL_WIDTH}")
            start = hour


def _colour(share: tuple[float, bool] | None) -> str:
    if share is None:
        return _UNREAD
    proven, differs = share
    if differs:
        return _DIFFERS
    return _PROVEN if proven >= 1 else _UNPROVEN


def _label(x: int, y: int, words: str) -> str:
    return f'<text x="{x}" y="{y}" fill="#808890">{words}</text>'
