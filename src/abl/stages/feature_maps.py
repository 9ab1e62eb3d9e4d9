"""The `feature_maps` stage: what in its test images a trained network's convolutions answer to.

No label is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from abl.data.view_reads import tested_reads
from abl.plan.graph import Replicate
from abl.plan.stage import Stage
from abl.spec.sweep import Sweep
from abl.stages.activation import as_trained
from abl.stages.inputs import Workspace, split_of_stage, view_of
from abl.stages.kind import Work, kind, stage_of
from abl.stages.network import NETWORK, as_trained_on_images, ready

FEATURE_MAPS = "feature_maps.npz"
MOST_IMAGES, MOST_LAYERS = 4, 7


def feature_maps_stage(
    workspace: Workspace, sweep: Sweep, replicate: Replicate, trained: Stage
) -> Stage:
    """The stage that looks at a training's network; `sweep` is its arm's."""
    opened = workspace.data(sweep.data)
    settings, context = as_trained(trained)
    split = opened.split(sweep.splits, replicate.repeat, replicate.fold)
    return stage_of(
        "feature_maps",
        settings,
        inputs={NETWORK: trained.digest},
        reads=tested_reads(opened.dataset.frame, split),
        context=context,
        resources=trained.resources,
        label=f"feature maps of {trained.label.removeprefix('train ')}",
    )


def evenly(count: int, most: int) -> list[int]:
    """Up to `most` numbers from 1 to `count`, both ends among them, as evenly as can be."""
    return sorted({round(each) for each in np.linspace(1, count, min(most, count))})


@kind("feature_maps", version=1)
def feature_maps(work: Work) -> dict[str, Any]:
    """Writes feature_maps.npz, of the weights of the last kept epoch.

    images (n,): test images, spread over the set; pixels uint8 (n, S, S); layers int64 (L,):
    numbers of convolutions, as evenly spread; convolutions: how many there are; channels int64
    (n, L): that answer most; maps uint8 (n, L, S, S): their projections, mean over the colours,
    each over its own maximum, 128 for nothing.
    """
    from abl.nets.deconvolution import projections
    from abl.train.process import release_memory

    view, asked = view_of(work), ready(work)
    split = split_of_stage(work, view, tested_reads)
    network, feed = as_trained_on_images(work, view, split, asked)
    positions = split.test[[at - 1 for at in evenly(len(split.test), MOST_IMAGES)]]
    count = 0

    def wanted(convolutions: int) -> Sequence[int]:
        nonlocal count
        count = convolutions
        return evenly(convolutions, MOST_LAYERS)

    found = []
    for position in positions:
        ((_, inputs),) = feed.plain(np.array([position]), 1)
        found.append(projections(network, [each[:1] for each in inputs], wanted))
    pixels = np.asarray(view.pixel_set().take(positions))
    arrays = {
        "images": view.frame["image"].to_numpy()[positions].astype(str),
        "pixels": np.rint(pixels.mean(axis=1)).astype(np.uint8),
        "layers": np.array([each.number for each in found[0]]),
        "convolutions": np.array(count),
        "channels": np.array([[each.channel for each in row] for row in found]),
        "maps": np.stack([np.stack([_grey(each.pixels) for each in row]) for row in found]),
    }
    np.savez_compressed(work.out / FEATURE_MAPS, **arrays)  # type: ignore[arg-type]
    del network, feed
    release_memory()
    return {"images": len(positions), "layers": len(found[0]), **asked.facts}


def _grey(pixels: np.ndarray) -> np.ndarray:
    """uint8 (S, S) of float (C, S, S): 128 is 0."""
    mean = pixels.mean(axis=0)
    most = float(np.abs(mean).max())
    return np.rint(128 + 127 * mean / (most or 1.0)).astype(np.uint8)
