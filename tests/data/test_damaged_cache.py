"""Decoded images on the disk: damage is found before anything is trained on it, and mended."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from abl.data.cache_folders import SUMS
from abl.data.dataset import Dataset
from abl.data.load import load_dataset
from abl.data.views import FACTS, View, prepare_view, view_key
from abl.spec.data import Data, Image, Phantom

SIDE = 64


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-len(data) // 3] ^= 16
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("base")
    return load_dataset(Data(phantom=Phantom(patients=12, size=SIDE)), base=folder)


def prepared(dataset: Dataset, cache: Path, image: Image) -> tuple[View, list[str]]:
    key, said = view_key(dataset, SIDE, image), []
    view = prepare_view(dataset, key, longest_side=SIDE, image=image, cache=cache, say=said.append)
    return view, said


@pytest.mark.parametrize("fit", ["square", "own"])
@pytest.mark.parametrize("harm", [flip, cut, Path.unlink])
def test_damage_is_told_and_the_images_are_the_same_afterwards(
    dataset: Dataset, tmp_path: Path, fit: str, harm: Callable[[Path], None]
) -> None:
    image = Image(size=32, fit=fit)
    whole, _ = prepared(dataset, tmp_path / "whole", image)
    every = whole.pixel_set().take(np.arange(4))
    files = [p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").glob("*/*")]
    # what was decoded is read again only if what was made of it has to be
    files = [file for file in files if not str(file).startswith(("images-", "duplicates-"))]
    assert len(files) >= 5
    for number, file in enumerate(files):
        cache = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", cache)
        assert prepared(dataset, cache, image)[1] == []
        harm(cache / file)
        view, said = prepared(dataset, cache, image)
        told = f"decoded images of {dataset.name} are damaged on the disk: made again"
        # without the sums nothing is known, without its facts a view is one that was never finished
        unknown = harm is Path.unlink and file.name in (SUMS, FACTS)
        assert (told in said) is not unknown
        assert np.array_equal(view.pixel_set().take(np.arange(4)), every)
        assert view.frame.equals(whole.frame)
        assert view.pairs.equals(whole.pairs)
        assert prepared(dataset, cache, image)[1] == []


def test_other_views_are_not_made_of_damaged_images(dataset: Dataset, tmp_path: Path) -> None:
    whole, _ = prepared(dataset, tmp_path / "whole", Image(size=48))
    prepared(dataset, tmp_path / "cache", Image(size=32))
    (decoded,) = (tmp_path / "cache").glob("images-*/bytes.bin")
    flip(decoded)
    view, _ = prepared(dataset, tmp_path / "cache", Image(size=48))
    assert np.array_equal(np.asarray(view.pixels), np.asarray(whole.pixels))
