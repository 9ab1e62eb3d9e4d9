"""The `activation` stage: where a trained network looks on its test images. No label is read.

Source: Selvaraju et al., "Grad-CAM", ICCV 2017.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from abl.data.masks.mask_sets import MaskSet, has_box
from abl.data.masks.masks_read import has_mask
from abl.data.view_reads import tested_reads
from abl.errors import StageError
from abl.plan.graph import Replicate
from abl.plan.stage import Stage
from abl.spec.sweep import Sweep
from abl.stages.inputs import OpenData, Workspace, masks_of, split_of_stage, view_of
from abl.stages.kind import Work, kind, stage_of
from abl.stages.network import NETWORK, as_trained_on_images, ready

ACTIVATION, MAPS = "activation.parquet", "maps.npz"
PREDICTED = "of_predicted_class"


def can_be_mapped(sweep: Sweep, opened: OpenData, *, nodules: bool = True) -> bool:
    """Whether there are nodules (if they are asked for), square images of one modality and a last
    feature map."""
    if sweep.data.modality != "first" or sweep.image.fit != "square":
        return False
    if nodules and not (has_mask(opened.dataset) | has_box(opened.dataset)).any():
        return False
    from abl.nets.grad_cam import has_last_map
    from abl.nets.model import design_of

    return has_last_map(design_of(sweep.train, sweep.image, len(opened.dataset.classes)))


def activation_stage(
    workspace: Workspace,
    sweep: Sweep,
    replicate: Replicate,
    trained: Stage,
    *,
    predicted: bool = False,
) -> Stage:
    """The stage that maps where a trained network looks.

    Args:
        sweep: Of the training's arm.
        predicted: Maps of the class that the network predicts, of two classes too: a map of the
            class that it holds for impossible is empty.
    """
    opened = workspace.data(sweep.data)
    settings, context = as_trained(trained)
    of_class = {PREDICTED: True} if predicted else {}
    split = opened.split(sweep.splits, replicate.repeat, replicate.fold)
    return stage_of(
        "activation",
        settings | {"masks": opened.masks_digest} | of_class,
        inputs={NETWORK: trained.digest},
        reads=tested_reads(opened.dataset.frame, split),
        context=context | {"masks": workspace.masks(opened, sweep.image)},
        resources=trained.resources,
        label=f"activation of {trained.label.removeprefix('train ')}",
    )


def as_trained(trained: Stage) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings and context of a training for a stage that looks at its network: what it started
    from does not matter any more.
    """
    settings = {name: value for name, value in trained.settings.items() if name != "subset"}
    train = {name: value for name, value in settings["train"].items() if name != "weights"}
    if "segmentation" in train.get("attention", {}):
        branch = train["attention"]["segmentation"]
        branch = {name: value for name, value in branch.items() if name != "weights"}
        train["attention"] = train["attention"] | {"segmentation": branch}
    context = {name: value for name, value in trained.context.items() if name != "weights"}
    return settings | {"train": train}, context


@kind("activation", version=1)
def activation(work: Work) -> dict[str, Any]:
    """Writes activation.parquet and maps.npz, of the weights of the last kept epoch.

    activation.parquet: image; inside (share of the map that lies in the nodule, nan for a map of
    zeros or an unknown nodule); area (the nodule's share of the image); source (true, ellipse,
    none); class and p (whose map it is, and its probability). maps.npz: images; cam uint8
    (n, h, w), each over its maximum; mask uint8 (n, S, S) if the network predicts one.
    """
    from abl.nets.model import design_of
    from abl.train.activation_maps import activation_maps, share_inside
    from abl.train.process import release_memory

    view, nodules = view_of(work), masks_of(work)
    if nodules is None:
        raise StageError("an activation stage needs nodules, which this stage lacks")
    split = split_of_stage(work, view, tested_reads)
    asked = ready(work)
    network, feed = as_trained_on_images(work, view, split, asked)
    design = design_of(asked.train, asked.image, asked.classes)
    maps = activation_maps(
        network, design, feed, split.test, predicted=bool(work.stage.settings.get(PREDICTED))
    )
    if not np.isfinite(maps.cam).all():
        raise StageError("activation maps are not finite")
    inside, area = share_inside(maps.cam, nodules.take("mixed", split.test)[:, 0])
    source = _sources(nodules, split.test)
    names = view.frame["image"].to_numpy()[split.test].astype(str)
    frame = pd.DataFrame(
        {
            "image": names,
            "inside": np.where(source == "none", np.nan, inside),
            "area": np.where(source == "none", np.nan, area),
            "source": source,
            "class": maps.classes,
            "p": maps.p,
        }
    )
    frame.to_parquet(work.out / ACTIVATION, index=False, compression="zstd")
    arrays = {"images": names, "cam": maps.scaled}
    if maps.masks is not None:
        arrays["mask"] = maps.masks
    np.savez_compressed(work.out / MAPS, **arrays)  # type: ignore[arg-type]
    facts = {
        "images": len(frame),
        "empty_maps": int((maps.cam.max(axis=(1, 2)) == 0).sum()),
        **asked.facts,
    }
    del network, feed
    release_memory()
    return facts


def _sources(nodules: MaskSet, positions: np.ndarray) -> np.ndarray:
    """(n,) what each image's nodule is known by."""
    known, true = nodules.known("mixed")[positions], nodules.known("true")[positions]
    return np.where(true, "true", np.where(known, "ellipse", "none"))
