from __future__ import annotations

import json

import numpy as np
import pytest
from image_folders import noise_image, write_png, write_set
from PIL import Image as Pillow
from pydantic import ValidationError
from test_modalities import two_modality_set

from abl.data.dataset import BOX
from abl.data.load import load_dataset
from abl.data.pixel_sets import RaggedPixels, shuffled_partners
from abl.data.pixels import fitted
from abl.data.splits.splits import split_of
from abl.data.view_reads import training_reads
from abl.data.views import open_view, prepare_view, view_key
from abl.errors import InputError
from abl.record.store import Store
from abl.spec.data import Crop, Data, Image, Phantom
from abl.spec.splits import Splits
from abl.stages.inputs import Workspace

PHANTOM = Data(phantom=Phantom(patients=12, size=64))


def view_of(tmp_path, image, modality="first", pairing="own", cache="cache", data=None):
    data = Data(**(data or {"manifest": "manifest.csv"}), modality=modality, pairing=pairing)
    dataset = load_dataset(data, base=tmp_path)
    key = view_key(dataset, 1024, image)
    options = {"longest_side": 1024, "image": image, "cache": tmp_path / cache}
    return prepare_view(dataset, key, say=lambda _: None, **options)


def folders(cache, kind):
    return sorted(path.name for path in cache.glob(f"{kind}-*") if path.is_dir())


def everything(pixels):
    return pixels.take(np.arange(len(pixels)))


def test_names_of_what_earlier_versions_made_still_hold(tmp_path):
    # pinned before there were modalities: a change here has every sweep decode and train again
    dataset = load_dataset(PHANTOM, base=tmp_path)
    assert view_key(dataset, 1024, Image()) == "b9e0843a6b31e44f7e400fdb40136dbd"
    boxed = Image(size=32, channels=1, crop=Crop(to="box", margin=0.2))
    assert view_key(dataset, 256, boxed) == "e59e49fb2818c9f156a8f7c7e7af7b5e"
    key = view_key(dataset, 1024, Image(size=32))
    assert key == "b5403509d1da5c3e0caa4fb4d54d66e1"
    options = {"longest_side": 1024, "image": Image(size=32), "cache": tmp_path}
    view = prepare_view(dataset, key, say=lambda _: None, **options)
    assert folders(tmp_path, "images") == ["images-b21e97b315a3740baa0085ce7a3cbd43"]
    assert folders(tmp_path, "pixels") == ["pixels-4bbd6f733cc9f504f92e432a9efb1b2d"]
    split = split_of(dataset.frame, Splits(draw=1), 0, 0)
    reads = "fae772f1d4c4e97d8818e9e6cbd6ff49fa4eb67f76af9889a4804c7324d7b85c"
    assert training_reads(dataset.frame, split) == reads
    facts = tmp_path / f"view-{key}" / "view.json"
    facts.write_text(json.dumps({"pixels": json.loads(facts.read_text())["pixels"]}))
    again = open_view(tmp_path, key)
    np.testing.assert_array_equal(again.pixels, view.pixels)
    assert again.second is None


def test_pairs_keep_one_array_for_each_modality(tmp_path):
    two_modality_set(tmp_path)
    image = Image(size=16, channels=1)
    first, second, both = (view_of(tmp_path, image, each) for each in ("first", "second", "both"))
    np.testing.assert_array_equal(both.pixels, first.pixels)
    np.testing.assert_array_equal(both.second, second.pixels)
    assert len(folders(tmp_path / "cache", "images")) == 2
    assert len(folders(tmp_path / "cache", "pixels")) == 2
    pixels = both.pixel_set()
    assert pixels.channels == 2
    np.testing.assert_array_equal(
        everything(pixels), np.concatenate([first.pixels, second.pixels], axis=1)
    )
    assert first.pixel_set().channels == 1
    assert first.second is None
    with pytest.raises(ValueError, match="no pairs"):
        first.pixel_set(np.arange(8))


def test_the_first_twice_makes_no_second_array(tmp_path):
    write_set(tmp_path, [noise_image(number) for number in range(8)])
    view = view_of(tmp_path, Image(size=16), "both", "first")
    assert view.second is view.pixels
    assert len(folders(tmp_path / "cache", "pixels")) == 1
    taken = everything(view.pixel_set())
    np.testing.assert_array_equal(taken[:, :3], taken[:, 3:])


