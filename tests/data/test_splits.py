from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abl.data.splits.splits import fold_count, reads_fingerprint, split_of
from abl.errors import InputError
from abl.spec.splits import Splits

SPLITS = [
    Splits(kind="kfold", folds=3),
    Splits(kind="holdout"),
    Splits(kind="monte_carlo", test=0.4, validation=0.3),
    Splits(kind="kfold", folds=4, by="nodule"),
    Splits(kind="holdout", by="image"),
    Splits(kind="kfold", folds=3, draw=1),
    Splits(kind="holdout", draw=1),
]


@st.composite
def frames(draw):
    """At least 12 pure patients a class, and some with both classes, of 1 to 9 images each."""
    labels, patients = [], []
    groups = [[0]] * 12 + [[1]] * 12 + draw(st.lists(st.sampled_from([[0], [1], [0, 1]])))
    for number, classes in enumerate(groups):
        count = draw(st.integers(1, 9))
        labels += [classes[image % len(classes)] for image in range(count)]
        patients += [f"p{number}"] * count
    return frame_of(labels, patients)


def frame_of(labels, patients):
    count = len(labels)
    return pd.DataFrame(
        {
            "image": [f"i{number}.png" for number in range(count)],
            "label": np.array(labels, dtype=np.int64),
            "train_label": np.array(labels, dtype=np.int64),
            "patient": patients,
            "nodule": [f"{patient}/{n // 2}" for n, patient in enumerate(patients)],
            "fingerprint": [f"{number:064x}" for number in range(count)],
        }
    )


def balanced_frame(patients=40):
    return frame_of([n % 2 for n in range(patients)], [f"p{n}" for n in range(patients)])


@settings(max_examples=25, deadline=None)
@given(frames(), st.sampled_from(SPLITS), st.integers(0, 50))
def test_the_roles_are_a_partition_that_cuts_no_group_and_holds_every_class(frame, splits, repeat):
    tested = []
    for fold in range(fold_count(splits)):
        split = split_of(frame, splits, repeat, fold)
        rows = np.concatenate([positions for _, positions in split.items()])
        assert sorted(rows.tolist()) == list(range(len(frame)))
        sides = [set(frame[splits.by].iloc[positions]) for _, positions in split.items()]
        assert sum(map(len, sides)) == frame[splits.by].nunique()
        for _, positions in split.items():
            assert (np.diff(positions) > 0).all()
            assert set(frame["label"].iloc[positions]) == {0, 1}
        tested += split.test.tolist()
    if splits.kind == "kfold":
        assert sorted(tested) == list(range(len(frame)))


@settings(max_examples=20, deadline=None)
@given(frames(), st.sampled_from(SPLITS), st.randoms(use_true_random=False))
def test_a_split_does_not_depend_on_the_order_of_the_manifest(frame, splits, random):
    order = list(range(len(frame)))
    random.shuffle(order)
    shuffled = frame.iloc[order].reset_index(drop=True)
    for one, other in zip(
        split_of(frame, splits, 1, 0).items(), split_of(shuffled, splits, 1, 0).items(), strict=True
    ):
        assert set(frame["image"].iloc[one[1]]) == set(shuffled["image"].iloc[other[1]])


@pytest.mark.parametrize("splits", SPLITS[:3])
def test_repeats_and_seeds_draw_anew(splits):
    frame = balanced_frame()
    other_seed = splits.model_copy(update={"seed": 1})
    drawn = {split_of(frame, splits, repeat, 0).test.tobytes() for repeat in range(20)}
    drawn |= {split_of(frame, other_seed, repeat, 0).test.tobytes() for repeat in range(20)}
    assert len(drawn) == 40


def test_planted_label_noise_moves_nobody():
    frame = balanced_frame()
    flipped = frame.assign(train_label=1 - frame["label"])
    for one, other in zip(
        split_of(frame, SPLITS[0], 0, 0).items(),
        split_of(flipped, SPLITS[0], 0, 0).items(),
        strict=True,
    ):
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize(("how", "least", "most"), [(1, 0.14, 0.26), (2, 0.1, 0.32)])
def test_folds_are_balanced_in_patients_classes_and_images(how, least, most):
    splits = Splits(kind="kfold", draw=how)
    draw = np.random.default_rng(0)
    labels, patients = [], []
    for number in range(60):
        count = int(draw.geometric(0.15))  # 1 to more than 25 images
        labels += [int(number < 20)] * count
        patients += [f"p{number}"] * count
    frame = frame_of(labels, patients)
    for repeat in range(10):
        for fold in range(5):
            test = frame.iloc[split_of(frame, splits, repeat, fold).test]
            assert test["patient"].nunique() == 12
            assert test.loc[test["label"] == 1, "patient"].nunique() == 4
            assert least < len(test) / len(frame) < most


