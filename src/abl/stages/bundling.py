"""Whether the trainings of an arm can be one program."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from abl.nets.user_module import component_identity
from abl.plan.bundles import measured_bundle
from abl.plan.graph import Plan
from abl.plan.stage import canonical_json
from abl.spec.sweep import Sweep

if TYPE_CHECKING:
    from abl.nets.model import Design


def bundle_size(sweep: Sweep, *, classes: int, plan: Plan) -> int:
    """How many trainings of an arm run as one program at most; 1 if each runs by itself.

    It is part of no identity; that it is above 1 is. So it depends on the sweep file alone. A
    network that cannot be one of a bundle is noted in the plan, if bundles were asked for.
    """
    train, image = sweep.train, sweep.image
    asked = train.bundle
    if asked == "auto":
        size = measured_bundle(
            train.network, image.size, train.batch_size, gpus=sweep.resources.gpus
        )
    else:
        size = 1 if asked == "none" else asked
    if size == 1:
        return 1
    why = _refused(sweep) or _not_stacked(sweep, classes)
    if not why:
        return size
    note = f"train.bundle: trainings of {train.network} run by themselves: {why}"
    if asked != "auto" and note not in plan.notes:
        plan.notes.append(note)
    return 1


def _refused(sweep: Sweep) -> str:
    """Why its settings are not for bundles."""
    train = sweep.train
    if train.attention.variant != "none":
        return "attention modules are not stacked"
    if train.frozen != 0:
        return "frozen layers are not stacked"
    if train.precision == "fp16":
        return "precision fp16 scales the gradients of one training"
    if train.is_channels_last:
        return "memory_format: channels_last is not for stacked weights"
    return "images of different shapes" if sweep.image.fit != "square" else ""


def _not_stacked(sweep: Sweep, classes: int) -> str:
    """Why the network cannot be computed with stacked weights; tried on shapes alone."""
    from abl.nets.model import design_of  # torch, which other plans do without

    design = design_of(sweep.train.with_changes({"weights": "none"}), sweep.image, classes)
    channels = sweep.image.channels * (2 if sweep.data.modality == "both" else 1)
    return _fault(design, channels, canonical_json(component_identity(sweep.train.components)))


@lru_cache(maxsize=1024)  # arms differ in numbers mostly
def _fault(design: Design, channels: int, source: str) -> str:
    from abl.nets.build import build_network
    from abl.nets.model import build_classifier
    from abl.train.stacked import stacking_fault

    if (design.head, design.fusion) == ("fc", "none"):
        network = build_network(design.network, weights="none", **design.takes)
    else:
        network = build_classifier(design)
    return stacking_fault(network, (channels, design.image_size, design.image_size))
