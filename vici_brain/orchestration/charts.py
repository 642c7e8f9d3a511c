"""Figures as pictures that a Markdown page of the Dagster UI shows, legible on light and dark grounds.

Belongs here: how a figure looks and becomes text. Does not: what is drawn (the caller's), nor the numbers (stores).
"""

import io
from base64 import b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# As far from white as from the UI's dark ground: shapes at 3 to 1 or better on both, text at 4 to 1.
BLUE, GREEN, AMBER, RED, GREY = "#3b82f6", "#2f9e5f", "#d97706", "#d64545", "#747e88"


def new_figure(width: float = 7.5, height: float = 2.6, columns: int = 1) -> "tuple[Figure, list[Axes]]":
    """An empty figure of ``columns`` axes side by side, in inches; matplotlib is imported here, not with the definitions."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for each in axes:
        each.patch.set_alpha(0)
        each.tick_params(colors=GREY, labelsize=9)
        each.title.set_color(GREY)
        each.title.set_fontsize(10)
        for spine in each.spines.values():
            spine.set_color(GREY)
        for side in ("top", "right"):
            each.spines[side].set_visible(False)
        each.yaxis.label.set_color(GREY)
        each.xaxis.label.set_color(GREY)
    return figure, list(axes)


def as_svg(figure: "Figure") -> bytes:
    """The figure as SVG with its text as text, which is small, can be searched and is read out."""
    from matplotlib import rc_context  # noqa: PLC0415

    buffer = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "vici-brain", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def as_markdown(figure: "Figure", alternative: str) -> str:
    """Markdown of one picture; below 50 kB for a figure of a few hundred points, which is what an event row may hold."""
    return f"![{alternative}](data:image/svg+xml;base64,{b64encode(as_svg(figure)).decode()})"
