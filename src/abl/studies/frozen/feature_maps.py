"""What the convolutions of a network answer to in test images: by layer, projected back.

Source: Qin, Wu, Hu, Zeng, Chai, IEEE JBHI 2020, Figure 3, by Zeiler and Fergus' deconvolution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from abl.plan.graph import Plan
from abl.plan.outcome import Outcome
from abl.record.store import Store
from abl.report.figures.style import caption, new_figure, own_style
from abl.report.named import words_of
from abl.stages.feature_maps import FEATURE_MAPS, feature_maps_stage
from abl.stages.inputs import Workspace
from abl.studies.shared.arms import Settings
from abl.studies.shared.single_network import ROLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "feature_maps"  # of the figure, its frame, and of what stands beside a training
_PANEL_IN = 1.25


def add_feature_maps(plan: Plan, workspace: Workspace, settings: Settings) -> str:
    """Adds the stage that looks at the first network whose images are single and square.

    Returns:
        A sentence where there is none, else "".
    """
    for cell in plan.cells:
        sweep = settings.of(plan.arms[cell.arm])
        if sweep.data.modality in ("first", "second") and sweep.image.fit == "square":
            training = plan.stages[cell.uses[ROLE]]
            stage = feature_maps_stage(workspace, sweep, cell.replicate, training)
            plan.put_beside(NAME, training.digest, stage)
            return ""
    return "options.feature_maps: none: they need square images of one modality"


def feature_maps_frame(plan: Plan, store: Store) -> pd.DataFrame:
    """One row an image and layer; the image itself is layer 0. Empty if nothing was looked at.

    Columns: arm (int, its position), image, layer (int), convolutions (int, how many there are),
    channel (int, -1 of an image), side (int) and pixels (bytes, side x side).
    """
    for at, cells in enumerate(plan.cells_by_arm()):
        for cell in cells:
            digest = plan.beside_of(NAME, cell.uses[ROLE])
            if digest and store.has(digest):
                with np.load(store.file(digest, FEATURE_MAPS), allow_pickle=False) as file:
                    return _frame(at, {name: file[name] for name in file.files})
    return pd.DataFrame()


def _frame(arm: int, read: dict[str, np.ndarray]) -> pd.DataFrame:
    rows = []
    side, count = read["pixels"].shape[-1], int(read["convolutions"])
    for at, image in enumerate(read["images"]):
        own = [(0, -1, read["pixels"][at])]
        own += list(zip(read["layers"], read["channels"][at], read["maps"][at], strict=True))
        rows += [
            {
                "arm": arm, "image": str(image), "layer": int(layer), "convolutions": count,
                "channel": int(channel), "side": side, "pixels": pixels.tobytes(),
            }
            for layer, channel, pixels in own
        ]  # fmt: skip
    return pd.DataFrame(rows)


def feature_maps_figure(outcome: Outcome, frame: pd.DataFrame) -> Figure | None:
    """One row an image: the image, then what the strongest channel of each layer answers to."""
    if frame.empty:
        return None
    images, layers = list(dict.fromkeys(frame["image"])), sorted(frame["layer"].unique())
    with own_style():
        height = 1.2 + (_PANEL_IN + 0.2) * len(images)
        figure = new_figure(0.7 + _PANEL_IN * len(layers), height)
        grid = figure.subplots(len(images), len(layers), squeeze=False)
        for row in frame.to_dict("records"):
            at, layer = images.index(row["image"]), layers.index(row["layer"])
            _draw(grid[at, layer], np.frombuffer(row["pixels"], np.uint8), int(row["side"]))
            if layer:
                grid[at, layer].set_title(f"channel {row['channel']}", fontsize=7.5)
        for place, layer in zip(grid[0], layers, strict=True):
            name = f"conv {layer}" if layer else "image"
            place.set_title(f"{name}\n{place.get_title()}".rstrip(), fontsize=8.5)
        for place, image in zip(grid[:, 0], images, strict=True):
            place.set_ylabel(image if len(image) <= 22 else f"…{image[-21:]}", fontsize=7.5)
    arm, count = outcome.arms[int(frame["arm"].iloc[0])], int(frame["convolutions"].iloc[0])
    text = (
        "What in a test image the strongest channel of a convolution answers to: its largest "
        "answer alone, put back through the layers in front of it (deconvolution, Zeiler and "
        f"Fergus 2014), each over its own maximum; grey is nothing. {len(layers) - 1} of {count} "
        "convolutions of the last kept epoch, in one replicate; images are spread over its test "
        "set, and chosen by nothing else. It shows single answers, and explains no decision."
    )
    caption(figure, f"Feature maps by layer: {words_of(arm, outcome)}", text)
    return figure


def _draw(place: Axes, pixels: np.ndarray, side: int) -> None:
    place.imshow(pixels.reshape(side, side), cmap="gray", vmin=0, vmax=255)
    place.set_xticks([])
    place.set_yticks([])
    place.grid(visible=False)
    for spine in place.spines.values():
        spine.set_visible(False)
