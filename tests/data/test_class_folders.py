"""Classes, splits and folders of patients, as folders of public sets name them."""

from __future__ import annotations

import pytest

from abl.data.tables.class_folders import class_order, folder_layout, names_tell_order

CLASSES = {
    "one level": (["benign/1.png", "malignant/1.png"], {"benign", "malignant"}),
    "zip within zip": (
        ["set/set/benign/1.png", "set/set/malignant/1.png"],
        {"benign", "malignant"},
    ),
    "patients within classes": (
        ["a/P1/1.png", "a/P2/1.png", "b/P3/1.png", "b/P4/1.png"],
        {"a", "b"},
    ),
    "classes within patients": (
        [f"P{at}/{name}/1.png" for at in range(4) for name in ("benign", "malignant")],
        {"benign", "malignant"},
    ),
    "classes within many patients": (
        [f"P{at}/{name}/1.png" for at in range(20) for name in ("left", "right")],
        {"left", "right"},
    ),
    "sides within three classes": (
        [f"{name}/{side}/1.png" for name in "xyz" for side in ("left", "right")],
        {"x", "y", "z"},
    ),
    "one class": (["benign/1.png", "benign/2.png"], {"benign"}),
    "no folders": (["1.png", "images/2.png"], set()),
}


@pytest.mark.parametrize("name", CLASSES)
def test_the_level_of_the_classes_is_found(name: str) -> None:
    images, classes = CLASSES[name]
    found = folder_layout(images)
    assert set(found.class_of.values()) == classes
    assert set(found.stray) == set(images) - set(found.class_of)


def test_folders_of_splits_are_no_classes() -> None:
    found = folder_layout(["Training/a/1.png", "val/A/1.png", "TEST/a/1.png", "test/b/1.png"])
    assert list(found.split_of.values()) == ["train", "validation", "test", "test"]
    assert set(found.class_of.values()) == {"a", "b"}
    assert found.spelled == {"a": ("A",)}


def test_a_folder_train_around_everything_divides_nothing() -> None:
    assert folder_layout(["train/a/1.png", "train/b/1.png"]).split_of == {}


def test_what_lies_below_a_class_is_kept_for_patients() -> None:
    found = folder_layout(["a/P1/day 1/1.png", "b/P2/1.png"])
    assert found.below == {"a/P1/day 1/1.png": "P1/day 1", "b/P2/1.png": "P2"}


def test_classes_asked_for_leave_the_others_out() -> None:
    found = folder_layout(["a/1.png", "b/1.png", "c/1.png"], classes=["c", "A"])
    assert found.class_of == {"a/1.png": "A", "c/1.png": "c"}
    assert found.stray == ("b/1.png",)


@pytest.mark.parametrize(
    ("names", "order"),
    [
        ({"malignant", "benign", "normal"}, ("normal", "benign", "malignant")),
        ({"glioma", "no_tumor", "nodule"}, ("no_tumor", "glioma", "nodule")),
        ({"10", "2", "0", "1"}, ("0", "1", "2", "10")),
        ({"yes", "no"}, ("no", "yes")),
        ({"Positive", "Negative"}, ("Negative", "Positive")),
        (
            {"Malignant cases", "Benign_cases", "normal-2"},
            ("normal-2", "Benign_cases", "Malignant cases"),
        ),
        ({"benign tumor", "adenoma", "tumor"}, ("benign tumor", "adenoma", "tumor")),
    ],
)
def test_classes_run_from_the_mildest_to_the_worst(names: set[str], order: tuple[str, ...]) -> None:
    assert class_order(names) == order


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ({"lung_benign", "lung_malignant"}, True),
        ({"benign cases", "tumor"}, True),
        ({"benign", "benign_2"}, False),
        ({"malignant", "malignant old"}, False),
        ({"left", "right"}, False),
    ],
)
def test_names_tell_which_class_is_worse_only_if_they_differ_in_it(
    names: set[str], told: bool
) -> None:
    assert names_tell_order(names) is told