def test_shares_are_of_the_patients():
    split = split_of(balanced_frame(200), Splits(test=0.3, validation=0.1), 0, 0)
    assert [len(positions) for _, positions in split.items()] == [126, 14, 60]


def test_too_few_patients_are_counted():
    frame = frame_of([0, 0, 0, 0, 1, 1], ["a", "b", "c", "d", "e", "f"])
    with pytest.raises(InputError, match=r"4 folds need 4 patients .* 6 patients .*class 1: 2"):
        split_of(frame, Splits(kind="kfold", folds=4), 0, 0)
    with pytest.raises(InputError, match="need 3 patients of each class"):
        split_of(frame, Splits(), 0, 0)


def test_a_column_is_followed():
    frame = balanced_frame(8)
    frame["split"] = ["train", "Train", "val", "validation", "test", "test", "train", "train"]
    split = split_of(frame, Splits(kind="column"), 3, 0)
    assert split.train.tolist() == [0, 1, 6, 7]
    assert split.validation.tolist() == [2, 3]
    assert split.test.tolist() == [4, 5]


def test_a_column_without_validation_has_it_drawn_from_train():
    frame = balanced_frame(40)
    frame["split"] = ["test" if number < 10 else "train" for number in range(40)]
    split = split_of(frame, Splits(kind="column", validation=0.2), 0, 0)
    assert split.test.tolist() == list(range(10))
    assert len(split.validation) == 6
    assert split.validation.min() >= 10


def test_faults_of_a_column_are_told_at_once():
    frame = frame_of([0, 1] * 4, ["a", "a", "b", "b", "c", "c", "d", "d"])
    frame["split"] = ["train", "test", "train", "train", "dev", "val", "test", "test"]
    with pytest.raises(InputError) as error:
        split_of(frame, Splits(kind="column"), 0, 0)
    first, second = map(str, error.value.problems)
    assert "has 'dev' in the row of i4.png; valid: train" in first
    assert "puts patient 'a' on two sides (" in second
    with pytest.raises(InputError, match="did you mean 'split'"):
        split_of(frame, Splits(kind="column", column="splt"), 0, 0)


def test_a_role_without_a_class_is_named():
    frame = balanced_frame(8)
    frame["split"] = ["train"] * 4 + ["validation"] * 2 + ["test", "train"]
    with pytest.raises(InputError, match=r"test has no image of class 1"):
        split_of(frame, Splits(kind="column"), 0, 0)


def test_what_is_read_is_identified_by_content_and_label_not_by_order():
    frame = balanced_frame(10)
    rows = [3, 1, 4]
    known = reads_fingerprint(frame, rows, labels="label")
    assert known == reads_fingerprint(frame, [4, 3, 1], labels="label")
    reordered = frame.iloc[::-1].reset_index(drop=True)
    assert known == reads_fingerprint(reordered, [9 - row for row in rows], labels="label")
    assert known == reads_fingerprint(frame.assign(patient="x"), rows, labels="label")
    changed = [
        reads_fingerprint(frame, [3, 1], labels="label"),
        reads_fingerprint(frame, [3, 1, 4, 4], labels="label"),
        reads_fingerprint(frame.assign(label=1 - frame["label"]), rows, labels="label"),
        reads_fingerprint(frame.assign(fingerprint="0"), rows, labels="label"),
        reads_fingerprint(frame.assign(image=frame["image"] + "x"), rows, labels="label"),
    ]
    assert len({known, *changed}) == 6
    noisy = frame.assign(train_label=1 - frame["label"])
    assert reads_fingerprint(noisy, rows, labels="label") == known
    assert reads_fingerprint(noisy, rows, labels="train_label") != known
