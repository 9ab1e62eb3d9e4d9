"""The network of a training with attention modules, and the images and masks it is fed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abl.data.views import View
from abl.errors import StageError
from abl.runner.execute import Work
from abl.runner.seen import masks_of
from abl.spec.data import Image
from abl.spec.train import Train

if TYPE_CHECKING:  # importing torch takes seconds, which a driver with nothing to train is spared
    import torch
    from torch import nn

    from abl.train.feed import PixelFeed
    from abl.train.objectives import Objective

SEGMENTER = "segmenter"  # role of the stage that trains the segmentation branch alone


def guided_of(
    work: Work, view: View, settings: Train, image: Image, classes: int, device: torch.device
) -> tuple[nn.Module, PixelFeed]:
    """The network of a stage, on the CPU as it starts, and its feed.

    Its segmentation branch has the weights with which it was trained alone.

    Raises:
        InputError: A network that cannot be made as asked.
        StageError: Masks are needed and the stage has none.
    """
    from abl.nets.mask_guided import build_guided
    from abl.nets.model import design_of
    from abl.nets.weights import load_state, read_state
    from abl.train.feed import PixelFeed
    from abl.train.mask_feed import MaskFeed

    attention, masks = settings.attention, masks_of(work)
    # its weights are those of a stage
    branch_alone = attention.segmentation.model_copy(update={"weights": "none"})
    attention = attention.model_copy(update={"segmentation": branch_alone})
    network = build_guided(design_of(settings, image, classes), attention)
    if SEGMENTER in work.stage.inputs:
        branch = network.network.get_submodule("segmenter")
        path = branch_weights(work, work.stage.inputs[SEGMENTER])
        load_state(branch, read_state(path), source=f"stage {work.stage.inputs[SEGMENTER][:12]}")
    seed, pixels = int(work.stage.seed or 0), view.pixel_set()
    if attention.masks is None or (masks is None and attention.is_predicted):
        return network, PixelFeed(pixels, image, settings, seed=seed, device=device)
    if masks is None:
        raise StageError(f"attention.mask: {attention.mask} needs masks, which this stage lacks")
    feed = MaskFeed(pixels, masks, attention.masks, image, settings, seed=seed, device=device)
    return network, feed


def objective_of(settings: Train) -> Objective:
    """The loss of a training: of classes, or of classes and masks."""
    from abl.train.objectives import Joint, classification

    attention = settings.attention
    if not attention.is_predicted:
        return classification
    return Joint(attention.segmentation.loss, attention.alpha)


def branch_weights(work: Work, digest: str) -> str:
    """The file of a segmentation branch. Raises StageError if it is not in the store."""
    done = work.store.done(digest)
    names = [] if done is None else sorted(n for n in done.files if n.endswith(".safetensors"))
    if not names:
        raise StageError("the segmentation branch is not in the store")
    return str(work.store.file(digest, names[-1]))
