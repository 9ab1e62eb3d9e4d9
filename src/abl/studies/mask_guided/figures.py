"""Figures of the mask_guided study: placements, activation inside the nodule, and maps."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from PIL import Image

from abl.plan.outcome import Outcome
from abl.report.figures.arms import base_of, best_of, words_of
from abl.report.figures.bars import MOST_ARMS, rows_of_arms
from abl.report.figures.over_axis import row_figure, series_over
from abl.report.figures.style import ORANGE, SKY, caption, new_figure, own_style, wrapped
from abl.report.labels import label_in
from abl.report.pictures import Picture, Pictures, Tile

INSIDE, PLACEMENT = "inside", "placement"
MOST_SERIES = 4
_LEVEL = re.compile(r"(-?)(L\d+)")
_PANEL_IN = 1.4
_HEAT = "inferno"
_STRONGEST = 0.6  # of a map over its image: the image stays to be seen
_WHITE = "#FFFFFF"


def inside_figure(outcome: Outcome) -> Figure | None:
    """Share of the activation inside the nodule by arm, with the share that a flat map would have.

    None if no arm has maps.
    """
    arms = [arm for arm in outcome.arms if INSIDE in arm.cells]
    cut = f"the first {MOST_ARMS} of {len(arms)} arms" if len(arms) > MOST_ARMS else ""
    arms = arms[:MOST_ARMS]
    areas: Mapping[str, float] = outcome.facts.activation.get("area", {})
    flat = [areas[arm.key] for arm in arms if arm.key in areas]
    figure, _ = rows_of_arms(
        outcome, arms, INSIDE, "share of the activation inside the nodule", areas,
        f"a flat map: {np.mean(flat):.3f}" if flat else "",
    )  # fmt: skip
    if figure is None:
        return None
    text = (
        "Share of the class activation map (Grad-CAM) that lies inside the nodule, mean over "
        "test images and replicates with its 95 % interval over patients. A flat map has the "
        "nodule's share of the image. Not tested, and nothing is chosen by it."
    )
    caption(figure, "Activation inside the nodule", text, cut)
    return figure


def placement_figure(outcome: Outcome) -> Figure | None:
    """The primary metric by placement, bars side by side for what else tells arms apart.

    None unless some variant has two placements or more.
    """
    series, cut = series_over(
        outcome, [PLACEMENT], lambda arm: str(arm.params.get(PLACEMENT, "")) or None,
        lambda names: sorted(names, key=_order), most=MOST_SERIES, word="variants",
    )  # fmt: skip
    if not series:
        return None
    names = sorted({name for each in series for name in each.arms}, key=_order)
    base, best = base_of(outcome), best_of(outcome, [a for s in series for a in s.arms.values()])
    figure = row_figure(
        series, [outcome.primary], names, axis_label="where the modules stand", bars=True,
        base=None if base is None else (base, outcome), label_of=partial(label_in, outcome),
    )  # fmt: skip
    which = f" Best here: {words_of(best, outcome)}." if best is not None else ""
    text = (
        f"{label_in(outcome, outcome.primary)} on the test sets "
        f"by placement of the attention modules: "
        f"mean over replicates and 95 % interval over patients.{which} -L2 is all points but L2."
    )
    caption(figure, f"{outcome.title or outcome.name}: placements", text, cut)
    return figure


def _order(name: int | str) -> tuple[int, Any]:
    """all, -L0 ..., L0 ..., several, blocks."""
    name = str(name)
    if name in ("all", "blocks"):
        return (0 if name == "all" else 4), name
    if one := _LEVEL.fullmatch(name):
        return (1 if one[1] else 2), int(one[2][1:])
    return 3, (name.count("+"), name)


def maps_figure(pictures: Pictures | None, classes: Sequence[str]) -> Figure | None:
    """One row an image: the frame with box and masks, then the activation map of each arm.

    None without pictures.
    """
    if pictures is None or not pictures.rows:
        return None
    rows, columns = len(pictures.rows), 1 + len(pictures.columns)
    with own_style():
        figure = new_figure(max(0.9 + _PANEL_IN * columns, 4.8), 1.4 + (_PANEL_IN + 0.22) * rows)
        grid = figure.subplots(rows, columns, squeeze=False)
        for at, row in enumerate(pictures.rows):
            _draw_frame(grid[at, 0], row, classes)
            for place, tile in zip(grid[at, 1:], row.tiles, strict=True):
                _draw_map(place, row, tile, classes)
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
    title = f"Activation for {_whose(classes)}; above it the probability"
    caption(figure, title, _text(pictures, classes), pictures.cut)
    return figure


def _whose(classes: Sequence[str]) -> str:
    if len(classes) > 2:
        return "the predicted class"
    return classes[1] if len(classes) == 2 else "class 1"


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
    of = f" {wrapped(classes[tile.shown], 12)}" if len(classes) > 2 else ""
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
        f"{_whose(classes)}, each over its own maximum, of the last kept epoch; above it the "
        "probability of that class (no map: nothing speaks for it). Each image is shown in the "
        "first replicate that tests it; the first column has the predicted mask of the first arm "
        "that predicts one, every other column its own."
    ]
    masks = [tile.mask is None for row in pictures.rows for tile in row.tiles if tile is not None]
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
