"""Masks in training: moved with their images, and a loss whose parts add up."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from abl.data.masks.mask_sets import MaskSet, boxes_elsewhere
from abl.nets.mask_guided import build_segmenter, overlap
from abl.spec.attention import Segmentation as Branch
from abl.spec.data import Image
from abl.spec.train import Augment, Optimizer, Train
from abl.train.epoch import (
    EpochRunner,
    Joint,
    SegmentationLoss,
    StepPart,
    classification,
    mask_losses,
)
from abl.train.fit import TrainingRows, fit
from abl.train.masks import MaskFeed, mask_scores

CPU = torch.device("cpu")
SIZE, COUNT = 32, 40
BRANCH = Branch(encoder="test_resnet", depth=3, width=8)


def blobs() -> tuple[np.ndarray, MaskSet]:
    """Bright discs on noise, with their masks; the last five have a box alone, then none."""
    draw = np.random.default_rng(0)
    centres, radii = draw.uniform(10, 22, (COUNT, 2)), draw.uniform(4, 8, COUNT)
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    inside = np.stack(
        [(x - cx) ** 2 + (y - cy) ** 2 <= r**2 for (cx, cy), r in zip(centres, radii, strict=True)]
    )
    pixels = (inside * 120 + draw.integers(0, 100, inside.shape)).astype(np.uint8)[:, None]
    low, high = centres - radii[:, None], centres + radii[:, None]
    boxes = np.concatenate([low, high], axis=1)
    boxes[-2:] = np.nan
    row_of = np.arange(COUNT)
    row_of[-5:] = -1
    masks = (inside[:-5, None] * 255).astype(np.uint8)
    names = [str(at) for at in range(COUNT)]
    return pixels, MaskSet(SIZE, masks, row_of, boxes, boxes_elsewhere(boxes, names, SIZE))


def settings(**changes: object) -> Train:
    values: dict[str, object] = {
        "epochs": 8,
        "last_k": 1,
        "batch_size": 16,
        "balance": "none",
        "optimizer": Optimizer(lr=5e-3),
        "augment": Augment(flip=True, rotate_deg=40, crop=0.8, gain=0.3),
    }
    return Train.model_validate(values | changes)


def feed_of(source: str, train: Train) -> MaskFeed:
    pixels, masks = blobs()
    image = Image(size=SIZE, channels=1, normalize="none")
    return MaskFeed(pixels, masks, source, image, train, seed=0, device=CPU)


def test_masks_are_moved_as_their_images_are():
    feed = feed_of("true", settings(augment=Augment(flip=True, rotate_deg=40, crop=0.8)))
    positions = np.arange(30)
    for _, shown in feed.epoch(positions, 1, 30):
        images, masks = shown(slice(None))
    # the disc is brighter than any noise
    bright = images > 0.6
    dice = 2 * (bright & (masks > 0.5)).sum() / (bright.sum() + (masks > 0.5).sum())
    assert dice > 0.6
    unmoved = torch.from_numpy(blobs()[1].take("true", positions)) > 127
    assert not torch.equal(masks > 0.5, unmoved)


def test_brightness_changes_no_mask():
    feed = feed_of("true", settings(augment=Augment(flip=False, rotate_deg=0, gain=0.5)))
    for _, shown in feed.epoch(np.arange(30), 1, 30):
        _, masks = shown(slice(None))
    assert masks.unique().tolist() == [0.0, 1.0]


def test_images_without_a_mask_have_no_loss():
    feed = feed_of("mixed", settings())
    for _, shown in feed.epoch(np.arange(COUNT), 1, COUNT):
        _, masks = shown(slice(None))
    assert (masks[-2:] == -1).all()
    assert (masks[:-2] >= 0).all()
    logits = torch.zeros_like(masks, requires_grad=True)
    losses, dice = mask_losses(logits, masks, "bce_dice")
    assert losses[-2:].tolist() == dice[-2:].tolist() == [0.0, 0.0]
    losses.sum().backward()
    assert not logits.grad[-2:].any()
    assert logits.grad[:-2].flatten(1).any(1).all()


@pytest.mark.parametrize("loss", ["bce", "dice", "bce_dice"])
def test_a_right_mask_has_no_loss_and_a_wrong_one_has(loss):
    masks = torch.zeros(2, 1, 8, 8)
    masks[:, :, 2:5, 2:5] = 1
    right, dice = mask_losses((masks * 2 - 1) * 30, masks, loss)
    wrong, none = mask_losses((1 - masks * 2) * 30, masks, loss)
    assert right.max() < 1e-4
    assert wrong.min() > 0.9
    assert dice.min() > 0.999 > 0.1 > none.max()


@pytest.mark.parametrize(
    "objective", [classification, SegmentationLoss("bce_dice"), Joint("dice", 0.5)]
)
def test_shares_of_parts_add_up_to_the_batch(objective):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 2, generator=generator)
    found = torch.randn(6, 1, 8, 8, generator=generator)
    masks = (torch.rand(6, 1, 8, 8, generator=generator) > 0.7).float()
    masks[4] = -1
    labels = torch.tensor([0, 1, 0, 1, 1, 0])
    weights = torch.tensor([0.5, 2.0])

    def share(part: slice) -> tuple[float, ...]:
        output = (logits[part], found[part])
        given = (found[part], masks[part])
        found_here = objective(StepPart(output, given, labels[part], labels, weights))
        return tuple(float(each) for each in found_here)

    whole = share(slice(0, 6))
    parts = [share(slice(0, 4)), share(slice(4, 6))]
    assert whole == pytest.approx(np.sum(parts, axis=0), rel=1e-5)


def test_a_branch_learns_to_find_the_disc_and_is_measured_on_true_masks():
    train = settings(epochs=12)
    torch.manual_seed(0)
    network = build_segmenter(BRANCH, 1)
    learned = fit(
        network,
        feed_of("mixed", train),
        TrainingRows(np.arange(30), np.zeros(30, np.int64), 1, evaluate={}),
        settings=train,
        image=Image(size=SIZE, channels=1, normalize="none"),
        seed=0,
        objective=SegmentationLoss("bce_dice"),
    )
    assert learned.history["train_loss"].iloc[-1] < learned.history["train_loss"].iloc[0]
    roles = {"train": np.arange(30), "test": np.arange(30, COUNT)}
    names = np.array([f"{at}.png" for at in range(COUNT)])
    scores = mask_scores(network, feed_of("true", train), roles, names)
    # five test images have no true mask
    assert scores.groupby("role").size().to_dict() == {"train": 30, "test": 5}
    assert scores.loc[scores["role"] == "test", "dice"].mean() > 0.6
    assert (scores["iou"] <= scores["dice"] + 1e-9).all()


def test_overlap_is_what_it_says():
    logits = torch.full((3, 1, 4, 4), -1.0)
    masks = torch.zeros(3, 1, 4, 4)
    logits[0, :, :2], masks[0, :, 1:3] = 1.0, 1.0  # two rows each, one in common
    masks[1, :, 0] = 1.0  # nothing found
    dice, iou = overlap(logits, masks)
    # nothing found where nothing is: neither right nor wrong
    assert dice.tolist() == pytest.approx([0.5, 0.0, np.nan], nan_ok=True)
    assert iou.tolist() == pytest.approx([1 / 3, 0.0, np.nan], nan_ok=True)


def test_micro_batches_give_the_gradient_of_the_batch_without_batchnorm():
    torch.manual_seed(0)
    pixels, _ = blobs()

    def weights_after(micro: int) -> torch.Tensor:
        train = settings(micro_batch=micro, optimizer=Optimizer(name="sgd", lr=0.1), epochs=1)
        torch.manual_seed(0)
        network = torch.nn.Conv2d(1, 1, 3, padding=1)
        network_ = _Fed(network)
        runner = EpochRunner(
            network_,
            feed_of("true", train),
            np.arange(16),
            np.zeros(16, np.int64),
            rows=np.arange(16),
            class_weights=None,
            settings=train,
            seed=0,
            device=CPU,
            objective=SegmentationLoss("bce_dice"),
        )
        runner.run(1, 0.1)
        return network.weight.detach().clone()

    assert len(pixels) == COUNT
    assert torch.allclose(weights_after(0), weights_after(5), atol=1e-6)


class _Fed(torch.nn.Module):
    def __init__(self, inner: torch.nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, images, masks):
        return self.inner(images)
