"""Labels that training parts alone take, and images that they alone leave out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abl.data.duplicates.near_duplicates import duplicates_across
from abl.data.manifest import load_manifest
from abl.data.read_changes import read_changes
from abl.data.splits.splits import Split, split_of
from abl.data.view_reads import training_reads
from abl.errors import InputError
from abl.spec.splits import Splits

SPLITS = Splits(kind="kfold", folds=3)


def relabelled(manifest: Path, cells: dict[int, str], column: str = "train_label") -> Path:
    """The manifest with a column, empty but in these rows."""
    table = pd.read_csv(manifest, dtype=str)
    table[column] = [cells.get(row, "") for row in range(len(table))]
    path = manifest.with_name("relabelled.csv")
    table.to_csv(path, index=False)
    return path


def test_training_labels_change_no_split_and_no_test_label(tiny_folder: Path) -> None:
    manifest = tiny_folder / "images/manifest.csv"
    plain = load_manifest(manifest)
    other = load_manifest(relabelled(manifest, {0: "malignant", 3: "0", 5: "drop"}))
    assert other.frame["label"].tolist() == plain.frame["label"].tolist()
    changed = np.flatnonzero(other.frame["train_label"] != plain.frame["train_label"])
    assert changed.tolist() == [0, 3, 5]
    assert any("2 images have another label" in note for note in other.notes)
    assert any("1 image is in no training part" in note for note in other.notes)
    for fold in range(3):
        before, after = (split_of(each.frame, SPLITS, 0, fold) for each in (plain, other))
        assert after.test.tolist() == before.test.tolist()
        assert after.validation.tolist() == before.validation.tolist()
        assert after.train.tolist() == [row for row in before.train if row != 5]
        # what trains on none of them is the same training
        same = not {0, 3, 5} & set(before.train.tolist())
        reads = [training_reads(e.frame, s) for e, s in ((plain, before), (other, after))]
        assert (reads[0] == reads[1]) == same


def test_an_image_that_trains_nothing_leaks_nothing() -> None:
    count = 12
    frame = pd.DataFrame(
        {
            "image": [f"{at}.png" for at in range(count)],
            "label": [0, 1] * (count // 2),
            "train_label": [0, 1] * (count // 2),
            "patient": [f"p{at}" for at in range(count)],
            "nodule": "n",
            "split": (["train"] * 6 + ["validation"] * 2 + ["test"] * 4),
        }
    )
    pairs = pd.DataFrame({"position_a": [0, 1], "position_b": [11, 10], "distance": [3, 4]})
    splits = Splits(kind="column")
    assert len(duplicates_across(split_of(frame, splits, 0, 0), pairs)) == 2
    frame.loc[0, "train_label"] = -1
    (left,) = duplicates_across(split_of(frame, splits, 0, 0), pairs).itertuples()
    assert (left.position_a, left.role_a, left.role_b) == (1, "train", "test")


def test_an_unknown_training_label_is_told_with_its_row(tiny_folder: Path) -> None:
    manifest = relabelled(tiny_folder / "images/manifest.csv", {1: "malignent"})
    with pytest.raises(InputError, match=r"relabelled.csv:3: train_label: .*malignant"):
        load_manifest(manifest)


def test_labels_of_test_images_that_a_review_changed_are_said(tiny_folder: Path) -> None:
    manifest = tiny_folder / "images/manifest.csv"
    assert load_manifest(relabelled(manifest, {0: "benign"}, "label_before")).notes == ()
    (note,) = load_manifest(relabelled(manifest, {0: "malignant"}, "label_before")).notes
    assert note.startswith("1 image has a label that a review changed, in test sets too")


def test_a_plan_says_what_left_the_training_parts(tiny_folder: Path) -> None:
    manifest = tiny_folder / "images/manifest.csv"
    plain = load_manifest(manifest).frame
    other = load_manifest(relabelled(manifest, {0: "malignant", 5: "drop"})).frame
    everything = Split(np.arange(len(plain)), *[np.empty(0, np.int64)] * 2)
    there = Split(np.delete(everything.train, 5), everything.validation, everything.test)
    said = read_changes(plain, other, there, labelled=True)
    assert said == ["1 image left out of training", "1 label of the training images changed"]
    said = read_changes(other, plain, everything, labelled=True)
    assert said == ["1 image taken back into training", "1 label of the training images changed"]
