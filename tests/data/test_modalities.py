from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from image_folders import noise_image, write_png, write_set
from pydantic import ValidationError

from abl.data.arrays import image_array, pixel_array
from abl.data.dataset import BOX
from abl.data.load import load_dataset
from abl.data.manifest import load_manifest
from abl.data.modalities import mixed_modalities, second_modality
from abl.data.phantom import phantom_dataset
from abl.data.splits.splits import fold_count, inner_folds, split_of
from abl.data.view_reads import training_reads
from abl.errors import InputError
from abl.spec.base import identity_of
from abl.spec.data import Crop, Data, Image, Phantom
from abl.spec.splits import Splits

PHANTOM = Phantom(patients=30, size=32, further_nodule=0.5)


def opened(modality, pairing="own", **data):
    data = data or {"phantom": PHANTOM}
    return Data(modality=modality, pairing=pairing, **data)


def loaded(modality, pairing="own", base=None, **data):
    return load_dataset(opened(modality, pairing, **data), base=base)


def two_modality_set(folder, count=8, lacking=(), second_side=1, **extra):
    """Noise images of 24 x 32, second images that many times larger; returns the manifest."""
    names = ["" if number in lacking else f"second/{number}.png" for number in range(count)]
    for number, name in enumerate(names):
        if name:
            small = noise_image(100 + number)
            write_png(folder / name, np.kron(small, np.ones((second_side,) * 2, dtype=np.uint8)))
    images = [noise_image(number) for number in range(count)]
    return write_set(folder, images, {"image2": names} | extra)


def test_a_pairing_needs_pairs():
    for modality in ("first", "second", "mixed"):
        with pytest.raises(ValidationError, match="pairing: shuffled needs modality: both"):
            opened(modality, "shuffled")
    assert opened("both", "shuffled").pairing == "shuffled"


def test_the_new_settings_leave_no_trace_at_their_defaults():
    assert "modality" not in identity_of(opened("first"))
    assert identity_of(Image()) == {}
    assert identity_of(opened("both", "first"))["pairing"] == "first"


def test_the_second_modality_of_the_phantom_is_its_elasticity():
    first, second = loaded("first"), loaded("second")
    elasticity = phantom_dataset(PHANTOM, "elasticity")
    pd.testing.assert_frame_equal(second.frame, elasticity.frame)
    assert second.source == elasticity.source
    assert second.frame["image"].tolist() == first.frame["image"].tolist()
    np.testing.assert_array_equal(second.source.decode(3), elasticity.source.decode(3))
    some = first.having(np.arange(len(first)) % 2 == 1, "half")
    np.testing.assert_array_equal(
        second_modality(some).source.decode(1), elasticity.source.decode(3)
    )


def test_the_second_modality_of_a_manifest_is_its_second_images(tmp_path):
    two_modality_set(tmp_path)
    first = loaded("first", base=tmp_path, manifest="manifest.csv")
    second = loaded("second", base=tmp_path, manifest="manifest.csv")
    np.testing.assert_array_equal(second.source.decode(2), noise_image(102))
    assert second.frame["image"].tolist() == first.frame["image"].tolist()
    assert second.frame["fingerprint"].tolist() == second.source.fingerprints()
    assert set(second.frame["fingerprint"]).isdisjoint(first.frame["fingerprint"])


def test_pairs_decode_both_images_and_are_identified_by_both(tmp_path):
    two_modality_set(tmp_path)
    sets = {
        name: loaded("both", name, base=tmp_path, manifest="manifest.csv")
        for name in ("own", "first", "shuffled")
    }
    np.testing.assert_array_equal(sets["own"].source.decode(5), noise_image(5))
    np.testing.assert_array_equal(sets["own"].second.decode(5), noise_image(105))
    np.testing.assert_array_equal(sets["shuffled"].second.decode(5), noise_image(105))
    assert sets["first"].second is sets["first"].source
    prints = [tuple(each.frame["fingerprint"]) for each in sets.values()]
    alone = loaded("first", base=tmp_path, manifest="manifest.csv").frame["fingerprint"]
    assert len({*prints, tuple(alone)}) == 4
    before = sets["own"].frame["fingerprint"]
    write_png(tmp_path / "second" / "5.png", noise_image(207))
    after = loaded("both", base=tmp_path, manifest="manifest.csv").frame["fingerprint"]
    assert np.flatnonzero(before != after).tolist() == [5]


def test_rows_that_are_left_out_keep_their_own_second_images():
    pairs = loaded("both")
    some = pairs.having(np.arange(len(pairs)) >= 4, "later rows")
    np.testing.assert_array_equal(some.second.decode(0), pairs.second.decode(4))
    assert some.pairing == "own"


