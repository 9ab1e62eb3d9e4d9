"""How every figure looks, and how it becomes a file.

Drawn with matplotlib's own defaults, whatever the user's settings are, and without pyplot, so that
the same outcome gives the same bytes in any process.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abl.report.named import SEPARATOR
from abl.scratch import written_whole
from abl.visible import visible_text

# Okabe & Ito, Color Universal Design: told apart with any colour vision
BLUE, VERMILION, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK, GREY = "#E69F00", "#56B4E9", "#000000", "#999999"
COLOURS = (BLUE, VERMILION, GREEN, PINK, ORANGE, SKY, BLACK, GREY)
MARKERS = "osD^vPX*<>"
_HELD = "\N{NO-BREAK SPACE}"
_STYLE: dict[str, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "savefig.dpi": 150,
    "svg.fonttype": "path",
    "svg.hashsalt": "abl",
}


@contextmanager
def own_style() -> Iterator[None]:
    """Inside, artists are made and drawn with the style of this module alone."""
    with style.context(["default", _STYLE]):
        yield


class DrawnFigure(Figure):
    """A figure with the heading that it has on a page, "" if the page names it by its name.

    What the page says under it is its label. `narrow` is drawn in its place where a window is
    narrow; without it the page lets the figure scroll.
    """

    heading = ""
    narrow: DrawnFigure | None = None


def new_figure(width_in: float, height_in: float) -> DrawnFigure:
    """An empty figure that finds the places of its parts when it is drawn."""
    figure = DrawnFigure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def grid_of_panels(
    count: int,
    *,
    columns: int = 4,
    width_in: float = 2.4,
    height_in: float = 2.4,
    margins_in: tuple[float, float] = (0.8, 1.2),
    share: bool = True,
) -> tuple[DrawnFigure, list[Axes]]:
    """A figure with `count` panels in rows that are as equally filled as they can be."""
    rows = math.ceil(count / columns)
    columns = math.ceil(count / rows)
    # one small panel would leave no room for the title above it
    width = max(margins_in[0] + width_in * columns, 4.8)
    figure = new_figure(width, margins_in[1] + height_in * rows)
    # titles of panels would lie on the ticks of those above them, or on the title of all
    figure.set_layout_engine("constrained", h_pad=0.09)
    grid = figure.subplots(rows, columns, sharex=share, sharey=share, squeeze=False).ravel()
    for index, place in enumerate(grid):
        place.set_visible(index < count)
        # with shared axes the panel above an empty place would be left without its ticks
        if share:
            place.xaxis.set_tick_params(labelbottom=index + columns >= count)
    return figure, list(grid[:count])


def unit_square(grid: Sequence[Axes], *, equal: bool = True) -> None:
    """Both axes of every panel from 0 to 1, with the ends and the middle named.

    Small panels are drawn in half the time with three ticks, and read no worse.
    """
    for place in grid:
        place.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        place.set_xticks((0.0, 0.5, 1.0), labels=("0", "0.5", "1"))
        place.set_yticks((0.0, 0.5, 1.0), labels=("0", "0.5", "1"))
        if equal:
            place.set_aspect("equal")


def label_below(grid: Sequence[Axes], text: str, left: str = "") -> None:
    """Names the x axis under the lowest panel of each column, and the y axis of those on the left.

    A label of the whole figure would lie on a legend below the panels.
    """
    spec = grid[0].get_subplotspec()
    columns = spec.get_gridspec().ncols if spec is not None else len(grid)
    for place in grid[-columns:]:
        place.set_xlabel(text, fontsize=9)
    for place in grid[::columns] if left else ():
        place.set_ylabel(left, fontsize=9)


def caption(
    figure: DrawnFigure, title: str, text: str, cut: str = "", *, heading: str = ""
) -> None:
    """Heads the figure, and keeps what a page says over and under it; `cut` is said twice."""
    figure.heading = heading
    width = max(int(figure.get_figwidth() * 13), 40)
    with own_style():
        figure.suptitle("\n".join([wrapped(title, width), *([cut] if cut else [])]), fontsize=10)
    figure.set_label(" ".join(part for part in (text, f"Shown: {cut}." if cut else "") if part))


def wrapped(label: str, width: int, *, lines: int = 3) -> str:
    """The label on a few lines of about `width` characters.

    Settings of an arm are kept whole, and a line that goes on ends in their separator.
    """
    dot = SEPARATOR.strip()
    parts = label.split(SEPARATOR)
    held = [each.replace(" ", _HELD) if len(each) + 2 <= width else each for each in parts]
    text = f"{_HELD}{dot} ".join(held) if len(parts) > 1 else label
    filled = textwrap.fill(text, width, max_lines=lines, placeholder=" …", break_long_words=False)
    return filled.replace(_HELD, " ")


def look(index: int, values: Sequence[object]) -> tuple[str, str]:
    """Colour and marker; numbers run along a sequence of colours, words get unrelated ones."""
    marker = MARKERS[index % len(MARKERS)]
    if len(values) > 2 and all(isinstance(value, int | float) for value in values):
        share = 0.9 * index / (len(values) - 1)
        return mpl.colors.to_hex(mpl.colormaps["viridis"](share)), marker
    return COLOURS[index % len(COLOURS)], marker


def is_seen(place: Axes, line: Line2D) -> bool:
    """Whether some of a line, or of its marks, lies within the frame of its panel."""
    place.autoscale_view()  # what was drawn last may not have widened the frame yet
    drawn = line.get_transform().transform(line.get_xydata())
    x, y = place.transAxes.inverted().transform(drawn[np.isfinite(drawn).all(axis=1)]).T
    if not x.size:
        return False
    # ends of a line may lie outside on both sides
    return x.min() <= 1 and x.max() >= 0 and y.min() <= 1 and y.max() >= 0


def settle(figure: Figure) -> None:
    """Finds the places of all parts once; left to savefig, it is done twice for every file."""
    if (engine := figure.get_layout_engine()) is not None:
        with own_style():
            engine.execute(figure)
            figure.set_layout_engine(None)
    if isinstance(figure, DrawnFigure) and figure.narrow is not None:
        settle(figure.narrow)


def figure_bytes(figure: Figure, kind: Literal["png", "svg"]) -> bytes:
    """The figure as PNG or SVG, without a date."""
    metadata: dict[str, Any] = {"Software": None} if kind == "png" else {"Date": None}
    buffer = io.BytesIO()
    with own_style():
        figure.savefig(buffer, format=kind, metadata=metadata)
    if kind == "svg":  # beside the outlines it quotes each text, whatever that holds
        return visible_text(buffer.getvalue().decode(), "").encode()
    return buffer.getvalue()


def save_figure(figure: Figure, path: Path, drawn: bytes = b"") -> bytes:
    """Writes PNG or SVG, by the name's ending, without a date and at once; what was written.

    Args:
        drawn: `figure_bytes` of it, if another process has made them.
    """
    kind: Literal["png", "svg"] = "png" if path.suffix.lower() == ".png" else "svg"
    with written_whole(path) as part:
        data = drawn or figure_bytes(figure, kind)
        part.write_bytes(data)
    return data
