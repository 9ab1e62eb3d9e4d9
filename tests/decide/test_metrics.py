from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as reference
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from abl.decide.check import largest_class
from abl.decide.confusion import confusion_matrix
from abl.decide.metric_names import metric_named, scores
from abl.decide.metrics import METRICS
from abl.errors import InputError
from abl.spec.class_metrics import with_position

TABLE = Path(__file__).parents[3] / "shared" / "methods" / "tables" / "two_step.csv"
TEST_SETS = {"thyroid": (123, 539), "dermoscopy": (1287, 452)}


def random_case(seed: int, images: int, classes: int, coarse: bool = True):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)
    p = rng.dirichlet(np.full(classes, 0.7), images) + 0.5 * np.eye(classes)[labels]
    p /= p.sum(axis=1, keepdims=True)
    if coarse:  # ties
        p = np.round(p, 1) + 1e-3
        p /= p.sum(axis=1, keepdims=True)
    return labels, p


cases = st.builds(random_case, st.integers(0, 10_000), st.integers(30, 80), st.integers(2, 4))


@given(cases)
@settings(max_examples=60, deadline=None)
def test_agrees_with_scikit_learn(case):
    labels, p = case
    classes = p.shape[1]
    if len(np.unique(labels)) < classes:
        return
    final = largest_class(p)
    binary = classes == 2
    average = "binary" if binary else "macro"
    score = p[:, 1] if binary else p
    truth = np.eye(classes)[labels]
    multi = reference.multilabel_confusion_matrix(labels, final)
    specificities = multi[:, 0, 0] / multi[:, 0].sum(axis=1)
    expected = {
        "acc": reference.accuracy_score(labels, final),
        "balanced_acc": reference.balanced_accuracy_score(labels, final),
        "sen": reference.recall_score(labels, final, average=average),
        "spe": specificities[1] if binary else specificities.mean(),
        "f1": reference.f1_score(labels, final, average=average),
        "auc": reference.roc_auc_score(labels, score, multi_class="ovr"),
        "ap": reference.average_precision_score(truth[:, 1] if binary else truth, score),
        "brier": reference.brier_score_loss(labels, p[:, 1])
        if binary
        else np.mean(np.sum((p - truth) ** 2, axis=1)),
    }
    found = scores(list(expected), labels, p)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


@given(cases, st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_a_whole_weight_is_an_image_repeated(case, seed):
    labels, p = case
    weights = np.random.default_rng(seed).integers(0, 4, len(labels))
    repeated = np.repeat(np.arange(len(labels)), weights)
    for each in METRICS.values():
        expected = each(labels[repeated], p[repeated])
        found = each(labels, p, weights.astype(float))
        if each.name.startswith("calibration_") and not (abs(expected) < 10 and abs(found) < 10):
            continue  # of nearly separated classes a fit may end anywhere
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-9, nan_ok=True), each.name


@given(cases)
@settings(max_examples=40, deadline=None)
def test_terms_of_an_additive_metric_sum_to_it(case):
    labels, p = case
    for each in METRICS.values():
        assert each.additive == (each.terms is not None)
        if each.terms is not None:
            assert each.terms(labels, p).sum() == pytest.approx(
                each(labels, p), abs=1e-12, nan_ok=True
            ), each.name


def test_youden_and_g_mean_follow_from_sensitivity_and_specificity():
    labels, p = random_case(3, 200, 2)
    found = scores(["sen", "spe", "youden", "g_mean", "ppv", "npv"], labels, p)
    assert found["youden"] == pytest.approx(found["sen"] + found["spe"] - 1)
    assert found["g_mean"] == pytest.approx(math.sqrt(found["sen"] * found["spe"]))
    prevalence = labels.mean()
    assert metric_named(f"ppv@{prevalence}")(labels, p) == pytest.approx(found["ppv"])
    assert metric_named(f"npv@{prevalence}")(labels, p) == pytest.approx(found["npv"])
    assert metric_named("ppv@0.01")(labels, p) < found["ppv"]


