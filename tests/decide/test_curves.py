from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from abl.decide.curves import best_threshold, choose_threshold, threshold_curve
from abl.decide.metric_names import scores
from abl.decide.metrics import METRICS
from abl.decide.ranking import auc_along_path
from abl.decide.rules import RULES, confidence, threshold_value
from abl.errors import InputError
from ruled import apply_rule

EXACT = ["acc", "balanced_acc", "sen", "spe", "f1", "auc", "ppv", "npv", "youden"]


def case(seed: int, images: int, classes: int, digits: int):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)

    def predictions():
        p = rng.dirichlet(np.full(classes, 0.5), images) + 0.3 * np.eye(classes)[labels]
        p = np.round(p / p.sum(axis=1, keepdims=True), digits) + 1e-4
        return p / p.sum(axis=1, keepdims=True)

    return labels, {name: predictions() for name in ("original", "true", "false")}


cases = st.builds(
    case, st.integers(0, 10_000), st.integers(2, 50), st.integers(2, 3), st.sampled_from([1, 3, 8])
)


@given(
    cases,
    st.sampled_from(list(RULES)[:7]),
    st.lists(st.floats(0, 1) | st.just("always"), min_size=1, max_size=8),
    st.sampled_from([None, 0.3]),
)
@settings(max_examples=80, deadline=None)
def test_the_curve_is_the_metric_of_the_rule_at_each_threshold(
    drawn, rule, thresholds, false_threshold
):
    labels, predictions = drawn
    assume(set(RULES[rule].uses) <= predictions.keys())  # a mean of selectors needs theirs
    curve = threshold_curve(
        labels, predictions, rule, thresholds, list(METRICS), false_threshold=false_threshold
    )
    assert len(curve) == len(thresholds)
    moves = RULES[rule].has_threshold
    for row, threshold in enumerate(thresholds):
        final = apply_rule(
            rule, predictions, threshold if moves else None, false_threshold=false_threshold
        )
        direct = scores(list(METRICS), labels, final)
        for name, value in direct.items():
            found = curve[name].iloc[row]
            if name in EXACT:
                assert found == value or (math.isnan(found) and math.isnan(value)), name
            else:
                assert found == pytest.approx(value, abs=1e-12, nan_ok=True), name
        below = confidence(predictions["original"]) < threshold_value(threshold)
        sent = below.mean() if moves else 0
        assert curve["share"].iloc[row] == sent


@given(cases, st.sampled_from(["acc", "f1", "auc", "brier"]))
@settings(max_examples=40, deadline=None)
def test_no_threshold_beats_the_best_one(drawn, metric):
    labels, predictions = drawn
    if len(np.unique(labels)) < predictions["true"].shape[1]:
        return
    best = best_threshold(labels, predictions, "model2", metric)
    grid = [*np.unique(confidence(predictions["original"])), *np.linspace(0, 1, 57), "always"]
    curve = threshold_curve(labels, predictions, "model2", grid, [metric])
    sign = 1 if METRICS[metric].higher_is_better else -1
    reached = sign * curve[metric]
    assert (reached <= sign * best.value + 1e-12).all()
    as_good = curve[reached >= sign * best.value - 1e-12]
    assert best.share <= as_good["share"].min() + 1e-12
    applied = threshold_curve(labels, predictions, "model2", [best.threshold], [metric])
    assert applied[metric].iloc[0] == pytest.approx(best.value, abs=1e-12)


def test_ties_go_to_the_fewest_images_sent():
    curve = pd.DataFrame(
        {"threshold": [0.9, 0.1, 0.5], "acc": [0.8, 0.7, 0.8], "share": [0.4, 0.1, 0.2]}
    )
    assert choose_threshold(curve, "acc").threshold == 0.5
    falling = curve.rename(columns={"acc": "brier"})
    assert choose_threshold(falling, "brier").threshold == 0.1


def test_undefined_thresholds_are_passed_over():
    curve = pd.DataFrame({"threshold": [0.1, 0.5], "ppv": [math.nan, 0.2], "share": [0.1, 0.2]})
    assert choose_threshold(curve, "ppv").threshold == 0.5
    with pytest.raises(InputError, match="undefined at every threshold"):
        choose_threshold(curve.assign(ppv=math.nan), "ppv")


def test_when_the_second_network_is_always_right_everything_is_sent():
    labels = np.array([0, 1, 0, 1])
    wrong = np.eye(2)[1 - labels]
    best = best_threshold(labels, {"original": wrong, "true": np.eye(2)[labels]}, "model1", "acc")
    assert best.threshold == math.inf
    assert best.value == best.share == 1


def test_when_the_original_is_as_good_nothing_is_sent():
    labels, predictions = case(1, 60, 2, 8)
    best = best_threshold(
        labels, {"original": predictions["true"], "true": predictions["true"]}, "model1", "auc"
    )
    assert (best.threshold, best.share) == (0, 0)


def test_auc_along_a_long_path_of_single_images():
    rng = np.random.default_rng(7)
    images = 400
    labels = rng.random(images) < 0.3
    before, after = rng.integers(0, 50, (2, images)) / 50
    step = rng.permutation(images)
    along = auc_along_path(labels, before, after, step, images)
    for j in range(0, images, 37):
        score = np.where(step <= j, after, before)
        p = np.column_stack([1 - score, score])
        assert along[j] == scores(["auc"], labels, p)["auc"]


def test_a_curve_needs_a_known_metric():
    labels, predictions = case(1, 10, 2, 3)
    with pytest.raises(InputError, match="did you mean 'auc'"):
        threshold_curve(labels, predictions, "model1", [0.5], ["aucc"])
    with pytest.raises(InputError, match="no threshold to choose"):
        best_threshold(labels, predictions, "average", "acc")
    with pytest.raises(InputError, match="best between its ends"):
        best_threshold(labels, predictions, "model1", "calibration_slope")
