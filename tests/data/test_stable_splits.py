"""Splits stand still: a corrected label or a new patient moves few others (draw 2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

import abl
from abl.data.splits.splits import Split, fold_count, inner_folds, split_of
from abl.data.splits.stable_draws import Holders, stable_folds, stable_share
from abl.errors import InputError
from abl.plan.reasons import setting_changes
from abl.spec.base import identity_of
from abl.spec.splits import Splits

FIVE = Splits(kind="kfold", folds=5)
DRAWN = [
    FIVE,
    Splits(kind="holdout"),
    Splits(kind="monte_carlo", test=0.35, validation=0.3),
]


def set_of(classes: Sequence[Sequence[int]], images: Sequence[int] | None = None) -> pd.DataFrame:
    """Patient i with so many images of the classes given, in turn."""
    rows = []
    for at, own in enumerate(classes):
        for image in range(max(len(own), 1 if images is None else images[at])):
            rows.append((f"p{at:03d}/{image}.png", own[image % len(own)], f"p{at:03d}"))
    frame = pd.DataFrame(rows, columns=["image", "label", "patient"])
    return frame.assign(train_label=frame["label"], nodule=frame["patient"], fingerprint="0")


def roles_of(frame: pd.DataFrame, split: Split) -> dict[str, str]:
    return {
        patient: role
        for role, rows in split.items()
        for patient in frame["patient"].iloc[rows].unique()
    }


def moved(one: pd.DataFrame, other: pd.DataFrame, splits: Splits, repeat: int, fold: int) -> int:
    """Patients of both sets whose role is another."""
    was, now = (roles_of(each, split_of(each, splits, repeat, fold)) for each in (one, other))
    return sum(was[name] != now[name] for name in was.keys() & now.keys())


def per_fold(frame: pd.DataFrame, splits: Splits, repeat: int = 0) -> pd.DataFrame:
    """Patients of each class (a column) in each test fold."""
    tests = [frame.iloc[split_of(frame, splits, repeat, f).test] for f in range(splits.folds)]
    return pd.DataFrame([test.groupby("label")["patient"].nunique() for test in tests]).fillna(0)


def uneven(frame: pd.DataFrame, splits: Splits, repeat: int = 0) -> int:
    """Largest difference between two folds in the patients of a class."""
    counts = per_fold(frame, splits, repeat)
    return int((counts.max() - counts.min()).max())


labels_of_hundred = st.integers(0, 2**32 - 1).map(
    lambda seed: (np.random.default_rng(seed).random(100) < 0.1 + 0.5 * (seed % 97) / 97).tolist()
)


def test_a_corrected_label_moves_under_three_of_a_hundred_patients() -> None:
    drawn = np.random.default_rng(0)
    for splits in DRAWN:
        told = []
        for repeat in range(60):
            labels = (drawn.random(100) < drawn.uniform(0.15, 0.5)).astype(int)
            images = drawn.integers(1, 3, 100).tolist()
            corrected = labels.copy()
            corrected[drawn.integers(100)] ^= 1
            one, other = (set_of([[int(n)] for n in each], images) for each in (labels, corrected))
            fold = int(drawn.integers(fold_count(splits)))
            told.append(moved(one, other, splits, repeat, fold))
        assert np.mean(told) < 3, splits
        assert max(told) <= 9, splits


def test_the_fold_of_a_patient_changes_for_under_three_of_a_hundred() -> None:
    drawn, told, added = np.random.default_rng(1), [], []
    names = tuple(f"p{at:03d}" for at in range(100))
    for key in range(300):
        labels = (drawn.random(100) < drawn.uniform(0.15, 0.5)).astype(int)
        corrected = labels.copy()
        corrected[drawn.integers(100)] ^= 1
        was, now, without = (
            stable_folds(Holders(own, np.eye(2, dtype=np.int64)[each]), 5, [key])
            for own, each in ((names, labels), (names, corrected), (names[:99], labels[:99]))
        )
        told.append(sum(was[name] != now[name] for name in names))
        added.append(sum(was[name] != without[name] for name in without))
    assert np.mean(told) < 3
    assert np.mean(added) < 2
    assert np.quantile(told, 0.99) <= 6


@settings(max_examples=40, deadline=None)
@given(labels_of_hundred, st.integers(0, 99), st.sampled_from(DRAWN), st.integers(0, 9))
def test_one_correction_never_draws_anew(
    labels: list[bool], at: int, splits: Splits, repeat: int
) -> None:
    corrected = [label ^ (n == at) for n, label in enumerate(labels)]
    one, other = (set_of([[int(each)] for each in some]) for some in (labels, corrected))
    if min(map(sum, ([*labels], [not each for each in labels]))) > 6:
        assert moved(one, other, splits, repeat, 0) <= 10
        new = set_of([*([int(each)] for each in labels), [int(labels[at])]])
        assert moved(one, new, splits, repeat, 0) <= 8


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([(0,), (1,), (0, 1)]), min_size=30, max_size=90),
    st.integers(2, 7),
    st.integers(0, 99),
)
def test_every_class_is_even_over_the_folds_within_one_patient(
    classes: list[tuple[int, ...]], folds: int, seed: int
) -> None:
    frame = set_of([*classes, *[(0,)] * 7, *[(1,)] * 7])
    assert uneven(frame, Splits(kind="kfold", folds=folds, seed=seed)) <= 1


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=40, max_size=80), st.integers(0, 9))
def test_sizes_of_patients_do_not_unsettle_the_classes(images: list[int], seed: int) -> None:
    frame = set_of([[at % 3] for at in range(len(images))], images)
    assert uneven(frame, Splits(kind="kfold", folds=4, seed=seed)) <= 1


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 30), st.integers(2, 6), st.integers(0, 10**6))
def test_it_is_the_cheapest_even_assignment(groups: int, folds: int, seed: int) -> None:
    """Against SciPy's solver of the assignment problem, with a seat for each place in a fold."""
    from abl.data.splits.stable_draws import MOVE, _costs, _level, _within, hashed_places

    place = hashed_places([f"g{at}" for at in range(groups)], [seed])
    home = (place[:, 0] % np.uint64(folds)).astype(np.int64)
    cost = _costs(place, home, folds)
    low, high = _level(np.zeros(folds, dtype=np.int64), groups)
    found = _within(home, cost, low, high)
    seats = np.repeat(np.arange(folds), high)
    needed = np.concatenate([np.arange(n) < least for n, least in zip(high, low, strict=True)])
    pay = np.where(needed, -1000.0, 0.0)[None, :] + (cost / MOVE)[:, seats]
    rows, taken = linear_sum_assignment(pay)
    best = np.empty(groups, dtype=np.int64)
    best[rows] = seats[taken]
    mine, theirs = (cost[np.arange(groups), each].sum() / MOVE for each in (found, best))
    assert mine == pytest.approx(theirs, abs=1e-9)


