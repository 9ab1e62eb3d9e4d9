"""Maps of fed images, and the share of a map that lies in the nodule."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from abl.nets.model import Design, build_classifier
from abl.spec.data import Image
from abl.spec.train import Train
from abl.train.activation_maps import ActivationMaps, activation_maps, share_inside
from abl.train.feed import PixelFeed

SIZE, COUNT = 32, 40
DESIGN = Design("tiny_resnet", 2, 1, SIZE)


def nodule(left: int, top: int, side: int) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[top : top + side, left : left + side] = 255
    return mask


def test_a_flat_map_has_the_nodules_share_of_the_image():
    nodules = np.stack([nodule(0, 0, 16), nodule(3, 5, 8)])
    inside, area = share_inside(np.full((2, 4, 4), 0.3), nodules)
    np.testing.assert_allclose(area, [0.25, 64 / 1024])
    np.testing.assert_allclose(inside, area)


def test_a_map_lies_where_its_place_in_the_image_is():
    cam = np.zeros((3, 4, 4))
    cam[:, 0, 3] = 2.0  # upper right
    nodules = np.stack([nodule(16, 0, 16), nodule(0, 0, 16), nodule(16, 16, 16)])
    inside, _ = share_inside(cam, nodules)
    np.testing.assert_allclose(inside, [1, 0, 0], atol=1e-12)


def test_a_map_of_zeros_has_no_share():
    inside, area = share_inside(np.zeros((1, 4, 4)), nodule(0, 0, 8)[None])
    assert np.isnan(inside[0])
    assert area[0] == pytest.approx(1 / 16)


def test_maps_are_kept_over_their_own_maximum():
    cam = np.array([[[0.0, 0.5], [1.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]]], np.float32)
    scaled = ActivationMaps(cam, np.ones(2, int), np.ones(2), None).scaled
    assert scaled.dtype == np.uint8
    assert scaled.tolist() == [[[0, 64], [128, 255]], [[0, 0], [0, 0]]]


def test_maps_come_in_the_order_asked_for_over_several_batches():
    torch.manual_seed(0)
    network = build_classifier(DESIGN)
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 1, SIZE, SIZE)).astype(np.uint8)
    feed = PixelFeed(
        pixels,
        Image(size=SIZE, channels=1, normalize="half"),
        Train(),
        seed=0,
        device=torch.device("cpu"),
    )
    network.train()
    order = np.random.default_rng(1).permutation(COUNT)
    every = activation_maps(network, DESIGN, feed, np.arange(COUNT))
    mixed = activation_maps(network, DESIGN, feed, order)
    assert every.masks is None
    assert len(np.unique(every.p)) > COUNT // 2
    np.testing.assert_allclose(mixed.p, every.p[order], rtol=1e-5)
    np.testing.assert_allclose(mixed.cam, every.cam[order], rtol=1e-3, atol=1e-6)