def test_a_set_without_second_images_is_refused_but_for_the_control(tmp_path):
    write_set(tmp_path, [noise_image(number) for number in range(4)])
    for modality in ("second", "both", "mixed"):
        with pytest.raises(InputError, match=r"no second modality: add a column image2"):
            loaded(modality, base=tmp_path, manifest="manifest.csv")
    assert len(loaded("both", "first", base=tmp_path, manifest="manifest.csv")) == 4


@pytest.mark.parametrize("modality", ["second", "both", "mixed"])
def test_rows_without_a_second_image_are_named_with_the_way_out(tmp_path, modality):
    two_modality_set(tmp_path, lacking=(1, 6))
    with pytest.raises(InputError) as error:
        loaded(modality, base=tmp_path, manifest="manifest.csv")
    said = [str(problem) for problem in error.value.problems]
    assert [line.split(":")[0] for line in said] == ["images/1.png", "images/6.png"]
    assert all("has no image2" in line for line in said)
    assert all("data: {drop_missing: [image2]}" in line for line in said)
    left = loaded(modality, base=tmp_path, manifest="manifest.csv", drop_missing=("image2",))
    assert len(left) == (12 if modality == "mixed" else 6)
    assert any("2 images" in note and "without image2" in note for note in left.notes)
    second = left.second if modality == "both" else left.source
    np.testing.assert_array_equal(second.decode(len(left) - 1), noise_image(107))


def test_of_many_rows_without_a_second_image_the_first_are_named(tmp_path):
    two_modality_set(tmp_path, 30, lacking=range(2, 30))
    with pytest.raises(InputError) as error:
        loaded("both", base=tmp_path, manifest="manifest.csv")
    assert len(error.value.problems) == 21
    assert "8 more rows" in str(error.value.problems[-1])


def test_a_mixed_set_holds_every_image_once(tmp_path):
    two_modality_set(tmp_path, site=list("abcdefgh"))
    mixed = loaded("mixed", base=tmp_path, manifest="manifest.csv")
    frame = mixed.frame
    assert len(mixed) == 16
    assert frame["image"].tolist() == [
        *(f"images/{number}.png" for number in range(8)),
        *(f"second/{number}.png" for number in range(8)),
    ]
    assert frame["modality"].tolist() == ["first"] * 8 + ["second"] * 8
    assert frame["fingerprint"].tolist() == mixed.source.fingerprints()
    for name in ("label", "train_label", "patient", "nodule", "site"):
        assert frame[name].tolist()[:8] == frame[name].tolist()[8:]
    source = pickle.loads(pickle.dumps(mixed.source))
    np.testing.assert_array_equal(source.decode(7), noise_image(7))
    np.testing.assert_array_equal(source.decode(9), noise_image(101))


def test_ids_of_a_mixed_set_are_unique_whatever_the_second_images_are_called(tmp_path):
    manifest = two_modality_set(tmp_path, 4)
    manifest.write_text(manifest.read_text().replace("second/3.png", "second/2.png"))
    ids = mixed_modalities(load_manifest(manifest)).frame["image"].tolist()
    assert ids[4:] == ["second/0.png", "second/1.png", "second/2.png", "second/2.png#2"]


def test_a_second_image_that_is_a_first_one_is_told_by_row(tmp_path):
    manifest = two_modality_set(tmp_path, 8)
    manifest.write_text(manifest.read_text().replace("second/1.png", "images/1.png"))
    for modality in ("second", "both", "mixed"):
        with pytest.raises(InputError) as caught:
            loaded(modality, base=tmp_path, manifest="manifest.csv")
        lines = [str(each).partition("manifest.csv:")[2] for each in caught.value.problems]
        assert lines == [
            "3: 'images/1.png' is image2 and holds the same bytes as the row's image "
            "'images/1.png'; name its second modality, or leave image2 empty",
        ]
    assert len(loaded("first", base=tmp_path, manifest="manifest.csv")) == 8


def test_a_second_image_that_is_another_row_s_image_is_noted(tmp_path):
    manifest = two_modality_set(tmp_path, 8)
    manifest.write_text(manifest.read_text().replace("second/3.png", "images/2.png"))
    notes = loaded("both", base=tmp_path, manifest="manifest.csv").notes
    assert notes == (
        "image2 of 1 row is the image of another row, byte by byte: `abl data check` names it.",
    )


def test_planes_that_stand_beside_each_other_in_every_row_are_meant_so(tmp_path):
    images = [noise_image(number) for number in range(8)]
    other = [f"images/{number ^ 1}.png" for number in range(8)]
    write_set(tmp_path, images, {"image2": other})
    pairs = loaded("both", base=tmp_path, manifest="manifest.csv")
    np.testing.assert_array_equal(pairs.second.decode(4), noise_image(5))


