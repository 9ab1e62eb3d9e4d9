"""The order in which epochs show images: anew each time, or that of the first."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from abl.spec.data import Image
from abl.spec.train import Train
from abl.train.epoch import EpochRunner
from abl.train.feed import PixelFeed


def orders(shuffle: str) -> list[list[int]]:
    """Labels, which name the images, as three epochs show them."""
    settings = Train.model_validate({"shuffle": shuffle, "augment": {"views": 1}, "batch_size": 20})
    device, count = torch.device("cpu"), 12
    feed = PixelFeed(
        np.zeros((count, 1, 8, 8), np.uint8), Image(channels=1), settings, seed=0, device=device
    )
    runner = EpochRunner(
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, count)),
        feed,
        np.arange(count),
        np.arange(count),
        rows=np.arange(count),
        class_weights=None,
        settings=settings,
        seed=0,
        device=device,
    )
    return [next(iter(runner._batches(epoch)))[1].tolist() for epoch in (1, 2, 3)]


@pytest.mark.parametrize(("shuffle", "different"), [("epoch", 3), ("once", 1)])
def test_images_are_shuffled_every_epoch_or_once(shuffle: str, different: int) -> None:
    found = orders(shuffle)
    assert len({tuple(each) for each in found}) == different
    assert found[0] == orders("epoch")[0]
    assert sorted(found[0]) == list(range(12))
