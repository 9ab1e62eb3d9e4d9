"""The generated set as tables: what stays, what is hidden, and what the labels follow from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import f1_score, roc_auc_score

from abl.data.phantom import bayes_ceiling, phantom_dataset, phantom_table, phantom_truth
from abl.data.phantom.model import _scores_of_calibrated
from abl.spec.data import Phantom

LARGE = Phantom(patients=4000, planes=1, centre_b=0.4)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return phantom_table(LARGE)


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    return phantom_truth(LARGE)


def test_more_patients_leave_the_earlier_rows_alone() -> None:
    few, many = (phantom_dataset(Phantom(patients=n, centre_b=0.3, flip=0.2)) for n in (20, 60))
    pd.testing.assert_frame_equal(few.frame, many.frame.iloc[: len(few)])
    assert many.frame["patient"].nunique() == 60


def test_one_plane_is_the_first_of_two() -> None:
    one, two = (phantom_dataset(Phantom(patients=30, planes=n)).frame for n in (1, 2))
    first = two[two["plane"] == "transverse"].reset_index(drop=True)
    pd.testing.assert_frame_equal(one, first)


def test_each_nodule_has_two_planes_of_one_class_and_patients_have_one_to_three_nodules() -> None:
    frame = phantom_table(Phantom(patients=400, flip=0.3))
    by_nodule = frame.groupby("nodule")
    assert (by_nodule["plane"].nunique() == 2).all()
    for name in ("label", "train_label", "patient", "histology", "centre"):
        assert (by_nodule[name].nunique() == 1).all(), name
    assert set(frame.groupby("patient")["nodule"].nunique()) == {1, 2, 3}
    assert frame["image"].is_unique


@settings(max_examples=8, deadline=None)
@given(flip=st.floats(0.01, 0.5), seed=st.integers(0, 2**40))
def test_flips_change_the_training_label_alone(flip: float, seed: int) -> None:
    clean, noisy = (
        phantom_dataset(Phantom(patients=12, seed=seed, flip=share)).frame for share in (0, flip)
    )
    pd.testing.assert_frame_equal(
        clean.drop(columns="train_label"), noisy.drop(columns="train_label")
    )
    assert (clean["train_label"] == clean["label"]).all()


def test_flips_have_the_asked_rate_and_side_and_grow_by_adding() -> None:
    flipped = {}
    for flip, side in ((0.2, "both"), (0.4, "both"), (0.4, "benign"), (0.4, "malignant")):
        frame = phantom_table(Phantom(patients=2000, planes=1, flip=flip, flip_side=side))
        changed = frame["label"] != frame["train_label"]
        flipped[flip, side] = changed
        label = {"both": (0, 1), "benign": (0,), "malignant": (1,)}[side]
        may = frame["label"].isin(label)
        assert not changed[~may].any()
        assert abs(changed[may].mean() - flip) < 4 * np.sqrt(flip * (1 - flip) / may.sum())
    assert not (flipped[0.2, "both"] & ~flipped[0.4, "both"]).any()


def test_the_manifest_holds_no_truth(table: pd.DataFrame, truth: pd.DataFrame) -> None:
    assert set(table.columns) & set(truth.columns) == {"image"}
    # and no number in it gives P(malignant) away
    for name in table.select_dtypes("number").columns:
        if name not in ("label", "train_label") and table[name].nunique() > 1:
            assert abs(spearmanr(table[name], truth["p_malignant"]).statistic) < 0.85, name


def test_labels_are_drawn_from_p_malignant(table: pd.DataFrame, truth: pd.DataFrame) -> None:
    for name in ("p_malignant", "p_bmode", "p_elasticity", "p_frame"):
        p = truth[name]
        for _, rows in p.groupby(pd.cut(p, np.linspace(0, 1, 6))):
            label = table["label"].iloc[rows.index]
            error = np.sqrt((rows * (1 - rows)).sum()) / len(rows)
            assert abs(label.mean() - rows.mean()) < 4 * error, name


def test_the_modalities_are_as_good_as_stated(table: pd.DataFrame, truth: pd.DataFrame) -> None:
    ceiling = bayes_ceiling(Phantom())
    assert 0.82 < ceiling["bmode"]["auc"] < 0.90
    assert 0.82 < ceiling["elasticity"]["auc"] < 0.90
    assert 0.93 < ceiling["both"]["auc"] < 0.97
    ceiling = bayes_ceiling(LARGE)  # with centre B, whose prevalence is another
    columns = {"bmode": "p_bmode", "elasticity": "p_elasticity", "both": "p_malignant"}
    label = table["label"]
    for modality, column in (columns | {"frame": "p_frame"}).items():
        p, expected = truth[column], ceiling[modality]
        assert roc_auc_score(label, p) == pytest.approx(expected["auc"], abs=0.02)
        assert ((p >= 0.5) == label).mean() == pytest.approx(expected["accuracy"], abs=0.025)
        assert f1_score(label, p >= 0.5) == pytest.approx(expected["f1"], abs=0.03)


def test_the_modalities_are_independent_given_the_class(
    table: pd.DataFrame, truth: pd.DataFrame
) -> None:
    scores = truth[[name for name in truth if name.startswith("latent_")]]
    suspicion = scores.drop(columns="latent_stiffness").sum(axis=1)
    assert spearmanr(suspicion, scores["latent_stiffness"]).statistic > 0.2
    for label in (0, 1):
        rows = table["label"] == label
        found = spearmanr(suspicion[rows], scores["latent_stiffness"][rows]).statistic
        assert abs(found) < 4 / np.sqrt(rows.sum())


def test_expected_scores_are_those_of_drawn_labels() -> None:
    draw = np.random.default_rng(3)
    p = draw.choice([0.1, 0.3, 0.5, 0.8, 0.95], size=60_000)
    label = draw.random(len(p)) < p
    expected = _scores_of_calibrated(p)
    assert expected["auc"] == pytest.approx(roc_auc_score(label, p), abs=0.006)
    assert expected["f1"] == pytest.approx(f1_score(label, p >= 0.5), abs=0.01)
    assert expected["accuracy"] == pytest.approx(((p >= 0.5) == label).mean(), abs=0.01)


def test_ambiguous_and_rare_nodules_lower_the_ceiling() -> None:
    base = bayes_ceiling(Phantom(), nodules=40_000)["bmode"]["accuracy"]
    for harder in ({"ambiguous": 0.3}, {"rare": 0.15}):
        assert bayes_ceiling(Phantom(**harder), nodules=40_000)["bmode"]["accuracy"] < base - 0.05
    assert bayes_ceiling(Phantom(distractors=False))["frame"]["auc"] == pytest.approx(
        bayes_ceiling(Phantom())["bmode"]["auc"], abs=0.005
    )


def test_rare_subtypes_look_like_the_other_class(table: pd.DataFrame, truth: pd.DataFrame) -> None:
    rare = truth["rare"]
    assert 0.02 < rare.mean() < 0.06
    assert set(table["histology"][rare]).isdisjoint(set(table["histology"][~rare]))
    for label in (0, 1):
        rows = rare & (table["label"] == label)
        looks_malignant = truth["p_bmode"][rows] > 0.5
        assert (looks_malignant != bool(label)).mean() > 0.9


def test_centres_differ_in_prevalence_and_only_a_has_the_shortcut(
    table: pd.DataFrame, truth: pd.DataFrame
) -> None:
    node = truth["lymph_node"].groupby([table["centre"], table["label"]]).mean()
    assert node["A", 1] - node["A", 0] > 0.3
    assert abs(node["B", 1] - node["B", 0]) < 0.08
    share = table["label"].groupby(table["centre"]).mean()
    assert share["A"] == pytest.approx(LARGE.prevalence, abs=0.04)
    assert share["B"] == pytest.approx(LARGE.prevalence_b, abs=0.04)
    assert (table["centre"] == "B").mean() == pytest.approx(0.4, abs=0.04)


def test_the_source_task_says_nothing_of_the_class_features() -> None:
    source = Phantom(patients=2000, planes=1, task="source")
    frame, truth = phantom_table(source), phantom_truth(source)
    assert ((frame["label"] == 1) == (frame["composition"] == "mixed")).all()
    latent = [name for name in truth if name.startswith("latent_")]
    for name in [*latent, "lymph_node"]:
        assert abs(roc_auc_score(frame["label"], truth[name]) - 0.5) < 0.05, name
    assert bayes_ceiling(source)["bmode"]["accuracy"] == 1