def test_sensitivity_at_specificity_is_a_point_of_the_roc_curve():
    labels, p = random_case(5, 300, 2, coarse=False)
    fpr, tpr, _ = reference.roc_curve(labels, p[:, 1], drop_intermediate=False)
    assert scores(["sen_at_spe95"], labels, p)["sen_at_spe95"] == tpr[fpr <= 0.05].max()
    assert metric_named("sen@spe0.8")(labels, p) == tpr[fpr <= 0.2].max()


def test_certain_images_are_in_the_last_bin():
    # in a bin of their own (findings/torchmetrics_certain_images_apart.sh) it would be 0.075
    labels = np.repeat([1, 0, 1], [45, 5, 50])
    certain = np.repeat([1.0, 0.95], 50)
    assert scores(["ece"], labels, np.column_stack([1 - certain, certain]))["ece"] == pytest.approx(
        0.025
    )
    right = np.where(labels == 1, 1, 2)
    three = np.column_stack([(1 - certain) / 2, certain, (1 - certain) / 2])
    assert scores(["ece"], right, three)["ece"] == pytest.approx(0.025)


def test_calibration_of_known_probabilities():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=40_000) * 1.5
    labels = (rng.random(len(logits)) < 1 / (1 + np.exp(-logits))).astype(int)

    def with_slope(factor):
        malignant = 1 / (1 + np.exp(-factor * logits))
        return np.column_stack([1 - malignant, malignant])

    calibrated = scores(["ece", "calibration_slope"], labels, with_slope(1.0))
    overconfident = scores(["ece", "calibration_slope"], labels, with_slope(2.0))
    assert calibrated["ece"] < 0.02 < overconfident["ece"]
    assert calibrated["calibration_slope"] == pytest.approx(1, abs=0.05)
    assert overconfident["calibration_slope"] == pytest.approx(0.5, abs=0.03)
    fitted = sm.Logit(labels, sm.add_constant(2 * logits)).fit(disp=0)
    assert overconfident["calibration_slope"] == pytest.approx(fitted.params[1], rel=1e-6)


