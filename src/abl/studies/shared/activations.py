"""Class activation maps beside trainings: their stages, and what these have kept."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd

from abl.data.masks.mask_sets import MaskSet
from abl.data.views import View
from abl.plan.graph import Plan, PlannedCell
from abl.record.store import Store
from abl.report.pictures import Picture, Tile
from abl.spec.sweep import Sweep
from abl.stages.activation import ACTIVATION, MAPS, activation_stage, can_be_mapped
from abl.stages.inputs import Workspace

ACTIVATIONS = "activation"  # beside each training
INSIDE = "inside"
BARE = "no nodule"  # source of an image whose mask is empty


def add_activation(
    plan: Plan,
    workspace: Workspace,
    sweep: Sweep,
    cell: PlannedCell,
    training: str,
    *,
    predicted: bool = False,
    nodules: bool = True,
) -> None:
    """Adds the stage that maps where a training's network looks, if it can be mapped.

    `predicted`: see `activation_stage`; `nodules`: see `can_be_mapped`.
    """
    if not plan.beside_of(ACTIVATIONS, training) and can_be_mapped(
        sweep, workspace.data(sweep.data), nodules=nodules
    ):
        stage = activation_stage(
            workspace, sweep, cell.replicate, plan.stages[training], predicted=predicted
        )
        plan.put_beside(ACTIVATIONS, training, stage)


def pictured(
    view: View,
    masks: MaskSet,
    at: int,
    why: str,
    label: int,
    tiles: tuple[Tile | None, ...],
) -> Picture:
    """A row of the figure of maps: an image of a view, with what is known of its nodule.

    Args:
        at: Its row in the view.
    """
    rows, box = np.array([at]), masks.boxes[at]
    return Picture(
        name=str(view.frame["image"].iloc[at]),
        why=why,
        label=label,
        pixels=np.asarray(view.pixel_set().take(rows)[0]),
        box=None if np.isnan(box).any() else (box[0], box[1], box[2], box[3]),
        nodule=masks.take("true", rows)[0, 0] if bool(masks.known("true")[at]) else None,
        tiles=tiles,
    )


def maps_of_nodules(frame: pd.DataFrame) -> pd.DataFrame:
    """Maps by image; of an image whose mask holds no nodule, no share lies inside."""
    is_bare = ((frame["source"] == "true") & (frame["area"] == 0)).to_numpy()
    source = frame["source"].astype(object).mask(is_bare, BARE)
    return frame.assign(source=source, inside=frame[INSIDE].mask(is_bare)).set_index("image")


class KeptMaps:
    """The maps of one activation stage, by image; read when they are asked for."""

    def __init__(self, store: Store, digest: str):
        self._store, self._digest = store, digest

    @cached_property
    def frame(self) -> pd.DataFrame:
        """As the stage wrote it, one row an image."""
        return pd.read_parquet(self._store.file(self._digest, ACTIVATION))

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        with np.load(self._store.file(self._digest, MAPS), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    @cached_property
    def images(self) -> dict[str, int]:
        """Name -> position."""
        return {str(name): at for at, name in enumerate(self.frame["image"])}

    def of(self, name: str) -> Tile | None:
        """What is known of an image, None if it was not tested."""
        at = self.images.get(name)
        if at is None:
            return None
        mask = self._arrays["mask"][at] if "mask" in self._arrays else None
        row = self.frame.iloc[at]
        return Tile(self._arrays["cam"][at], float(row["p"]), int(row["class"]), mask)
