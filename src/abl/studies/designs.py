"""Axes of what a classifier is made of, and what can be wrong with a combination of them."""

from __future__ import annotations

from typing import Any

from abl.plan.graph import Arm
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.studies.base import StudyAxis

PRETRAINED, RANDOM = "pretrained", "random"

NETWORK = StudyAxis("network", "Backbone.", setting="train.network", words=True)
FROZEN = StudyAxis(
    "frozen",
    "n: the first n convolutions (of a transformer: blocks) stay as they are; or 'stage k'.",
    setting="train.frozen",
)
WEIGHTS = StudyAxis(
    "weights",
    "What training starts from: pretrained (train.weights), random (a control), imagenet, a file.",
    PRETRAINED,
    words=True,
)
HEAD = StudyAxis(
    "head",
    "Classifier behind the features: fc (the network's own), gap or spp.",
    setting="train.head",
    words=True,
)


# how a problem begins -> the axis that is at fault
_AXES = {"frozen": "frozen", "head": "head", "fusion": "mode", "variant": "variant",
         "placement": "placement", "mask": "mask", "network": "network", "image.size": "image.size",
         "segmentation": "train.attention.segmentation.encoder"}  # fmt: skip


def weights_meaning(params: dict[str, Any]) -> dict[str, Any]:
    """What a value of the weights axis changes."""
    given = str(params.get("weights", PRETRAINED))
    if given == PRETRAINED:
        return {}
    return {"train.weights": "none" if given == RANDOM else given}


def weights_faults(arm: Arm, file: SweepFile) -> list[tuple[str, str]]:
    """`pretrained` where nothing is: random networks would stand under a false name."""
    named = arm.named.get("weights") == PRETRAINED
    if not named or file.sweep.train.weights != "none":
        return []
    text = "weights: pretrained needs train.weights: a file, imagenet, or {pretrain: ...}"
    return [("weights", text)]


def design_relevant(params: dict[str, Any]) -> dict[str, Any]:
    """Without levels of a pyramid that the arm's head does not have."""
    drop = {"train.spp_levels"} if params.get("head", "spp") != "spp" else set()
    return {axis: value for axis, value in params.items() if axis not in drop}


def design_faults(sweep: Sweep) -> list[tuple[str, str]]:
    """(axis, what is wrong) with frozen layers, head and fusion of an arm's network."""
    train, image = sweep.train, sweep.image
    plain = (train.frozen, train.head, train.fusion) == (0, "fc", "none")
    if plain and train.attention.variant == "none":
        return []
    # shapes are worked out by torch, which takes seconds to import
    from abl.nets.design_check import design_problems

    return [
        (next((axis for word, axis in _AXES.items() if found.startswith(word)), "head"), found)
        for found in design_problems(train, image, len(sweep.data.classes))
    ]