def test_writers_of_every_digit_are_split() -> None:
    frame = set_of([list(range(10))] * 60)
    assert uneven(frame, FIVE) == 0
    for splits in DRAWN:
        split = split_of(frame, splits, 0, 0)
        assert all(frame["label"].iloc[rows].nunique() == 10 for _, rows in split.items())
    assert per_fold(frame, FIVE).to_numpy().tolist() == [[12] * 10] * 5


def test_specimens_that_hold_both_classes_are_split() -> None:
    frame = set_of([[0, 1]] * 20)
    for splits in DRAWN:
        for repeat in range(3):
            split = split_of(frame, splits, repeat, 0)
            assert all(
                len(rows) and frame["label"].iloc[rows].nunique() == 2 for _, rows in split.items()
            )
    with pytest.raises(InputError, match=r"class 0: 0|of each class"):
        split_of(frame, FIVE.model_copy(update={"draw": 1}), 0, 0)


def test_writers_who_lack_some_digits_are_split_as_well() -> None:
    drawn = np.random.default_rng(3)
    own = [sorted(drawn.choice(10, size=drawn.integers(7, 11), replace=False)) for _ in range(60)]
    frame = set_of([list(map(int, each)) for each in own])
    assert uneven(frame, FIVE) <= 5
    assert per_fold(frame, FIVE).to_numpy().min() >= 6


def test_too_few_patients_of_a_class_are_counted_class_by_class() -> None:
    frame = set_of([[0, 1]] * 2 + [[0]] * 10)
    with pytest.raises(InputError, match=r"12 patients \(class 0: 12, class 1: 2; a patient of se"):
        split_of(frame, Splits(), 0, 0)


def test_a_share_takes_the_nearest_whole_number_of_each_class() -> None:
    frame = set_of([[0]] * 33 + [[1]] * 11)
    holders = Holders(
        tuple(f"p{at:03d}" for at in range(44)),
        np.array([[1, 0]] * 33 + [[0, 1]] * 11, dtype=np.int64),
    )
    taken = stable_share(holders, 0.25, 2, [0])
    assert len(taken & {f"p{at:03d}" for at in range(33)}) == 8
    assert len(taken) == 11
    split = split_of(frame, Splits(test=0.25, validation=0.2), 0, 0)
    assert [len(rows) for _, rows in split.items()] == [44 - 11 - 7, 7, 11]


def test_inner_folds_stand_still_and_hold_every_class() -> None:
    frame = set_of([[at % 2] for at in range(80)])
    corrected = frame.assign(label=np.where(frame.index == 7, 0, frame["label"]))
    train = np.arange(60)
    one, other = (inner_folds(each, train, Splits(), 4) for each in (frame, corrected))
    assert np.bincount(one).min() >= 14
    assert (one != other).sum() <= 8
    for fold in range(4):
        assert set(frame["label"].iloc[train[one == fold]]) == {0, 1}


def test_the_number_of_the_draw_enters_identities_and_reasons_from_the_second_on() -> None:
    assert identity_of(Splits(draw=1)) == {"kind": "holdout"}
    assert identity_of(Splits()) == {"kind": "holdout", "draw": 2}
    old, new = {"splits": {"kind": "holdout"}}, {"splits": Splits().model_dump(mode="json")}
    assert list(setting_changes(new, old, "splits")) == ["splits.draw 1 -> 2"]


INNER = """
name: inner
study: two_step
data: {phantom: {patients: 60, size: 32}}
image: {size: 32}
axes: {rule: [original, true], consensus: [1]}
base: {rule: original}
options: {selection: out_of_fold, inner_folds: 2}
splits: {kind: holdout, draw: DRAW}
train: {network: cnn1, epochs: 1, last_k: 1}
metrics: [acc]
primary: acc
"""


def test_inner_folds_of_another_draw_are_other_trainings(tmp_path: Path) -> None:
    subsets = []
    for draw in "12":
        path = tmp_path / f"{draw}.yaml"
        path.write_text(INNER.replace("DRAW", draw), encoding="utf-8")
        plan = abl.load(path, root=tmp_path / "mlruns").plan
        found = [each.settings.get("subset", {}) for each in plan.stages.values()]
        subsets.append([each for each in found if each.get("kind") == "inner"])
    assert subsets[0][0] == {"kind": "inner", "n": 0, "of": 2}
    assert subsets[1][0] == {"kind": "inner", "n": 0, "of": 2, "draw": 2, "seed": 0}
