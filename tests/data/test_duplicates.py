from __future__ import annotations

import io
import itertools

import numpy as np
import pandas as pd
import pytest
from image_folders import write_set
from PIL import Image, ImageEnhance

from abl.data.arrays import image_array
from abl.data.dataset import Dataset
from abl.data.duplicates.near_duplicates import (
    close_pairs,
    duplicate_problems,
    duplicates_across,
    near_duplicate_pairs,
)
from abl.data.images import FileSource
from abl.data.manifest import load_manifest
from abl.data.splits.splits import Split


def scene(seed):
    """Blobs of several sizes: like a photograph in its spectrum."""
    draw = np.random.default_rng(seed)
    layers = [
        Image.fromarray(draw.integers(0, 256, (side, side), dtype=np.uint8)).resize((96, 96))
        for side in (4, 8, 16, 48)
    ]
    return Image.fromarray(
        np.mean([np.asarray(layer) for layer in layers], axis=0).astype(np.uint8)
    )


def compressed(image):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    return Image.open(io.BytesIO(buffer.getvalue()))


COPIES = {
    "same": lambda image: image,
    "compressed": compressed,
    "halved": lambda image: image.resize((48, 48)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "colour": lambda image: Image.merge("RGB", (image, image, image.point(lambda v: v // 2))),
}


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_is_found_and_nothing_else(tmp_path, copy):
    pictures = [scene(seed) for seed in range(12)]
    pictures.append(COPIES[copy](pictures[5]))
    dataset = load_manifest(write_set(tmp_path, [np.asarray(picture) for picture in pictures]))
    pairs = near_duplicate_pairs(image_array(dataset, tmp_path / "c", longest_side=256))
    assert pairs[["position_a", "position_b"]].to_numpy().tolist() == [[5, 12]]
    if copy == "same":
        assert pairs["distance"].tolist() == [0]


@pytest.mark.parametrize("threshold", [0, 20, 110])
def test_close_pairs_are_those_of_a_plain_comparison(threshold):
    draw = np.random.default_rng(threshold)
    hashes = draw.integers(0, 2**63, (150, 4), dtype=np.uint64)
    hashes[140:] = hashes[:10] ^ (np.uint64(1) << draw.integers(0, 64, (10, 4)).astype(np.uint64))
    hashes[7] = hashes[9]
    bits = np.unpackbits(hashes.view(np.uint8), axis=1)
    expected = [
        [a, b, distance]
        for a, b in itertools.combinations(range(150), 2)
        if (distance := int((bits[a] != bits[b]).sum())) <= threshold
    ]
    assert close_pairs(hashes, threshold).tolist() == expected
    assert [7, 9, 0] in expected


def test_pairs_across_a_split_are_told_with_their_sides():
    split = Split(np.array([0, 3]), np.array([1]), np.array([2, 4]))
    pairs = pd.DataFrame(
        [[0, 3, 0], [0, 4, 2], [1, 2, 5]], columns=["position_a", "position_b", "distance"]
    )
    across = duplicates_across(split, pairs)
    assert across[["position_a", "role_a", "position_b", "role_b"]].to_numpy().tolist() == [
        [0, "train", 4, "test"],
        [1, "validation", 2, "test"],
    ]
    frame = pd.DataFrame({"image": list("abcde"), "patient": list("vwxyz"), "label": [0] * 5})
    dataset = Dataset("set", frame, FileSource("", (), ()), ("benign", "malignant"))
    lines = [str(problem) for problem in duplicate_problems(dataset, across)]
    assert len(lines) == 2
    assert "a (patient v, train) and e (patient z, test)" in lines[0]


def test_no_pairs_is_an_empty_table():
    split = Split(np.array([0]), np.array([1]), np.array([2]))
    hashes = np.array([[0] * 4, [2**63] * 4, [2**64 - 1] * 4], dtype=np.uint64)
    pairs = pd.DataFrame(close_pairs(hashes, 3), columns=["position_a", "position_b", "distance"])
    assert len(duplicates_across(split, pairs)) == 0