def test_undefined_values_are_nan():
    benign = scores(list(METRICS), [0, 0, 0], [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    undefined = {name for name, value in benign.items() if math.isnan(value)}
    assert undefined == {
        "balanced_acc", "sen", "f1", "auc", "ap", "ppv", "calibration_slope",
        "calibration_intercept", "sen_at_spe95", "g_mean", "youden",
    }  # fmt: skip
    missed = scores(["f1", "ppv"], [0, 1], [[0.9, 0.1], [0.8, 0.2]])
    assert missed["f1"] == 0
    assert math.isnan(missed["ppv"])


@given(cases, st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_f1_without_positives_is_undefined_however_it_is_computed(case, absent):
    labels, p = case
    size = p.shape[1]
    absent = 1 if size == 2 else absent % size
    kept = labels != absent
    final = largest_class(p)
    metric = METRICS["f1"]
    assert metric.of_confusion is not None
    # false alarms, which nearly all cases have, make no 0 of it
    assert math.isnan(metric(labels[kept], p[kept]))
    assert math.isnan(metric(labels, p, kept.astype(np.float64)))
    assert math.isnan(metric.of_confusion(confusion_matrix(labels[kept], final[kept], size)))
    assert math.isnan(scores(["sen"], labels[kept], p[kept])["sen"])


@given(cases)
@settings(max_examples=60, deadline=None)
def test_a_metric_of_one_class_is_that_of_the_class_against_the_rest(case):
    labels, p = case
    final = largest_class(p)
    if len(np.unique(labels)) < p.shape[1]:
        return
    for at in range(p.shape[1]):
        truth, called = labels == at, final == at
        expected = {
            f"sen@c{at}#{at}": reference.recall_score(truth, called),
            f"spe@c{at}#{at}": reference.recall_score(~truth, ~called),
            f"f1@c{at}#{at}": reference.f1_score(truth, called),
            f"auc@c{at}#{at}": reference.roc_auc_score(truth, p[:, at]),
            f"ap@c{at}#{at}": reference.average_precision_score(truth, p[:, at]),
        }
        found = scores(list(expected), labels, p)
        assert found == pytest.approx(expected)
        weights = np.random.default_rng(at).integers(1, 4, len(labels)).astype(np.float64)
        for name in expected:
            repeated = np.repeat(np.arange(len(labels)), weights.astype(int))
            metric = metric_named(name)
            assert metric(labels, p, weights) == pytest.approx(
                metric(labels[repeated], p[repeated])
            )


@given(cases, st.floats(0.01, 0.99))
@settings(max_examples=40, deadline=None)
def test_a_predictive_value_at_a_prevalence_is_of_each_class_then_averaged(case, prevalence):
    labels, p = case
    final, size = largest_class(p), p.shape[1]
    if len(np.unique(labels)) < size or len(np.unique(final)) < size:
        return
    found = {"ppv": [], "npv": []}
    for at in [1] if size == 2 else range(size):
        sen, spe = np.mean(final[labels == at] == at), np.mean(final[labels != at] != at)
        # Bayes' theorem (Altman, Bland, BMJ 1994; 309:102)
        alarm, missed = (1 - spe) * (1 - prevalence), (1 - sen) * prevalence
        found["ppv"].append(
            sen * prevalence / (sen * prevalence + alarm) if sen + alarm else math.nan
        )
        found["npv"].append(spe * (1 - prevalence) / (spe * (1 - prevalence) + missed))
    for kind, each in found.items():
        value = metric_named(f"{kind}@{prevalence:g}")
        rounded = float(f"{prevalence:g}")
        assert abs(rounded - prevalence) < 1e-5
        assert value(labels, p) == pytest.approx(np.mean(each), abs=1e-4, nan_ok=True)


def test_classes_are_named_after_the_metric():
    assert metric_named("sen@benign#0").label == "SEN benign"
    assert metric_named("ppv@0.1@benign#0").label == "PPV at 10 % benign"
    classes = ("benign", "malignant", "0.1")
    assert with_position("sen@benign", classes) == "sen@benign#0"
    assert with_position("sen@malignant#0", classes) == "sen@malignant#1"
    assert with_position("ppv@0.1@malignant", classes) == "ppv@0.1@malignant#1"
    # a share is a prevalence, whatever a class is called
    assert with_position("ppv@0.1", classes) == "ppv@0.1"
    assert with_position("acc", classes) == "acc"
    for wrong, says in (
        ("sen@bengin", "after @ comes one of the classes' names"),
        ("acc@benign", "acc is not of one class"),
    ):
        with pytest.raises(InputError, match=says):
            metric_named(with_position(wrong, classes))
    with pytest.raises(InputError, match="no class 5 of 2"):
        scores(["sen@x#5"], [0, 1], [[0.5, 0.5], [0.2, 0.8]])


def test_every_metric_of_no_images_is_nan():
    for each in METRICS.values():
        assert math.isnan(each(np.empty(0, dtype=np.int64), np.empty((0, 2)))), each.name


@pytest.mark.skipif(not TABLE.exists(), reason="published tables are not at hand")
def test_published_rows_follow_from_integer_counts():
    published = pd.read_csv(TABLE)
    assert len(published) == 18
    for row in published.itertuples():
        benign, malignant = TEST_SETS[row.dataset]
        tn, tp = round(row.spe * benign / 100), round(row.sen * malignant / 100)
        labels = np.repeat([0, 0, 1, 1], [tn, benign - tn, tp, malignant - tp])
        final = np.repeat([0, 1, 1, 0], [tn, benign - tn, tp, malignant - tp])
        found = scores(["acc", "spe", "sen", "f1"], labels, np.eye(2)[final])
        for name, value in found.items():
            assert f"{100 * value:.2f}" == f"{getattr(row, name):.2f}", (row, name)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("acu", "did you mean"),
        ("accuracy", "write acc"),
        ("ROC-AUC", "write auc"),
        ("ppv@2", "unknown metric"),
        ("sen@spe", "unknown metric"),
    ],
)
def test_an_unknown_metric(name, says):
    with pytest.raises(InputError, match=says):
        metric_named(name)


@pytest.mark.parametrize("labels", [[0, 2], [0, -1], [0, 0.5], [0, 1, 1]])
def test_labels_that_do_not_fit(labels):
    with pytest.raises(InputError, match=r"labels|rows"):
        scores(["acc"], labels, [[0.5, 0.5], [0.2, 0.8]])