def test_columns_exchanged_in_some_rows_are_told_by_their_names(tmp_path):
    manifest = two_modality_set(tmp_path, 8)
    lines = manifest.read_text().splitlines()
    for row in (2, 5, 6):
        name, *between, second = lines[row].split(",")
        lines[row] = ",".join([second, *between, name])
    manifest.write_text("\n".join(lines) + "\n")
    notes = loaded("both", base=tmp_path, manifest="manifest.csv").notes
    said = "image and image2 seem exchanged in 3 of 8 rows, by their names: second/1.png"
    assert any(note.startswith(said) for note in notes)
    fine = two_modality_set(tmp_path / "fine", 8)
    assert not loaded("both", base=fine.parent, manifest="manifest.csv").notes


@pytest.mark.parametrize(
    "splits",
    [
        Splits(kind="holdout"),
        Splits(kind="kfold", folds=3),
        Splits(kind="monte_carlo", test=0.4),
        Splits(kind="column", column="part"),
        Splits(kind="kfold", folds=3, by="nodule"),
        Splits(kind="holdout", by="image"),
        Splits(kind="column", column="part", by="image"),
    ],
)
def test_a_mixed_set_is_split_as_the_first_images_are(splits):
    first = phantom_dataset(PHANTOM)
    number = first.frame["patient"].str[1:].astype(int)
    first.frame["part"] = np.where(number % 4 == 0, "test", "train")
    mixed = mixed_modalities(first)
    count = len(first)
    for repeat in range(3):
        for fold in range(fold_count(splits)):
            one = split_of(first.frame, splits, repeat, fold)
            two = split_of(mixed.frame, splits, repeat, fold)
            for (role, alone), (_, both) in zip(one.items(), two.items(), strict=True):
                assert both.tolist() == [*alone, *(alone + count)], role
    folds = inner_folds(first.frame, one.train, splits, 2)
    assert inner_folds(mixed.frame, two.train, splits, 2).tolist() == [*folds, *folds]


def test_a_column_of_the_manifest_called_modality_changes_no_split():
    frame = phantom_dataset(PHANTOM).frame
    splits = Splits(by="image")
    named = frame.assign(modality=["first", "second"] * (len(frame) // 2))
    for (_, one), (_, two) in zip(
        split_of(frame, splits, 0, 0).items(), split_of(named, splits, 0, 0).items(), strict=True
    ):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("modality", ["second", "mixed"])
def test_boxes_are_scaled_to_second_images_of_another_size(tmp_path, modality):
    box = {name: [value] * 8 for name, value in zip(BOX, (20, 4, 32, 16), strict=True)}
    two_modality_set(tmp_path, second_side=3, **box)
    dataset = loaded(modality, base=tmp_path, manifest="manifest.csv")
    array = image_array(dataset, tmp_path / "c", longest_side=64)  # the second are reduced, too
    last = array.frame.iloc[-1]
    assert (last["source_height"], last["height"], last["width"]) == (72, 48, 64)
    np.testing.assert_allclose(last[list(BOX)].astype(float), [40, 8, 64, 32])
    if modality == "mixed":
        assert array.frame.loc[0, list(BOX)].tolist() == [20, 4, 32, 16]
    array = image_array(dataset, tmp_path / "c", longest_side=256)
    crop = Crop(to="box", square=False)
    pixels = pixel_array(array, tmp_path / "c", size=36, channels=1, crop=crop)
    expected = np.kron(noise_image(107)[4:16, 20:32], np.ones((3, 3)))
    np.testing.assert_array_equal(pixels[-1, 0], expected)


def test_a_box_that_leaves_the_first_image_is_told_of_once(tmp_path):
    box = {name: [value] * 8 for name, value in zip(BOX, (20, 4, 33, 16), strict=True)}
    two_modality_set(tmp_path, second_side=3, **box)
    for modality in ("second", "mixed"):
        dataset = loaded(modality, base=tmp_path, manifest="manifest.csv")
        with pytest.raises(InputError) as error:
            image_array(dataset, tmp_path / "c", longest_side=64)
        assert [problem.line for problem in error.value.problems] == list(range(2, 10))
        assert "'images/0.png' has box" in error.value.problems[0].message


def test_what_a_training_reads_differs_between_modalities():
    asked = [("first", "own"), ("second", "own"), ("mixed", "own"), ("both", "own"),
             ("both", "first"), ("both", "shuffled")]  # fmt: skip
    found = set()
    for modality, pairing in asked:
        frame = loaded(modality, pairing).frame
        found.add(training_reads(frame, split_of(frame, Splits(), 0, 0)))
    assert len(found) == len(asked)
