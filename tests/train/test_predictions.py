from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from abl.nets.build import build_network
from abl.spec.data import Image
from abl.spec.train import Train
from abl.train.feed import PixelFeed
from abl.train.predictions import (
    mean_probabilities,
    predict_logits,
    predictions_frame,
    write_predictions,
)


def some_logits(epochs: int, classes: int) -> tuple[dict[str, list[str]], dict[str, np.ndarray]]:
    generator = np.random.default_rng(0)
    sizes = {"test": 3, "train": 5, "validation": 0}
    images = {role: [f"{role}{i}" for i in range(n)] for role, n in sizes.items()}
    logits = {
        role: generator.normal(size=(epochs, n, classes)).astype(np.float32)
        for role, n in sizes.items()
    }
    return images, logits


@pytest.mark.parametrize(("epochs", "classes"), [(1, 2), (3, 2), (2, 11)])
def test_predictions_survive_the_file(tmp_path, epochs, classes):
    images, logits = some_logits(epochs, classes)
    frame = predictions_frame(images, logits)
    assert frame["image"].tolist() == images["train"] + images["test"]
    assert frame["role"].tolist() == ["train"] * 5 + ["test"] * 3
    path = tmp_path / "predictions.parquet"
    write_predictions(path, frame)
    again = pd.read_parquet(path)
    pd.testing.assert_frame_equal(again, frame)
    test = again[again["role"] == "test"]
    kept = [[test[f"logit_{e}_{c}"] for c in range(classes)] for e in range(epochs)]
    np.testing.assert_array_equal(np.array(kept).swapaxes(1, 2), logits["test"])
    write_predictions(tmp_path / "second.parquet", again)
    assert (tmp_path / "second.parquet").read_bytes() == path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["predictions.parquet", "second.parquet"]


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(2, 5))
def test_probabilities_are_the_mean_softmax(seed, epochs, classes):
    logits = (40 * np.random.default_rng(seed).normal(size=(epochs, 6, classes))).astype(np.float32)
    p = mean_probabilities(logits)
    expected = torch.softmax(torch.from_numpy(logits).double(), -1).mean(0).numpy()
    np.testing.assert_allclose(p, expected, rtol=1e-12)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-12)
    shifted = mean_probabilities(logits.astype(np.float64) + 700)
    np.testing.assert_allclose(shifted, p, rtol=1e-9)


def test_ids_and_logits_must_agree():
    images, logits = some_logits(2, 2)
    with pytest.raises(ValueError, match="test"):
        predictions_frame({**images, "test": ["a"]}, logits)
    with pytest.raises(ValueError, match="roles"):
        predictions_frame({"holdout": []}, {"holdout": np.zeros((1, 0, 2))})


def plain_feed(pixels):
    return PixelFeed(pixels, Image(size=32), Train(), seed=0, device=torch.device("cpu"))


@pytest.mark.parametrize("name", ["tiny_resnet", "tiny_mobile", "cnn1"])
def test_an_images_logits_do_not_depend_on_what_else_is_asked(name):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = build_network(name, classes=2, channels=3, image_size=32)
    pixels = np.random.default_rng(0).integers(0, 256, (50, 3, 32, 32), dtype=np.uint8)
    feed = plain_feed(pixels)
    everything = predict_logits(network, feed, np.arange(50))
    order = np.random.default_rng(1).permutation(50)[:41]
    shuffled = predict_logits(network, feed, order)
    np.testing.assert_allclose(shuffled, everything[order], rtol=1e-5, atol=1e-6)
    fewer = predict_logits(network, feed, np.arange(41))
    np.testing.assert_array_equal(fewer, everything[:41])
    assert network.training  # left as it was


def test_no_positions_no_logits():
    network = build_network("plain4", classes=2, channels=3, image_size=32)
    pixels = np.zeros((1, 3, 32, 32), np.uint8)
    empty = np.array([], np.int64)
    assert len(predict_logits(network, plain_feed(pixels), empty)) == 0