def test_shuffled_pairs_are_never_read_as_the_true_ones(tmp_path):
    two_modality_set(tmp_path)
    own = view_of(tmp_path, Image(size=16), "both")
    view = view_of(tmp_path, Image(size=16), "both", "shuffled")
    assert view.pairing == "shuffled"
    assert len(folders(tmp_path / "cache", "pixels")) == 2  # shared with the true pairs
    with pytest.raises(ValueError, match="needs partners"):
        view.pixel_set()
    frame = view.frame
    partner = shuffled_partners(frame["label"], frame["patient"], [np.arange(8)], 0)
    assert (frame["patient"].to_numpy()[partner] != frame["patient"].to_numpy()).all()
    taken, true = everything(view.pixel_set(partner)), everything(own.pixel_set())
    np.testing.assert_array_equal(taken[:, :3], true[:, :3])
    np.testing.assert_array_equal(taken[:, 3:], true[partner, 3:])


def test_a_mixed_view_holds_both_kinds(tmp_path):
    two_modality_set(tmp_path)
    image = Image(size=16)
    first, second, mixed = (view_of(tmp_path, image, each) for each in ("first", "second", "mixed"))
    np.testing.assert_array_equal(mixed.pixels, np.concatenate([first.pixels, second.pixels]))
    assert mixed.frame["modality"].tolist() == ["first"] * 8 + ["second"] * 8


def test_a_pair_is_cut_at_the_same_place_whatever_the_sizes(tmp_path):
    box = {name: [value] * 8 for name, value in zip(BOX, (8, 4, 20, 16), strict=True)}
    two_modality_set(tmp_path, second_side=2, **box)
    image = Image(size=24, channels=1, crop=Crop(to="box"))
    for modality in ("second", "both", "mixed"):
        view = view_of(tmp_path, image, modality, cache=modality)
        second = view.second if modality == "both" else view.pixels[-8:]
        expected = np.kron(noise_image(103)[4:16, 8:20], np.ones((2, 2)))
        np.testing.assert_array_equal(second[3, 0], expected)


def test_the_second_alone_decodes_the_first_only_where_boxes_need_its_size(tmp_path):
    box = {name: [value] * 8 for name, value in zip(BOX, (8, 4, 20, 16), strict=True)}
    two_modality_set(tmp_path, **box)
    view_of(tmp_path, Image(size=16), "second")
    assert len(folders(tmp_path / "cache", "images")) == 1
    view_of(tmp_path, Image(size=16, crop=Crop(to="box")), "second")
    assert len(folders(tmp_path / "cache", "images")) == 2


def test_images_keep_their_shape_are_reduced_and_never_enlarged_beyond_a_multiple(tmp_path):
    sides = [(24, 32), (100, 200), (5, 9), (64, 64), (300, 30), (39, 41)]
    images = [noise_image(number, *side) for number, side in enumerate(sides)]
    write_set(tmp_path, images)
    view = view_of(tmp_path, Image(size=64, fit="own", multiple=8, channels=1))
    assert view.pixels is None
    pixels = view.pixel_set()
    assert (len(pixels), pixels.channels) == (6, 1)
    shapes = pixels.shapes(np.arange(6)).tolist()
    assert shapes == [[24, 32], [32, 64], [8, 8], [64, 64], [64, 8], [40, 40]]
    np.testing.assert_array_equal(pixels.take(np.array([0]))[0, 0], images[0])
    picture = Pillow.fromarray(images[1]).resize((64, 32), Pillow.Resampling.BILINEAR)
    np.testing.assert_array_equal(pixels.take(np.array([1]))[0, 0], np.asarray(picture))
    with pytest.raises(ValueError, match=r"3 shapes: 8 x 8, 24 x 32, 64 x 64"):
        pixels.take(np.array([0, 2, 3]))


@pytest.mark.parametrize(("size", "multiple", "expected"), [(50, 16, [48, 32]), (16, 16, [16, 16])])
def test_no_side_is_longer_than_the_size(tmp_path, size, multiple, expected):
    write_set(tmp_path, [noise_image(number, 90, 60) for number in range(4)])
    pixels = view_of(tmp_path, Image(size=size, fit="own", multiple=multiple)).pixel_set()
    assert pixels.shapes(np.arange(4)).tolist() == [expected] * 4
    with pytest.raises(ValidationError, match="at least one multiple"):
        Image(size=8, fit="own")


