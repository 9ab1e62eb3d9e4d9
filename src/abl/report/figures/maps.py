"""Images beside what networks see in them: class activation maps, boxes and masks."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from PIL import Image

from abl.report.figures.style import ORANGE, SKY, caption, new_figure, own_style, wrapped
from abl.report.pictures import Picture, Pictures, Tile

_PANEL_IN = 1.4
_HEAT = "inferno"
_STRONGEST = 0.6  # of a map over its image: the image stays to be seen
_WHITE = "#FFFFFF"


def maps_figure(pictures: Pictures | None, classes: Sequence[str], more: str = "") -> Figure | None:
    """One row an image: the frame with box and masks, then the activation map of each arm.

    None without pictures. `more` is said below it too.
    """
    if pictures is None or not pictures.rows:
        return None
    rows, columns = len(pictures.rows), 1 + len(pictures.columns)
    with own_style():
        figure = new_figure(max(0.9 + _PANEL_IN * columns, 4.8), 1.4 + (_PANEL_IN + 0.22) * rows)
        grid = figure.subplots(rows, columns, squeeze=False)
        named = classes if _of_predicted(pictures, classes) else ()
        for at, row in enumerate(pictures.rows):
            _draw_frame(grid[at, 0], row, classes)
            for place, tile in zip(grid[at, 1:], row.tiles, strict=True):
                _draw_map(place, row, tile, named)
        grid[0, 0].set_title("image", fontsize=8.5)
        for place, name in zip(grid[0, 1:], pictures.columns, strict=True):
            heading = f"{wrapped(name, 19, lines=3)}\n{place.get_title()}".rstrip()
            place.set_title(heading, fontsize=8.5)
        scale = ScalarMappable(Normalize(0, 1), mpl.colormaps[_HEAT])
        bar = figure.colorbar(scale, ax=list(grid[:, -1]), shrink=0.9, aspect=30, pad=0.04)
        bar.set_label("activation over its maximum", fontsize=8)
        bar.set_ticks([0, 0.5, 1], labels=["0", "0.5", "1"])
        bar.ax.tick_params(labelsize=8)
        figure.legend(handles=_handles(pictures), loc="outside lower center", ncols=3, fontsize=8)
    title = f"Activation for {_whose(pictures, classes)}; above it the probability"
    text = f"{_text(pictures, classes)} {more}".rstrip()
    caption(figure, title, text, pictures.cut)
    return figure


def _whose(pictures: Pictures, classes: Sequence[str]) -> str:
    if _of_predicted(pictures, classes):
        return "the most probable class"
    return classes[1] if len(classes) == 2 else "class 1"


def _of_predicted(pictures: Pictures, classes: Sequence[str]) -> bool:
    """Whether maps are of several classes; else all are of class 1 of two."""
    shown = {tile.shown for row in pictures.rows for tile in row.tiles if tile is not None}
    return len(classes) > 2 or bool(shown - {1})


def _draw_frame(place: Axes, row: Picture, classes: Sequence[str]) -> None:
    _draw_image(place, row)
    if row.box is not None:
        x0, y0, x1, y1 = row.box
        box = Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec=ORANGE, lw=1.2, ls="-")
        place.add_patch(box)
    _outline(place, row.nodule, _WHITE, "-")
    predicted = next((t.mask for t in row.tiles if t is not None and t.mask is not None), None)
    _outline(place, predicted, SKY, "--")
    true = classes[row.label] if row.label < len(classes) else f"class {row.label}"
    name = row.name if len(row.name) <= 22 else f"…{row.name[-21:]}"
    place.set_ylabel(f"{name}\n{true}, {row.why}", fontsize=7.5)


def _draw_map(place: Axes, row: Picture, tile: Tile | None, classes: Sequence[str]) -> None:
    _draw_image(place, row)
    if tile is None:
        place.set_title("not tested", fontsize=8.5)
        return
    height, width = row.pixels.shape[-2:]
    heat = Image.fromarray(tile.cam).resize((width, height), Image.Resampling.BILINEAR)
    values = np.asarray(heat, np.float64) / 255
    colours = mpl.colormaps[_HEAT](values)
    colours[..., 3] = _STRONGEST * np.sqrt(values)
    place.imshow(colours, extent=(0, width, height, 0))
    _outline(place, row.nodule, _WHITE, "-")
    _outline(place, tile.mask, SKY, "--")
    of = f" {wrapped(classes[tile.shown], 12)}" if tile.shown < len(classes) else ""
    nothing = "" if tile.cam.any() else ", no map"
    place.set_title(f"{tile.p:.2f}{of}{nothing}", fontsize=8.5)


def _draw_image(place: Axes, row: Picture) -> None:
    pixels = row.pixels[:3] if len(row.pixels) >= 3 else row.pixels[:1].repeat(3, axis=0)
    height, width = pixels.shape[-2:]
    place.imshow(pixels.transpose(1, 2, 0), extent=(0, width, height, 0))
    place.set(xlim=(0, width), ylim=(height, 0))
    place.set_xticks([])
    place.set_yticks([])
    place.grid(visible=False)
    for side in place.spines.values():
        side.set_visible(False)


def _outline(place: Axes, mask: np.ndarray | None, colour: str, line: str) -> None:
    if mask is None or not (mask > 127).any() or (mask > 127).all():
        return
    # a rim of zeros closes outlines at the edge of the image
    padded = np.pad((mask > 127).astype(np.float64), 1)
    at = np.arange(-1, len(padded) - 1) + 0.5
    place.contour(at, at, padded, levels=[0.5], colors=[colour], linewidths=1.1, linestyles=[line])


def _handles(pictures: Pictures) -> list[Line2D]:
    tiles = [tile for row in pictures.rows for tile in row.tiles if tile is not None]
    looks = []
    if any(row.box is not None for row in pictures.rows):
        looks.append(("box", ORANGE, "-"))
    if any(row.nodule is not None for row in pictures.rows):
        # white on the image, which the page would hide
        looks.append(("true mask (white)", "0.8", "-"))
    if any(tile.mask is not None for tile in tiles):
        looks.append(("predicted mask", SKY, "--"))
    return [Line2D([], [], color=colour, ls=line, label=name) for name, colour, line in looks]


def _text(pictures: Pictures, classes: Sequence[str]) -> str:
    parts = [
        "Class activation maps (Grad-CAM at the last feature map) of "
        f"{_whose(pictures, classes)}, each over its own maximum, of the last kept epoch; above it "
        "the probability of that class (no map: nothing speaks for it). Each image is shown in the "
        "first replicate that tests it."
    ]
    masks = [tile.mask is None for row in pictures.rows for tile in row.tiles if tile is not None]
    if not all(masks):
        parts.append(
            "The first column has the predicted mask of the first arm that predicts one, every "
            "other column its own."
        )
    if any(masks) and not all(masks):
        parts.append(
            "Arms without a dashed outline predict no mask: they look at none, or at the control "
            "mask in their name (random, full, true, ellipse)."
        )
    if pictures.worst_of:
        parts.append(
            f"Worst: the test images of the first replicate with the largest cross-entropy of "
            f"{pictures.worst_of}; chosen for being wrong, they are no fair sample."
        )
    return " ".join(parts)