def test_what_is_cut_is_not_made_square(tmp_path):
    box = {name: [value] * 8 for name, value in zip(BOX, (8, 4, 24, 12), strict=True)}
    two_modality_set(tmp_path, second_side=2, **box)
    image = Image(size=64, fit="own", multiple=8, channels=1, crop=Crop(to="box"))
    view = view_of(tmp_path, image, "both")
    pixels = view.pixel_set()
    assert pixels.shapes(np.array([0])).tolist() == [[8, 16]]
    taken = pixels.take(np.array([3, 5]))
    np.testing.assert_array_equal(taken[1, 0], noise_image(5)[4:12, 8:24])
    # the second has the shape of the first, though it has twice the pixels
    large = np.kron(noise_image(105), np.ones((2, 2), dtype=np.uint8))[8:24, 16:48, None]
    np.testing.assert_array_equal(taken[1, 1:], fitted(large, 8, 16, 1))
    alone = view_of(tmp_path, image, "second").pixel_set()
    assert alone.shapes(np.array([0])).tolist() == [[16, 32]]


def test_shuffled_pairs_of_own_shapes_take_the_shape_of_the_first(tmp_path):
    images = [noise_image(number, 16 * (1 + number % 2), 32) for number in range(8)]
    names = [f"second/{number}.png" for number in range(8)]
    for number, name in enumerate(names):
        second = np.full(images[number].shape, 10 * number, dtype=np.uint8)
        second[:, ::2] += 1  # an image of one value is refused
        write_png(tmp_path / name, second)
    write_set(tmp_path, images, {"image2": names})
    view = view_of(tmp_path, Image(size=32, fit="own", channels=1), "both", "shuffled")
    partner = np.array([5, 4, 7, 6, 1, 0, 3, 2])
    taken = view.pixel_set(partner).take(np.array([0, 4]))
    assert taken.shape == (2, 2, 16, 32)
    assert [int(np.median(each)) // 10 for each in taken[:, 1]] == [5, 1]


def test_own_shapes_are_the_same_bytes_from_one_process_and_two(tmp_path, monkeypatch):
    from abl.data.arrays import image_array, own_pixel_folder, own_shapes

    write_set(tmp_path, [noise_image(n, 20 + n % 7, 30) for n in range(150)])
    dataset = load_dataset(Data(manifest="manifest.csv"), base=tmp_path)
    array = image_array(dataset, tmp_path / "cache", longest_side=64)
    image = Image(size=16, fit="own", multiple=4)
    shapes = own_shapes(array, image)
    found = []
    for workers in (1, 2):
        monkeypatch.setattr("abl.data.workers.processes_for", lambda *_, n=workers, **__: n)
        found.append(own_pixel_folder(array, tmp_path / str(workers), image, shapes))
    assert found[0].name == found[1].name
    one, two = (RaggedPixels(folder) for folder in found)
    for position in (0, 77, 149):
        np.testing.assert_array_equal(one.image(position), two.image(position))


@pytest.mark.parametrize(
    "data",
    [
        {"modality": "second"},
        {"modality": "mixed"},
        {"modality": "both"},
        {"modality": "both", "pairing": "first"},
        {"modality": "both", "pairing": "shuffled"},
    ],
)
@pytest.mark.parametrize("fit", ["square", "own"])
def test_a_workspace_prepares_every_modality(tmp_path, data, fit):
    workspace = Workspace(Store(tmp_path / "store"), tmp_path)
    opened = workspace.data(PHANTOM.model_copy(update=data))
    first = workspace.data(PHANTOM)
    image = Image(size=32, fit=fit)
    key = workspace.view(opened, image)
    assert key != workspace.view(first, image)
    opened.split(Splits(by="image"), 0, 0)
    assert opened.reads(Splits(), 0, 0) != first.reads(Splits(), 0, 0)
    assert workspace.prepare(lambda _: None) == []
    view = open_view(workspace.store.cache, key)
    pixels = view.pixel_set(np.arange(26) if data.get("pairing") == "shuffled" else None)
    assert len(pixels) == len(view.frame) == (52 if data["modality"] == "mixed" else 26)
    assert pixels.channels == (6 if data["modality"] == "both" else 3)
    assert pixels.take(np.array([0, 25])).shape == (2, pixels.channels, 32, 32)


def test_a_second_image_that_cannot_be_read_is_named(tmp_path):
    two_modality_set(tmp_path)
    (tmp_path / "second" / "3.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"second/3\.png"):
        view_of(tmp_path, Image(size=16), "both")
